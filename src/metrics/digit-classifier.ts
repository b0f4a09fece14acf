import { float32, type HostArray, rows } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";
import { input, reshape, type Tensor } from "../graph/index.ts";
import { conv, linear, sequential, silu, siluLayer } from "../nn/layers.ts";
import { constantWeights, type ParameterSpec, type Parameters, type Weights } from "../nn/parameters.ts";
import { compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** Length of the vector that the classifier makes of a picture before its last layer. */
export const DIGIT_FEATURES = 64;
/** Digits 0 ... 9. */
export const DIGIT_CLASSES = 10;

/** What the classifier says of a batch, as tensors of a graph. */
export interface DigitOutputs {
  /** [B, 64]: the layer before the last, on which distances between sets of digits are taken. */
  readonly features: Tensor;
  /** [B, 10]: ln p(digit | x) up to a constant of each row. */
  readonly logits: Tensor;
}

/** A network from pictures of digits to features and classes. */
export interface DigitClassifier {
  readonly parameters: readonly ParameterSpec[];
  /** @param x pictures in [-2, 2], black -2, [B, 1, 28, 28]        @throws ShapeError */
  readonly apply: (weights: Weights, x: Tensor) => DigitOutputs;
}

const body = sequential(
  conv("conv.0", 1, 16, 3, { stride: 2 }),
  siluLayer,
  conv("conv.1", 16, 32, 3, { stride: 2 }),
  siluLayer,
  conv("conv.2", 32, 48, 3, { stride: 2 }),
  siluLayer,
);
const penultimate = linear("features", 48 * 4 * 4, DIGIT_FEATURES);
const last = linear("logits", DIGIT_FEATURES, DIGIT_CLASSES);

/**
 * A small convolutional classifier of digits, 68 538 parameters:
 *   3 x (convolution 3 x 3 with stride 2, SiLU) to 16, 32, 48 channels of 4 x 4;  linear to 64, SiLU;  linear to 10.
 * It stands in for the Inception network of [Heusel17], which was trained on photographs: distances on its features
 * compare sets of digits with each other, and with no number published elsewhere. Measured against the 10 000 test
 * digits, 2000 pictures each: clean training digits 8.7 (10 000 of them: 2.9), with normal noise of 0.5 15.1, blurred by
 * one pixel 116, 75 % of pixels black 608. So it sees missing strokes and wrong shapes well, and slight noise hardly.
 */
export const digitClassifier: DigitClassifier = {
  parameters: [body, penultimate, last].flatMap((layer) => layer.parameters),
  apply: (weights, x) => {
    const { B } = expectShape(x.shape, ["B", 1, 28, 28], "digitClassifier: x");
    const flat = reshape(body.apply(weights, x), [B, 48 * 4 * 4]);
    const features = silu(penultimate.apply(weights, flat));
    return { features, logits: last.apply(weights, features) };
  },
};

/** What the classifier says of n pictures. */
export interface DigitResults {
  /** [n, 64] */
  readonly features: HostArray<"float32">;
  /** [n, 10] */
  readonly logits: HostArray<"float32">;
  /** The most likely digit of each picture, [n]. */
  readonly classes: Uint8Array;
}

/** The compiled classifier; release it when done. */
export interface DigitFeatures {
  /** @param images in [-2, 2], [n, 1, 28, 28], any n        @throws ShapeError */
  readonly classify: (images: HostArray<"float32">) => Promise<DigitResults>;
  /** Only the features, [n, 64]. */
  readonly features: (images: HostArray<"float32">) => Promise<HostArray<"float32">>;
  readonly release: () => Promise<void>;
}

/**
 * Compiles the classifier for batches of one size; a last, shorter batch is filled up with grey and cut again.
 * @param parameters of `digitClassifier`, from `loadDigitClassifier`
 * @param batch pictures a run, >= 1; it changes the speed and memory, not the results
 * @throws ConfigError if the batch is not a positive integer, EngineError if ONNX Runtime refuses
 */
export async function compileDigitFeatures(
  parameters: Parameters,
  batch: number,
  engine: EngineOptions = {},
): Promise<DigitFeatures> {
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new ConfigError(`compileDigitFeatures: batch must be an integer >= 1, got ${batch}.`);
  const x = input([batch, 1, 28, 28]);
  const outputs = digitClassifier.apply(constantWeights(parameters), x);
  const program = await compile({ inputs: { x }, outputs: { ...outputs } }, engine);
  const classify = (images: HostArray<"float32">) => classifyInBatches(program, images, batch);
  return {
    classify,
    features: async (images) => (await classify(images)).features,
    release: () => program.release(),
  };
}

async function classifyInBatches(
  program: Program,
  images: HostArray<"float32">,
  batch: number,
): Promise<DigitResults> {
  const { n } = expectShape(images.shape, ["n", 1, 28, 28], "digit features: images");
  const features = float32(new Float32Array(n * DIGIT_FEATURES), [n, DIGIT_FEATURES]);
  const logits = float32(new Float32Array(n * DIGIT_CLASSES), [n, DIGIT_CLASSES]);
  for (let start = 0; start < n; start += batch) {
    const end = Math.min(start + batch, n);
    const taken = rows(images, start, end);
    const x = end - start === batch ? taken : filledUp(taken, batch);
    const found = (await program.run({ x })) as Record<keyof DigitOutputs, HostArray<"float32">>;
    features.data.set(rows(found.features, 0, end - start).data, start * DIGIT_FEATURES);
    logits.data.set(rows(found.logits, 0, end - start).data, start * DIGIT_CLASSES);
  }
  return { features, logits, classes: largestOfRows(logits.data) };
}

function filledUp(images: HostArray<"float32">, batch: number): HostArray<"float32"> {
  const data = new Float32Array(batch * 28 * 28);
  data.set(images.data);
  return float32(data, [batch, 1, 28, 28]);
}

function largestOfRows(logits: Float32Array): Uint8Array {
  return Uint8Array.from({ length: logits.length / DIGIT_CLASSES }, (_, row) => {
    const scores = logits.subarray(row * DIGIT_CLASSES, (row + 1) * DIGIT_CLASSES);
    return scores.indexOf(scores.reduce((best, score) => Math.max(best, score)));
  });
}
