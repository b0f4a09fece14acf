import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { gaussianBase, limitCorrection, normalBase } from "../../src/diffusion/base.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { gaussianConstants, gaussianDenoiser, invert, shrink } from "../../src/diffusion/gaussian.ts";
import { denoisingLoss } from "../../src/diffusion/loss.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { add, expand, mul, scalar, square, sub, vjp } from "../../src/graph/index.ts";
import type { Network } from "../../src/nn/network.ts";
import { expectAllClose } from "../matchers.ts";
import { column, covarianceOf, fromRows, randomGaussian, shrinkage } from "./dense.ts";
import { MIXTURE, mixtureMoments, randomAxes } from "./mixtures.ts";
import { evaluate, normals } from "./support.ts";

/** The paper's schedule, end to end. */
const LEVELS = [1e-3, 1e-2, 0.1, 1, 10, 1e2];

// Measured 1.3e-6 at worst, over variances that span 1e4: conditioning of the r x r system times 6e-8.
const GAUSSIAN_TOLERANCE = 1e-5;
// Softmax of energies near 1e3: 1e3 * 6e-8 relative error of each share.
const MIXTURE_TOLERANCE = 1e-4;
const FLOAT32 = 2e-6;

const GAUSSIANS = [
  { name: "of equal variances", gaussian: randomGaussian(new Rng(1), 6, 2, 1) },
  { name: "of variances from 1e-4 to 1", gaussian: randomGaussian(new Rng(2), 12, 4, 1e4) },
  { name: "of almost full rank", gaussian: randomGaussian(new Rng(3), 8, 7, 100) },
  {
    name: "almost on a plane",
    gaussian: { ...randomGaussian(new Rng(4), 6, 2, 1), diagonal: float32(new Array(6).fill(1e-6)) },
  },
];

describe.each(GAUSSIANS)("a Gaussian $name", ({ gaussian }) => {
  const covariance = covarianceOf(gaussian);
  const [N] = gaussian.mean.shape as [number];

  test.each(LEVELS)("is shrunk by Sigma (Sigma + sigma^2 I)^-1 at sigma = %d", async (sigma) => {
    const feeds = { v: normals(new Rng(5), [1, N]), sigma: float32([sigma]) };
    const { forward, backward } = await evaluate(feeds, ({ v, sigma }) => {
      const forward = shrink(gaussianConstants(gaussian), sigma)(v);
      return { forward, backward: vjp([forward], [v], [v])[0]! };
    });
    const expected = shrinkage(covariance, sigma).mmul(column(feeds.v.data)).to1DArray();
    expectAllClose(forward.data, expected, { relative: GAUSSIAN_TOLERANCE });
    // The map is symmetric: its own adjoint.
    expectAllClose(backward.data, expected, { relative: GAUSSIAN_TOLERANCE });
  });

  test("is denoised exactly at each sample's own level, however large x_t is", async () => {
    const sizes = [1e-3, 1, 1e2, 1e5];
    const levels = sizes.flatMap(() => LEVELS);
    const z = normals(new Rng(6), [levels.length, N]);
    const x = float32(
      z.data.map((value, i) => value * sizes[Math.floor(i / N / LEVELS.length)]!),
      z.shape,
    );
    const { mean } = await evaluate({ x, sigma: float32(levels) }, ({ x, sigma }) => ({
      mean: gaussianDenoiser(gaussian)(x, sigma),
    }));
    const m = column(gaussian.mean.data);
    levels.forEach((sigma, b) => {
      const x_t = column(x.data.subarray(b * N, (b + 1) * N));
      const expected = Matrix.add(m, shrinkage(covariance, sigma).mmul(Matrix.sub(x_t, m)));
      const found = mean.data.subarray(b * N, (b + 1) * N);
      // The absolute part is the rounding of mean + map(x_t - mean) where the result is near zero.
      expectAllClose(found, expected.to1DArray(), { relative: GAUSSIAN_TOLERANCE, absolute: 1e-6 });
    });
  });
});

