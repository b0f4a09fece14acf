/**
 * Trains the classifier of digits in assets/ on the 60 000 clean training digits, and prints its test accuracy.
 * A few minutes on one core:
 *   node scripts/train-digit-classifier.ts        (node >= 22.18, which strips types)
 */

import { DIGIT_CLASSIFIER_PATH } from "../src/cli/evaluation/digit-classifier.ts";
import { float32, type HostArray } from "../src/core/array.ts";
import { writeFileAtomic } from "../src/core/files.ts";
import { Rng } from "../src/core/random.ts";
import { loadMnist, type Mnist } from "../src/data/mnist.ts";
import {
  exp,
  input,
  log,
  max,
  mean,
  mul,
  reshape,
  scalar,
  slice,
  sub,
  sum,
  vjp,
} from "../src/graph/index.ts";
import { compileDigitFeatures, DIGIT_CLASSES, digitClassifier } from "../src/metrics/digit-classifier.ts";
import { adamCorrection, adamStep } from "../src/nn/optimizer.ts";
import {
  countParameters,
  flatten,
  initialize,
  joinWeights,
  type Parameters,
  sliceWeights,
  unflatten,
} from "../src/nn/parameters.ts";
import { encodeSafetensors } from "../src/nn/safetensors.ts";
import { type Arrays, compile, type Program } from "../src/runtime/compile.ts";

/** One thread and one seed give the same bytes on the same processor. */
const ENGINE = { threads: 1 };
const SEED = 0;
const BATCH = 128;
const EPOCHS = 8;
/** Falls to zero along half a cosine. */
const LEARNING_RATE = 2e-3;
/** Largest shift of a training picture, in pixels: digits leave a margin of four. */
const MAX_SHIFT = 2;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
const BLACK = -2;

/** One Adam step on the cross-entropy, mean over the batch of ln sum_k exp(l_k) - l_y, with l the logits. */
async function compileStep(): Promise<Program> {
  const specs = digitClassifier.parameters;
  const size = [countParameters(specs)];
  const current = { parameters: input(size), first: input(size), second: input(size) };
  const x = input([BATCH, 1, SIDE, SIDE]);
  const labels = input([BATCH, DIGIT_CLASSES]);
  const settings = input([3]);
  const setting = (i: number) => reshape(slice(settings, 0, i, i + 1), []);

  const weights = sliceWeights(specs, current.parameters);
  const { logits } = digitClassifier.apply(weights, x);
  const shifted = sub(logits, max(logits, [1], true));
  const loss = mean(sub(log(sum(exp(shifted), [1])), sum(mul(shifted, labels), [1])));

  const gradients = vjp([loss], Object.values(weights), [scalar(1)]);
  const named = Object.fromEntries(Object.keys(weights).map((name, i) => [name, gradients[i]!]));
  const next = adamStep(current, joinWeights(specs, named), setting(0), [setting(1), setting(2)]);
  return await compile(
    {
      inputs: { x, labels, settings },
      outputs: { loss },
      state: {
        parameters: { current: current.parameters, next: next.parameters },
        first: { current: current.first, next: next.first },
        second: { current: current.second, next: next.second },
      },
    },
    ENGINE,
  );
}

/** Pictures `indices`, each shifted at random, and their labels as rows of zeros with a one. */
function drawBatch({ images, labels }: Mnist, indices: Uint32Array, rng: Rng): Arrays {
  const x = new Float32Array(BATCH * PIXELS);
  const targets = new Float32Array(BATCH * DIGIT_CLASSES);
  indices.forEach((index, row) => {
    const picture = images.data.subarray(index * PIXELS, (index + 1) * PIXELS);
    const shift = () => rng.integer(2 * MAX_SHIFT + 1) - MAX_SHIFT;
    copyShifted(picture, shift(), shift(), x.subarray(row * PIXELS, (row + 1) * PIXELS));
    targets[row * DIGIT_CLASSES + labels[index]!] = 1;
  });
  return { x: float32(x, [BATCH, 1, SIDE, SIDE]), labels: float32(targets, [BATCH, DIGIT_CLASSES]) };
}

function copyShifted(picture: Float32Array, down: number, right: number, out: Float32Array): void {
  const isInside = (at: number) => at >= 0 && at < SIDE;
  for (let i = 0; i < SIDE; i++)
    for (let j = 0; j < SIDE; j++) {
      const [from, column] = [i - down, j - right];
      const inside = isInside(from) && isInside(column);
      out[i * SIDE + j] = inside ? picture[from * SIDE + column]! : BLACK;
    }
}

async function train(digits: Mnist): Promise<{ parameters: Parameters; steps: number }> {
  const specs = digitClassifier.parameters;
  const rng = new Rng(SEED);
  const program = await compileStep();
  program.setState({ parameters: flatten(specs, initialize(specs, rng)) });
  const perEpoch = Math.floor(digits.labels.length / BATCH);
  const steps = EPOCHS * perEpoch;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const stream = rng.split("epoch", epoch);
    const order = stream.permutation(digits.labels.length);
    let total = 0;
    for (let k = 0; k < perEpoch; k++) {
      const step = epoch * perEpoch + k;
      const learningRate = (LEARNING_RATE * (1 + Math.cos((Math.PI * step) / steps))) / 2;
      const batch = drawBatch(digits, order.subarray(k * BATCH, (k + 1) * BATCH), stream);
      const settings = float32([learningRate, ...adamCorrection(step + 1)]);
      const { loss } = await program.run({ ...batch, settings });
      total += Number(loss!.data[0]);
    }
    console.log(`epoch ${epoch + 1} of ${EPOCHS}: cross-entropy ${(total / perEpoch).toFixed(4)}`);
  }
  const parameters = unflatten(specs, program.state().parameters as HostArray<"float32">);
  await program.release();
  return { parameters, steps };
}

async function measureAccuracy(parameters: Parameters, { images, labels }: Mnist): Promise<number> {
  const classifier = await compileDigitFeatures(parameters, 500, ENGINE);
  const { classes } = await classifier.classify(images);
  await classifier.release();
  return classes.filter((digit, i) => digit === labels[i]).length / labels.length;
}

const { parameters, steps } = await train(await loadMnist("train"));
const accuracy = await measureAccuracy(parameters, await loadMnist("test"));
console.log(`accuracy on the 10 000 test digits: ${(100 * accuracy).toFixed(2)} %`);
const metadata = { dataset: "mnist", accuracy: String(accuracy), seed: String(SEED), steps: String(steps) };
await writeFileAtomic(DIGIT_CLASSIFIER_PATH, encodeSafetensors(parameters, metadata));
console.log(`wrote ${DIGIT_CLASSIFIER_PATH}`);
