/** The data that all sides of a case compute with. */
import { readFileSync, writeFileSync } from "node:fs";
import { float32, type HostArray } from "../src/core/array.ts";
import { Rng } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import { sigmaAt } from "../src/diffusion/schedule.ts";
import { initialize, type Parameters } from "../src/nn/parameters.ts";
import { decodeSafetensors, encodeSafetensors } from "../src/nn/safetensors.ts";
import { type Case, levelsOf, networkOf, SCHEDULE } from "./cases.ts";

/** Streams of the samples that are drawn. */
export function sampleStreams(count: number): Rng[] {
  const rng = new Rng(7);
  return Array.from({ length: count }, (_, i) => rng.split("sample", i));
}

/** Stream of the M-step. */
export function trainingStream(): Rng {
  return new Rng(7).split("m-step");
}

/** Clean samples that the observations and the training data are made of, [count, ...shape]. */
export function cleanSamples({ shape, mStep }: Case): HostArray<"float32"> {
  const values = new Float32Array(mStep.batch * 4 * sizeOf(shape));
  new Rng(7).split("clean").fillNormal(values);
  return float32(values, [mStep.batch * 4, ...shape]);
}

/** Writes weights, observations and every random number of a case. */
export function writeInputs(one: Case, path: string): void {
  const parameters = initialize(networkOf(one).parameters, new Rng(7).split("network"));
  // A network that was not trained has no positive Jacobian at large noise; a weak one is near the base's, which is.
  const output = parameters["output.weight"]!.data;
  for (let i = 0; i < output.length; i++) output[i]! *= OUTPUT_SCALE;
  const weights = Object.entries(parameters).map(([name, value]) => [`weights.${name}`, value] as const);
  const tensors = {
    ...Object.fromEntries(weights),
    ...observations(one),
    ...noises(one),
    ...trainingData(one),
  };
  writeFileSync(path, encodeSafetensors(tensors));
}

const OUTPUT_SCALE = 0.02;

/** The arrays of `writeInputs`. */
export function readInputs(path: string): Record<string, HostArray<"float32">> {
  return decodeSafetensors(readFileSync(path), path).tensors as Record<string, HostArray<"float32">>;
}

/** The weights among such arrays. */
export function weightsOf(inputs: Readonly<Record<string, HostArray<"float32">>>): Parameters {
  const prefix = "weights.";
  const found = Object.entries(inputs).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
}

/** y = m x + noise with three quarters of the entries missing. */
function observations({ shape, maskShape, batch }: Case): Record<string, HostArray> {
  const rng = new Rng(7).split("observations");
  const mask = Float32Array.from({ length: batch * sizeOf(maskShape) }, () => Number(rng.uniform() < 0.25));
  const y = new Float32Array(batch * sizeOf(shape));
  rng.fillNormal(y);
  const [image, one] = [sizeOf(shape), sizeOf(maskShape)];
  for (let i = 0; i < y.length; i++) y[i]! *= mask[Math.floor(i / image) * one + (i % one)]!;
  return { mask: float32(mask, [batch, ...maskShape]), y: float32(y, [batch, ...shape]) };
}

/** The start x_1 / sigma_1 and the noise of each step, as `Sampler.draw` takes them from the samples' streams. */
function noises(one: Case): Record<string, HostArray> {
  const { shape, batch } = one;
  const size = sizeOf(shape);
  const evaluations = levelsOf(one).length - 1;
  const start = new Float32Array(batch * size);
  const noise = new Float32Array(evaluations * batch * size);
  for (const [row, stream] of sampleStreams(batch).entries()) {
    stream.fillNormal(start.subarray(row * size, (row + 1) * size));
    for (let k = 0; k < evaluations; k++)
      stream.fillNormal(noise.subarray((k * batch + row) * size, (k * batch + row + 1) * size));
  }
  return { start: float32(start, [batch, ...shape]), noise: float32(noise, [evaluations, batch, ...shape]) };
}

/** Data, noise levels and noise of the optimizer's steps, as `Trainer.train` draws them. The comparison would tell. */
function trainingData(one: Case): Record<string, HostArray> {
  const { shape, optimizerSteps: steps, mStep } = one;
  const { batch, timeBeta } = mStep;
  const size = sizeOf(shape);
  const clean = cleanSamples(one);
  const x = new Float32Array(steps * batch * size);
  const z = new Float32Array(x.length);
  const sigma = new Float32Array(steps * batch);
  for (let k = 0; k < steps; k++) {
    const stream = trainingStream().split(k);
    for (let row = k * batch; row < (k + 1) * batch; row++) {
      const from = stream.integer(clean.shape[0]!) * size;
      x.set(clean.data.subarray(from, from + size), row * size);
      sigma[row] = sigmaAt({ ...SCHEDULE, spacing: "geometric" }, stream.beta(timeBeta[0], timeBeta[1]));
    }
    stream.fillNormal(z.subarray(k * batch * size, (k + 1) * batch * size));
  }
  const whole = [steps, batch, ...shape];
  return {
    "training.x": float32(x, whole),
    "training.noise": float32(z, whole),
    "training.sigma": float32(sigma, [steps, batch]),
  };
}