test("a Gaussian without a factor shrinks each feature alone: d / (d + sigma^2)", async () => {
  const gaussian = {
    mean: float32([0, 0]),
    diagonal: float32([1, 3]),
    factor: float32([0, 0], [2, 1]),
  };
  const feeds = { x: float32([4, 8], [1, 2]), sigma: float32([1]) };
  const { mean } = await evaluate(feeds, ({ x, sigma }) => ({ mean: gaussianDenoiser(gaussian)(x, sigma) }));
  expectAllClose(mean.data, [2, 6], { relative: FLOAT32 });
});

describe("inversion", () => {
  test.each([1, 2, 7, 24])("of batches of positive definite matrices of size %d", async (size) => {
    const factors = normals(new Rng(size), [3, size, size]);
    const matrices = [0, 1, 2].map((b) => {
      const F = fromRows(factors.data.subarray(b * size * size, (b + 1) * size * size), size, size);
      return Matrix.eye(size).add(F.mmul(F.transpose()));
    });
    const feeds = {
      A: float32(
        matrices.flatMap((A) => A.to1DArray()),
        [3, size, size],
      ),
    };
    const { inverse } = await evaluate(feeds, ({ A }) => ({ inverse: invert(A) }));
    matrices.forEach((A, b) => {
      const found = fromRows(inverse.data.subarray(b * size * size, (b + 1) * size * size), size, size);
      // Condition numbers up to about 100, times 6e-8.
      expectAllClose(A.mmul(found).to1DArray(), Matrix.eye(size).to1DArray(), { absolute: 2e-5 });
    });
  });
});

const MIXTURES = [
  { name: "along the coordinate axes", mixture: MIXTURE },
  { name: "along axes of their own", mixture: { ...MIXTURE, axes: randomAxes(new Rng(23), 3, 4) } },
];

describe.each(MIXTURES)("a mixture of Gaussians $name", ({ mixture }) => {
  test.each(LEVELS)("has the exact mean and Tweedie's covariance at sigma = %d", async (sigma) => {
    const N = 4;
    const z = normals(new Rng(31), [N]);
    // A plausible x_t: between components 0 and 1 where the noise is small, far out where it is large.
    const x_t = Array.from(
      z.data,
      (value, i) => 0.5 * (MIXTURE.means.data[i]! + MIXTURE.means.data[N + i]!) + sigma * value,
    );
    // The same x_t in each row: pulling back the rows of the identity gives the whole Jacobian at once.
    const feeds = {
      x: float32(Array.from({ length: N }, () => x_t).flat(), [N, N]),
      identity: float32(Matrix.eye(N).to1DArray(), [N, N]),
      sigma: float32([sigma]),
    };
    const found = await evaluate(feeds, ({ x, identity, sigma }) => {
      const mean = mixtureDenoiser(mixture)(x, sigma);
      return { mean, covariance: mul(vjp([mean], [x], [identity])[0]!, square(sigma)) };
    });
    const expected = mixtureMoments(mixture, column(Float32Array.from(x_t)), sigma);
    expectAllClose(found.mean.data.subarray(0, N), expected.mean.to1DArray(), {
      relative: MIXTURE_TOLERANCE,
    });
    expectAllClose(found.covariance.data, expected.covariance.to1DArray(), { relative: MIXTURE_TOLERANCE });
  });
});

test("a mixture of one component is that Gaussian", async () => {
  const gaussian = { ...randomGaussian(new Rng(8), 5, 1, 10), factor: float32(new Array(5).fill(0), [5, 1]) };
  const mixture = {
    weights: float32([1]),
    means: float32(gaussian.mean.data, [1, 5]),
    variances: float32(gaussian.diagonal.data, [1, 5]),
  };
  const feeds = { x: normals(new Rng(9), [6, 5]), sigma: float32(LEVELS) };
  const { one, other } = await evaluate(feeds, ({ x, sigma }) => ({
    one: mixtureDenoiser(mixture)(x, sigma),
    other: gaussianDenoiser(gaussian)(x, sigma),
  }));
  expectAllClose(one, other, { relative: FLOAT32 });
});

