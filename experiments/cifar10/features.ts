import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { input, maximum, reshape } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { conv, type Layer, linear, sequential } from "../../src/nn/layers.ts";
import { constantWeights, type ParameterSpec, type Parameters } from "../../src/nn/parameters.ts";

/** Length of the feature vectors. */
export const RANDOM_FEATURES = 64;
/** Images a run; the last batch of a set is filled up. */
const BATCH = 64;
const WIDTHS = [32, 64, 64] as const;
const relu: Layer = { parameters: [], apply: (_weights, x) => maximum(x, 0) };

/**
 * An ONNX network of fixed random features, for Frechet distances where no Inception network is at hand: three
 * convolutions 3 x 3 with stride 2 to 32, 64 and 64 channels and a linear map to 64 features, each but the last followed
 * by ReLU; weights N(0, 2 / fan-in), biases N(0, 1/4), seed 0. Nothing is trained, so nothing in it favours a method.
 * Unlike the Inception network it knows no objects: it sees colours, contrast, edges, texture and noise. Distances in its
 * features are no FID, and compare with each other only.
 * @param shape of the images, [C, H, W]
 * @returns a model from images `x` [64, C, H, W] in [-1, 1] to `features` [64, 64]
 */
export function randomFeatureNetwork(shape: Shape): Uint8Array {
  const [C, H, W] = shape as [number, number, number];
  const half = (size: number) => Math.ceil(size / 2);
  const flat = WIDTHS[2] * half(half(half(H))) * half(half(half(W)));
  const body = sequential(
    ...WIDTHS.flatMap((width, i) => [
      conv(`conv.${i}`, i === 0 ? C : WIDTHS[i - 1]!, width, 3, { stride: 2 }),
      relu,
    ]),
  );
  const last = linear("features", flat, RANDOM_FEATURES);
  const weights = constantWeights(randomParameters([...body.parameters, ...last.parameters]));
  const x = input([BATCH, C, H, W]);
  const features = last.apply(weights, reshape(body.apply(weights, x), [BATCH, flat]));
  return writeOnnx({ x }, { features });
}

function randomParameters(specs: readonly ParameterSpec[]): Parameters {
  const rng = new Rng(0).split("random features");
  return Object.fromEntries(
    specs.map(({ name, shape }) => {
      const isBias = shape.length === 1;
      const deviation = isBias ? 0.5 : Math.sqrt(2 / sizeOf(shape.slice(1)));
      const stream = rng.split(name);
      const values = Float32Array.from({ length: sizeOf(shape) }, () => deviation * stream.normal());
      return [name, float32(values, shape)];
    }),
  );
}
