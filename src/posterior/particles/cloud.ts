import { float32, type HostArray } from "../../core/array.ts";
import { NumericalError } from "../../core/errors.ts";
import type { Rng } from "../../core/random.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { systematicResample, weigh } from "./particles.ts";

/** The state of K particles for each of n observations, row by row. */
export interface Cloud {
  x: Float32Array;
  x_hat: Float32Array;
  /** E[x | x_t, y] - x_hat. */
  guidance: Float64Array;
  logTwist: Float64Array;
  logWeights: Float64Array;
}

/** x_1 = mean + sigma_1 z for K particles per noise stream. @param mean of one sample's size, default 0 */
export function start(
  noises: readonly Rng[],
  K: number,
  sigma: number,
  size: number,
  mean?: HostArray<"float32">,
): Cloud {
  const rows = noises.length * K;
  const x = new Float32Array(rows * size);
  noises.forEach((noise, i) => {
    noise.fillNormal(x.subarray(i * K * size, (i + 1) * K * size));
  });
  for (let i = 0; i < x.length; i++) x[i] = (mean?.data[i % size] ?? 0) + sigma * x[i]!;
  return {
    x,
    x_hat: new Float32Array(x.length),
    guidance: new Float64Array(x.length),
    logTwist: new Float64Array(rows),
    logWeights: new Float64Array(rows),
  };
}

/** Replaces the particles of observation i by those picked, with equal weights. */
export function resample(cloud: Cloud, i: number, picked: Uint32Array): void {
  const K = picked.length;
  const size = cloud.x.length / cloud.logWeights.length;
  for (const values of [cloud.x, cloud.x_hat, cloud.guidance, cloud.logTwist]) {
    const width = values === cloud.logTwist ? 1 : size;
    const old = values.slice(i * K * width, (i + 1) * K * width);
    picked.forEach((from, k) => {
      values.set(old.subarray(from * width, (from + 1) * width), (i * K + k) * width);
    });
  }
  cloud.logWeights.fill(0, i * K, (i + 1) * K);
}

/**
 * Moves each particle by a guided ancestral step and divides its weight by psi_t and q / p. With the guidance g,
 *   x_s = x_hat + kept (x_t - x_hat) + tau g + s z,   ln p / q = -(2 s tau z' g + tau^2 g' g) / (2 s^2).
 */
export function propose(cloud: Cloud, sigma_t: number, sigma_s: number, noises: readonly Rng[]): void {
  const kept = (sigma_s / sigma_t) ** 2;
  const tau = 1 - kept;
  const s = sigma_s * Math.sqrt(tau);
  const rows = cloud.logWeights.length;
  const size = cloud.x.length / rows;
  const K = rows / noises.length;
  for (let row = 0; row < rows; row++) {
    const noise = noises[Math.floor(row / K)]!;
    let exponent = 0;
    for (let i = row * size; i < (row + 1) * size; i++) {
      const z = noise.normal();
      const shift = tau * cloud.guidance[i]!;
      exponent += (z + shift / (2 * s)) * (shift / s);
      const x_hat = cloud.x_hat[i]!;
      cloud.x[i] = x_hat + kept * (cloud.x[i]! - x_hat) + shift + s * z;
    }
    cloud.logWeights[row] = cloud.logWeights[row]! - exponent - cloud.logTwist[row]!;
  }
}

/** The particles as E[x | x_t, y] at the smallest level, their weights, and one draw from them per observation. */
export function conclude(cloud: Cloud, n: number, shape: Shape, choices: readonly Rng[]) {
  const K = cloud.logWeights.length / n;
  const size = sizeOf(shape);
  const particles = float32(
    cloud.x_hat.map((value, i) => value + cloud.guidance[i]!),
    [n, K, ...shape],
  );
  const bad = particles.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new NumericalError(
      `twisted sampling: a particle of observation ${Math.floor(bad / (K * size))} is not finite. The denoiser diverges at these noise levels: train longer or lower the learning rate.`,
    );
  const weights = new Float64Array(n * K);
  const samples = float32(new Float32Array(n * size), [n, ...shape]);
  for (let i = 0; i < n; i++) {
    const { normalized } = weigh(cloud.logWeights.subarray(i * K, (i + 1) * K));
    weights.set(normalized, i * K);
    const row = i * K + systematicResample(normalized, 1, choices[i]!)[0]!;
    samples.data.set(particles.data.subarray(row * size, (row + 1) * size), i * size);
  }
  return { samples, particles, weights };
}