/** A network whose output is a constant, to see the frame around it. */
const constantNetwork = (value: number): Network => ({
  shape: [3],
  parameters: [],
  dropoutRate: 0,
  apply: (_weights, x) => expand(scalar(value), x.shape),
});
/** A network that returns its input. */
const identityNetwork: Network = { ...constantNetwork(0), apply: (_weights, x) => x };

describe("preconditioning", () => {
  const denoise = (denoiser: Denoiser, x: number[], sigma: number) =>
    evaluate({ x: float32(x, [1, 3]), s: float32([sigma]) }, ({ x, s }) => ({ d: denoiser(x, s) }));

  test("keeps x_t as the noise vanishes", async () => {
    const { d } = await denoise(precondition(constantNetwork(1), {}), [1, -2, 3], 1e-7);
    expectAllClose(d, [1, -2, 3], { relative: FLOAT32 });
  });
  test("hands over to the network as the noise grows", async () => {
    const { d } = await denoise(precondition(constantNetwork(0.5), {}), [100, -200, 50], 1e6);
    expectAllClose(d, [0.5, 0.5, 0.5], { relative: FLOAT32 });
  });
  test("follows its formula at sigma = 2", async () => {
    const { d } = await denoise(precondition(identityNetwork, {}), [1, -2, 3], 2);
    // x / 5 + (2 / sqrt 5) (x / sqrt 5) = 3 x / 5
    expectAllClose(d, [0.6, -1.2, 1.8], { relative: FLOAT32 });
  });
  test("gives the network ln sigma and inputs of unit scale", async () => {
    const seen: Network = { ...constantNetwork(0), apply: (_w, x, logSigma) => mul(x, logSigma) };
    const { d } = await denoise(precondition(seen, {}), [1, -2, 3], 2);
    const factor = 1 / 5 + (2 / 5) * Math.log(2);
    expectAllClose(d, [factor, -2 * factor, 3 * factor], { relative: FLOAT32 });
  });
});

/** f(C) of a symmetric matrix, by its eigenvalues. */
function ofMatrix(C: Matrix, f: (eigenvalue: number) => number): Matrix {
  const { eigenvectorMatrix: E, realEigenvalues } = new EigenvalueDecomposition(C, { assumeSymmetric: true });
  return E.mmul(Matrix.diag(realEigenvalues.map(f))).mmul(E.transpose());
}

