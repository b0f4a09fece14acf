/** Distributions that are known exactly: each is a Gaussian mixture, so its posteriors are known too. */
import { EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import type { Component } from "./mixture.ts";

export interface Truth {
  /** What it is, in words. */
  readonly title: string;
  /** Latents are vectors [N] or images [C, H, W]. */
  readonly latentShape: Shape;
  readonly components: readonly Component[];
  /** Whether a Gaussian fit must miss most of it, so that the network has something to learn. */
  readonly isShaped: boolean;
}

/** What the axes, means and pictures of truths are drawn from; they are the same in every run. */
const FIXED = new Rng(20_240_601);

function randomAxes(N: number, name: string): Matrix {
  const rng = FIXED.split("axes", name);
  const entries = Array.from({ length: N * N }, () => rng.normal());
  return new QrDecomposition(Matrix.from1DArray(N, N, entries)).orthogonalMatrix;
}

function constantVector(N: number, value: number): Float64Array {
  return new Float64Array(N).fill(value);
}

function gaussian(title: string, latentShape: Shape, component: Omit<Component, "weight">): Truth {
  return { title, latentShape, components: [{ ...component, weight: 1 }], isShaped: false };
}

/** A Gaussian of N features with eigenvalues v_k along random axes; its mean is three typical deviations from zero. */
function spectrum(title: string, N: number, eigenvalue: (k: number) => number): Truth {
  const variances = Float64Array.from({ length: N }, (_, k) => eigenvalue(k));
  const typical = Math.sqrt(variances.reduce((a, b) => a + b, 0) / N);
  return gaussian(title, [N], {
    mean: constantVector(N, 3 * typical),
    variances,
    axes: randomAxes(N, title),
  });
}

/** A Gaussian with a covariance given entry by entry. */
function correlated(title: string, latentShape: Shape, covariance: (i: number, j: number) => number): Truth {
  const N = sizeOf(latentShape);
  const C = Matrix.zeros(N, N);
  for (let i = 0; i < N; i++) for (let j = 0; j < N; j++) C.set(i, j, covariance(i, j));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(C, { assumeSymmetric: true });
  const variances = Float64Array.from(realEigenvalues, (value) => Math.max(value, 0));
  const axes = eigenvectorMatrix.transpose();
  return gaussian(title, latentShape, { mean: constantVector(N, 0), variances, axes });
}

/** Images whose pixels have covariance exp(-d^2 / 2 l^2) at distance d, l = 2, and a little noise of their own. */
function smoothImages(title: string, [C, H, W]: readonly [number, number, number]): Truth {
  const place = (i: number) => [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W] as const;
  return correlated(title, [C, H, W], (i, j) => {
    const [[c, y, x], [d, v, u]] = [place(i), place(j)];
    const near = Math.exp(-((y - v) ** 2 + (x - u) ** 2) / 8) * (c === d ? 1 : 0.6);
    return near + (i === j ? 0.02 : 0);
  });
}

/** A ring of radius 1, as a mixture of so many round beads that they overlap. */
function ring(title: string, N: 2 | 3): Truth {
  const beads = 64;
  const axes = randomAxes(3, title);
  const components = Array.from({ length: beads }, (_, k): Component => {
    const angle = (2 * Math.PI * k) / beads;
    const [a, b] = [Math.cos(angle), Math.sin(angle)];
    const mean = N === 2 ? [a, b] : [0, 1, 2].map((j) => a * axes.get(0, j) + b * axes.get(1, j));
    return { weight: 1 / beads, mean: Float64Array.from(mean), variances: constantVector(N, 0.05 ** 2) };
  });
  return { title, latentShape: [N], components, isShaped: true };
}

/** Round clusters of one deviation. */
function clusters(
  title: string,
  deviation: number,
  all: readonly (readonly [weight: number, mean: readonly number[]])[],
): Truth {
  const components = all.map(([weight, mean]) => ({
    weight,
    mean: Float64Array.from(mean),
    variances: constantVector(mean.length, deviation ** 2),
  }));
  return { title, latentShape: [all[0]![1].length], components, isShaped: true };
}

/** Two thin Gaussians that cross at right angles. */
function lines(title: string): Truth {
  const diagonal = Math.SQRT1_2;
  const axes = new Matrix([
    [diagonal, diagonal],
    [diagonal, -diagonal],
  ]);
  const components = [0, 1].map((along) => ({
    weight: 0.5,
    mean: constantVector(2, 0),
    variances: Float64Array.of(along === 0 ? 1 : 0.05 ** 2, along === 1 ? 1 : 0.05 ** 2),
    axes,
  }));
  return { title, latentShape: [2], components, isShaped: true };
}

/** Round Gaussians of one centre and four sizes: an excess kurtosis of 2.6 along every axis. */
function heavyTails(title: string, N: number): Truth {
  const sizes = [
    [0.4, 0.25],
    [0.35, 1],
    [0.2, 2.5],
    [0.05, 6],
  ] as const;
  const components = sizes.map(([weight, variance]) => ({
    weight,
    mean: constantVector(N, 0),
    variances: constantVector(N, variance),
  }));
  return { title, latentShape: [N], components, isShaped: false };
}

/** Images +T or -T of a random picture T of ones and minus ones, and noise of deviation 0.2 on each pixel. */
function plusMinus(title: string, shape: readonly [number, number, number]): Truth {
  const rng = FIXED.split("picture", title);
  const picture = Float64Array.from({ length: sizeOf(shape) }, () => (rng.uniform() < 0.5 ? -1 : 1));
  const components = [1, -1].map((sign) => ({
    weight: 0.5,
    mean: picture.map((value) => sign * value),
    variances: constantVector(picture.length, 0.2 ** 2),
  }));
  return { title, latentShape: shape, components, isShaped: true };
}

const farMean = (N: number) => Array.from({ length: N }, (_, j) => (j % 2 === 0 ? 3 : -1.5));

/** All truths by name. */
export const TRUTHS = {
  "gauss-1": spectrum("Gaussian, 1 dimension", 1, () => 4),
  "gauss-4": spectrum("Gaussian, eigenvalues 0.3^k, 4 dimensions", 4, (k) => 0.3 ** k),
  "gauss-8": spectrum("Gaussian, equal eigenvalues, 8 dimensions", 8, () => 1),
  "gauss-16-decay": spectrum("Gaussian, eigenvalues 1 / k^2, 16 dimensions", 16, (k) => 1 / (k + 1) ** 2),
  "gauss-16-rank3": spectrum("Gaussian, rank 3 and 0.1, 16 dimensions", 16, (k) => (k < 3 ? 1 : 0) + 0.01),
  "gauss-24": spectrum("Gaussian, eigenvalues 0.7^k, 24 dimensions", 24, (k) => 0.7 ** k),
  "gauss-64": correlated(
    "Gaussian, correlation 0.9^|i - j|, 64 dimensions",
    [64],
    (i, j) => 0.9 ** Math.abs(i - j),
  ),
  "smooth-8x8": smoothImages("Gaussian images, 8 x 8", [1, 8, 8]),
  "smooth-7x9": smoothImages("Gaussian images, 7 x 9", [1, 7, 9]),
  "smooth-3x4x5": smoothImages("Gaussian images, 3 channels of 4 x 5", [3, 4, 5]),
  ring: ring("ring, 2 dimensions", 2),
  "ring-3d": ring("ring in 3 dimensions", 3),
  "two-1d": clusters("two clusters .9 / .1, 1 dimension", 0.3, [
    [0.9, [0]],
    [0.1, [3]],
  ]),
  "two-2d": clusters("two clusters .9 / .1, 2 dimensions", 0.3, [
    [0.9, [0, 0]],
    [0.1, [3, -1.5]],
  ]),
  "two-16d": clusters("two clusters .9 / .1, 16 dimensions", 0.5, [
    [0.9, new Array<number>(16).fill(0)],
    [0.1, farMean(16)],
  ]),
  lines: lines("crossing lines, 2 dimensions"),
  "four-4d": clusters("four clusters, 4 dimensions", 0.2, [
    [0.4, [1, 1, 0, 0]],
    [0.3, [-1, 0, 1, 0.5]],
    [0.2, [0, -1, -1, 1]],
    [0.1, [1, -1, 0.5, -2]],
  ]),
  "tails-8d": heavyTails("heavy tails, 8 dimensions", 8),
  "signs-8x8": plusMinus("+T or -T, 8 x 8", [1, 8, 8]),
} as const satisfies Readonly<Record<string, Truth>>;

export type TruthName = keyof typeof TRUTHS;