describe("a Gaussian as the base", () => {
  const N = 6;
  const square = fromRows(normals(new Rng(30), [N, N]).data, N, N);
  const axes = new EigenvalueDecomposition(square.mmul(square.transpose())).eigenvectorMatrix;
  const lengths = [100, 1, 1e-3];
  const factor = axes.subMatrix(0, N - 1, 0, 2).mulRowVector(lengths.map(Math.sqrt));
  const gaussian = {
    mean: normals(new Rng(31), [N]),
    diagonal: float32(new Array(N).fill(1e-2)),
    factor: float32(factor.to1DArray(), [N, 3]),
  };
  const C = covarianceOf(gaussian);
  const rootTolerance = 2e-5; // float32 through variances that span 1e4

  test.each(LEVELS)("has the roots of V = (Sigma^-1 + s^-2 I)^-1 at s = %d", async (s) => {
    const feeds = { v: normals(new Rng(32), [1, N]), sigma: float32([s]) };
    const { spread, gather } = await evaluate(feeds, ({ v, sigma }) => {
      const base = gaussianBase(gaussian)(v, sigma);
      // Small h are not limited.
      return { spread: mul(base.correction(mul(v, 1e-2)), 100), gather: base.gather(v) };
    });
    const V = (l: number) => (l * s ** 2) / (l + s ** 2);
    const times = (f: (l: number) => number) => ofMatrix(C, f).mmul(column(feeds.v.data)).to1DArray();
    expectAllClose(
      spread.data,
      times((l) => Math.sqrt(V(l))),
      { relative: rootTolerance },
    );
    expectAllClose(
      gather.data,
      times((l) => 1 / Math.sqrt(V(l))),
      { relative: rootTolerance },
    );
  });

  test("leaves one unit of error at every level, in every direction", async () => {
    const rows = 4000;
    for (const s of [1e-2, 1, 30]) {
      const z = normals(new Rng(33), [rows, N]);
      const root = ofMatrix(C, (l) => Math.sqrt(l));
      const u = fromRows(normals(new Rng(34), [rows, N]).data, rows, N).mmul(root);
      const x = float32(
        Array.from(u.to1DArray(), (value, i) => value + gaussian.mean.data[i % N]!),
        [rows, N],
      );
      const { errors } = await evaluate({ x, z, sigma: float32([s]) }, ({ x, z, sigma }) => {
        const base = gaussianBase(gaussian);
        const x_t = add(x, mul(sigma, z));
        const view = base(x_t, sigma);
        return { errors: view.gather(sub(x, view.mean)) };
      });
      for (let j = 0; j < N; j++) {
        let sum = 0;
        for (let i = 0; i < rows; i++) sum += errors.data[i * N + j]! ** 2 / rows;
        expect(Math.abs(sum - 1), `s = ${s}, entry ${j}`).toBeLessThan(0.1); // 4.5 standard errors
      }
    }
  });

  test("leaves ordinary corrections alone and keeps huge ones within four deviations", async () => {
    const h = normals(new Rng(35), [2, 50]);
    const big = float32(
      h.data.map((value, i) => (i < 50 ? value : value * 1e6)),
      [2, 50],
    );
    const { kept } = await evaluate({ big }, ({ big }) => ({ kept: limitCorrection(big) }));
    expectAllClose(kept.data.slice(0, 50), h.data.slice(0, 50), { relative: 3e-3 });
    expectAllClose([Math.hypot(...kept.data.slice(50)) / Math.sqrt(50)], [4], { relative: 1e-5 });
  });
});

describe("the loss", () => {
  test("weighs levels so that errors of the network count alike: lambda c_out^2 = 1", async () => {
    const feeds = { s: float32(LEVELS), h: normals(new Rng(20), [LEVELS.length, 3]) };
    const { found } = await evaluate(feeds, ({ s, h }) => {
      const { correction, gather } = normalBase(h, s);
      return { found: gather(correction(h)) };
    });
    expectAllClose(found, feeds.h, { relative: FLOAT32 });
  });

  const feeds = {
    x: float32([1, 2, 3, 4], [2, 2]),
    z: float32([1, -1, 0.5, 0], [2, 2]),
    sigma: float32([1, 0.5]),
  };
  // d(x_t) = x_t, so errors are sigma z: (1 + 1) mean(1, 1) = 2 and (4 + 1) mean(1/16, 0) = 5/32.
  const identity: Denoiser = (x_t) => x_t;

  test("is the weighted mean square error, averaged over features and batch", async () => {
    const { loss } = await evaluate(feeds, ({ x, z, sigma }) => ({
      loss: denoisingLoss(identity, x, sigma, z),
    }));
    expect(loss.shape).toEqual([]);
    expectAllClose(loss.data, [(2 + 5 / 32) / 2], { relative: FLOAT32 });
  });
  test("leaves out samples of weight zero", async () => {
    const { loss } = await evaluate({ ...feeds, share: float32([1, 0]) }, ({ x, z, sigma, share }) => ({
      loss: denoisingLoss(identity, x, sigma, z, { weight: share }),
    }));
    expectAllClose(loss.data, [2], { relative: FLOAT32 });
  });
});
