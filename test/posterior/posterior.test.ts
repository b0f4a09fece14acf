import { EigenvalueDecomposition, Matrix, solve } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import { noiseLevels, VE_DEFAULTS } from "../../src/diffusion/schedule.ts";
import { constant, input, matmul, mul, sin, type Tensor } from "../../src/graph/index.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { mask } from "../../src/operators/kinds/mask.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { gaussianPosterior } from "../../src/posterior/gaussian.ts";
import { gaussianGuided } from "../../src/posterior/gaussian-guided.ts";
import { gaussianPrior, heuristicPosterior, identityPrior, sigmaT } from "../../src/posterior/heuristics.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import type { Measurement } from "../../src/posterior/posterior.ts";
import {
  column,
  conditional,
  covarianceOf,
  fromRows,
  randomGaussian,
  shrinkage,
} from "../diffusion/dense.ts";
import { MIXTURE, mixtureMoments } from "../diffusion/mixtures.ts";
import { momentsOf, predictedCovariance, streams } from "../diffusion/moments.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { OPERATORS } from "../operators/operators.ts";

/** The paper's schedule, end to end: each sample of a batch at its own level. */
const LEVELS = [1e-3, 1e-2, 0.1, 1, 10, 1e2];
const B = LEVELS.length;
/** More than the distinct eigenvalues of any system here, so that rounding does not keep the solver from its end. */
const ENOUGH = 30;
// In the posterior's own standard deviations: what matters to a sampler. Measured 6e-3 at worst, at noise variance
// 1e-6, where a standard deviation is 1e-3 of the values and float32 resolves 6e-8 of them.
const DEVIATIONS = 0.02;
const FLOAT32 = 1e-5;

/** sqrt(e' C^-1 e / N): the error in standard deviations of the posterior. */
function deviations(found: ArrayLike<number>, mean: Matrix, covariance: Matrix): number {
  const error = Matrix.sub(column(found), mean);
  return Math.sqrt(error.transpose().mmul(solve(covariance, error)).get(0, 0) / mean.rows);
}

describe.each(OPERATORS)("with the operator $name,", ({ family, data, apply }) => {
  const N = sizeOf(family.latentShape);
  const M = sizeOf(family.observationShape);
  const carried = data(new Rng(1), B);
  const matrices = LEVELS.map((_, b) => {
    const own = Object.entries(carried).map(([name, all]) => [name, rows(all, b, b + 1).data]);
    const columns = Matrix.eye(N)
      .to2DArray()
      .map((unit) => apply(Object.fromEntries(own), unit));
    return new Matrix(columns).transpose();
  });

  /** Observations of draws from the prior, and x_t at each level. */
  function scene(gaussian: Gaussian, noise: HostArray<"float32">) {
    const rank = gaussian.factor.shape[1]!;
    const U = fromRows(gaussian.factor.data, N, rank);
    const rng = new Rng(2);
    const samples = LEVELS.map((sigma, b) => {
      const z = normals(rng, [N + rank + M + N]).data;
      const spread = Array.from(gaussian.diagonal.data, (d, i) => Math.sqrt(d) * z[i]!);
      const x = column(gaussian.mean.data)
        .add(column(spread))
        .add(U.mmul(column(z.subarray(N, N + rank))));
      // As `corruptMask` does: entries that were not observed are zero, not noise, which the solver would have to fit.
      const seen = matrices[b]!.to2DArray().map((row) => Number(row.some((value) => value !== 0)));
      const e = Array.from(rows(noise, b, b + 1).data, (v, i) => seen[i]! * Math.sqrt(v) * z[N + rank + i]!);
      const y = matrices[b]!.mmul(x).add(column(e));
      const x_t = Matrix.add(x, column(z.subarray(N + rank + M)).mul(sigma));
      return { y: y.to1DArray(), x_t: x_t.to1DArray() };
    });
    return {
      ...carried,
      y: float32(
        samples.flatMap(({ y }) => y),
        [B, ...family.observationShape],
      ),
      x: float32(
        samples.flatMap(({ x_t }) => x_t),
        [B, ...family.latentShape],
      ),
      sigma: float32(LEVELS),
      noise,
    };
  }

  /** p(x | x_t, y) of sample b in float64. */
  function exact(gaussian: Gaussian, feeds: ReturnType<typeof scene>, b: number) {
    const sigma = LEVELS[b]!;
    const m = column(gaussian.mean.data);
    const shrunk = shrinkage(covarianceOf(gaussian), sigma);
    const x_hat = Matrix.add(m, shrunk.mmul(Matrix.sub(column(rows(feeds.x, b, b + 1).data), m)));
    const noise = Matrix.diag(Array.from(rows(feeds.noise, b, b + 1).data));
    const y = column(rows(feeds.y, b, b + 1).data);
    return conditional(x_hat, Matrix.mul(shrunk, sigma ** 2), matrices[b]!, noise, y);
  }

  const shape = [B, ...family.observationShape];
  const uniform = (variance: number) => float32(new Float32Array(B * M).fill(variance), shape);
  const varied = float32(
    normals(new Rng(3), [B * M]).data.map((z) => 1e-3 * Math.exp(2 * z)),
    shape,
  );
  const prior = randomGaussian(new Rng(4), N, 2, 10);
  const NOISES: [string, HostArray<"float32">, number | undefined][] = [
    ["noise of variance 1e-6", uniform(1e-6), 1e-6],
    ["noise of variance 0.01", uniform(0.01), 0.01],
    ["noise of a variance per entry", varied, undefined],
  ];

  test.each(NOISES)(
    "MMPS is exact for a Gaussian prior at both ends of the schedule, %s",
    async (...args) => {
      const [, noise, scalar] = args;
      const feeds = scene(prior, noise);
      const { mean } = await evaluate(feeds, ({ x, sigma, y, noise, ...tensors }) => {
        const measurement = { operator: family.bind(tensors), y, variance: scalar ?? noise };
        return { mean: mmps(gaussianDenoiser(prior), measurement, { cgSteps: ENOUGH })(x, sigma) };
      });
      expect(mean.shape).toEqual(feeds.x.shape);
      LEVELS.forEach((_, b) => {
        const truth = exact(prior, feeds, b);
        const found = rows(mean, b, b + 1).data;
        expect(deviations(found, truth.mean, truth.covariance)).toBeLessThan(DEVIATIONS);
        expectAllClose(found, truth.mean.to1DArray(), { relative: FLOAT32 });
      });
    },
  );

  test("the covariance of a Gaussian prior gives the same as MMPS", async () => {
    const feeds = scene(prior, uniform(1e-2));
    const found = await evaluate(feeds, ({ x, sigma, y, noise, ...tensors }) => {
      const measurement = { operator: family.bind(tensors), y, variance: noise };
      const options = { cgSteps: ENOUGH };
      const denoiser = gaussianDenoiser(prior);
      return {
        tweedie: mmps(denoiser, measurement, options)(x, sigma),
        heuristic: heuristicPosterior(denoiser, measurement, gaussianPrior(prior), options)(x, sigma),
        guided: gaussianGuided(denoiser, measurement, prior, ENOUGH)(x, sigma),
      };
    });
    expectAllClose(found.heuristic, found.tweedie, { relative: FLOAT32 });
    expectAllClose(found.guided, found.tweedie, { relative: FLOAT32 });
  });

  test("the identity covariance is exact for a standard normal prior", async () => {
    const standard: Gaussian = {
      mean: float32(new Float32Array(N)),
      diagonal: float32(new Float32Array(N).fill(1)),
      factor: float32(new Float32Array(N), [N, 1]),
    };
    const feeds = scene(standard, uniform(1e-4));
    const { mean } = await evaluate(feeds, ({ x, sigma, y, noise, ...tensors }) => {
      const measurement = { operator: family.bind(tensors), y, variance: noise };
      const options = { cgSteps: ENOUGH };
      return {
        mean: heuristicPosterior(gaussianDenoiser(standard), measurement, identityPrior, options)(x, sigma),
      };
    });
    LEVELS.forEach((_, b) => {
      const truth = exact(standard, feeds, b);
      expect(deviations(rows(mean, b, b + 1).data, truth.mean, truth.covariance)).toBeLessThan(DEVIATIONS);
    });
  });
});

test.each(LEVELS)("MMPS follows its definition for a mixture at sigma = %d", async (sigma) => {
  const A = normals(new Rng(41), [1, 2, 4]);
  const [first, second] = [MIXTURE.means.data.subarray(0, 4), MIXTURE.means.data.subarray(4, 8)];
  const x = normals(new Rng(42), [1, 4]);
  x.data.forEach((z, i) => {
    x.data[i] = 0.5 * (first[i]! + second[i]!) + sigma * z; // between two components: far from Gaussian
  });
  const feeds = { A, x, y: float32([0.4, -0.3], [1, 2]), sigma: float32([sigma]) };
  const { mean } = await evaluate(feeds, ({ A, x, y, sigma }) => ({
    mean: mmps(
      mixtureDenoiser(MIXTURE),
      { operator: matrix(A), y, variance: 1e-4 },
      { cgSteps: 6 },
    )(x, sigma),
  }));
  const prior = mixtureMoments(MIXTURE, column(x.data), sigma);
  const dense = fromRows(A.data, 2, 4);
  const noise = Matrix.eye(2).mul(1e-4);
  const truth = conditional(prior.mean, prior.covariance, dense, noise, column(feeds.y.data));
  // The mixture's own tolerance (its softmax); V is ill-conditioned along A where one component holds all the weight.
  expectAllClose(mean.data, truth.mean.to1DArray(), { relative: 1e-4 });
});

describe("one number observed, by hand,", () => {
  // Prior N(0, 1), x_t = 3, sigma = 2, y = 1, noise variance 0.2: x_hat = 3/5, J = 1/5, V[x | x_t] = 4/5.
  const standard: Gaussian = { mean: float32([0]), diagonal: float32([1]), factor: float32([0], [1, 1]) };
  const feeds = { x: float32([3], [1, 1]), y: float32([1], [1, 1]), sigma: float32([2]) };
  const run = async (make: (denoiser: Denoiser, measurement: Measurement) => Denoiser) => {
    const { mean } = await evaluate(feeds, ({ x, y, sigma }) => ({
      mean: make(gaussianDenoiser(standard), { operator: (x) => x, y, variance: 0.2 })(x, sigma),
    }));
    return mean.data;
  };

  test("MMPS gives 3/5 + (4/5) (2/5) / (1/5 + 4/5)", async () => {
    expectAllClose(await run((denoiser, measurement) => mmps(denoiser, measurement)), [0.92]);
  });
  test("Sigma_t gives 3/5 + (4/5) (2/5) / (1/5 + 4)", async () => {
    expectAllClose(await run((denoiser, measurement) => heuristicPosterior(denoiser, measurement, sigmaT)), [
      0.6 + 0.32 / 4.2,
    ]);
  });
  test("(I + Sigma_t^-1)^-1 gives what MMPS gives, its prior being the true one", async () => {
    expectAllClose(
      await run((denoiser, measurement) => heuristicPosterior(denoiser, measurement, identityPrior)),
      [0.92],
    );
  });
});

describe("cost", () => {
  const W = constant(normals(new Rng(1), [5, 5]));
  /** Products with the network's only matrix: one forward, one for each vector-Jacobian product. */
  const products = (output: Tensor) =>
    reachable([output]).filter((tensor) => tensor.op.name === "MatMul" && tensor.inputs.includes(W)).length;
  const network: Denoiser = (x_t) => sin(matmul(x_t, W));
  const measurement = { operator: mask(input([2, 5])), y: input([2, 5]), variance: 0.1 };
  const [x_t, sigma_t] = [input([2, 5]), input([2])];

  test.each([1, 2, 3, 7])("of MMPS with %d steps is as many vector-Jacobian products", (cgSteps) => {
    expect(products(mmps(network, measurement, { cgSteps })(x_t, sigma_t))).toBe(1 + cgSteps);
  });
  test.each([1, 3])("of a heuristic covariance with %d steps is one product", (cgSteps) => {
    const denoiser = heuristicPosterior(network, measurement, identityPrior, { cgSteps });
    expect(products(denoiser(x_t, sigma_t))).toBe(2);
  });
});

/** One observation by a random 2 x 4 matrix, of a Gaussian on four features. */
const prior = randomGaussian(new Rng(11), 4, 2, 10);
const A = normals(new Rng(12), [2, 4]);
const observed = float32([0.7, -1.2]);
const closedForm = (noise: number) =>
  conditional(
    column(prior.mean.data),
    covarianceOf(prior),
    fromRows(A.data, 2, 4),
    Matrix.eye(2).mul(noise),
    column(observed.data),
  );
/** The same rows again and again. */
const repeated = (values: HostArray<"float32">, n: number) =>
  float32(Array.from({ length: n }, () => Array.from(values.data)).flat(), [n, ...values.shape]);

test.each([1e-2, 1e-6])("DDPM with MMPS draws from the posterior at noise variance %d", async (noise) => {
  const n = 3000;
  const sampler = await compileSampler({
    sampler: "ddpm",
    shape: [4],
    batch: n,
    conditions: { matrix: [2, 4], y: [2] },
    denoiser: (tensors) =>
      mmps(
        gaussianDenoiser(prior),
        { operator: matrix(tensors.matrix!), y: tensors.y!, variance: noise },
        { cgSteps: 4 },
      ),
  });
  const levels = noiseLevels(VE_DEFAULTS, 100);
  const { samples: draws } = await sampler.draw({
    streams: streams(4, n),
    levels,
    conditions: { matrix: repeated(A, n), y: repeated(observed, n) },
  });
  await sampler.release();
  const truth = closedForm(noise);
  const { mean, covariance } = momentsOf(
    draws,
    truth.mean,
    predictedCovariance("ddpm", levels, truth.covariance),
  );
  // Whitened: four standard errors, and |mean| / sigma_1 = 0.02 for starting at zero instead of the mean.
  expectAllClose(mean, [0, 0, 0, 0], { absolute: 4 / Math.sqrt(n) + 0.02 });
  expectAllClose(covariance, Matrix.eye(4).to1DArray(), { relative: 0, absolute: 4 * Math.sqrt(2 / n) });
});

describe("the posterior of a Gaussian without diffusion", () => {
  const n = 4000;
  const cases: [string, number, keyof typeof OPERATOR][] = [
    ["a matrix", 1e-2, "matrix"],
    ["a matrix", 1e-6, "matrix"],
    ["a mask", 1e-2, "mask"],
    ["a mask", 1e-6, "mask"],
  ];
  const kept = [1, 0, 0, 1];
  const OPERATOR = {
    matrix: { A: fromRows(A.data, 2, 4), y: Array.from(observed.data), shape: [2] },
    mask: { A: Matrix.diag(kept), y: [0.7, 0, 0, -1.2], shape: [1, 2, 2] },
  };

  test.each(cases)(
    "has the closed form's mean and draws for %s, noise variance %d",
    async (_what, noise, kind) => {
      const { A: dense, y, shape } = OPERATOR[kind];
      const M = y.length;
      const rng = new Rng(21);
      const feeds = {
        data: kind === "mask" ? repeated(float32(kept, [1, 2, 2]), n) : repeated(A, n),
        y: repeated(float32(y, shape), n),
        factor: normals(rng, [n, 2]),
        diagonal: normals(rng, [n, 4]),
        observation: normals(rng, [n, ...shape]),
      };
      const found = await evaluate(feeds, ({ data, y, ...noises }) => {
        const operator = kind === "mask" ? mask(data) : matrix(data);
        const measurement = { operator, y, variance: noise };
        return { ...gaussianPosterior(gaussianConstants(prior), measurement, noises, [1, 2, 2], 8) };
      });
      const truth = conditional(
        column(prior.mean.data),
        covarianceOf(prior),
        dense,
        Matrix.eye(M).mul(noise),
        column(Float32Array.from(y)),
      );
      for (const b of [0, n - 1])
        expect(deviations(rows(found.mean, b, b + 1).data, truth.mean, truth.covariance)).toBeLessThan(
          DEVIATIONS,
        );
      const flat = float32(found.deviation.data, [n, 4]);
      const { mean, covariance } = momentsOf(flat, Matrix.zeros(4, 1), truth.covariance);
      // Whitened: four standard errors.
      expectAllClose(mean, [0, 0, 0, 0], { absolute: 4 / Math.sqrt(n) });
      expectAllClose(covariance, Matrix.eye(4).to1DArray(), { relative: 0, absolute: 4 * Math.sqrt(2 / n) });
    },
  );

  test("solves a mask in four steps more than the rank of the prior", async () => {
    const [N, rank, noise] = [64, 6, 1e-6];
    const rng = new Rng(31);
    const U = normals(rng, [N, rank]);
    const gaussian: Gaussian = {
      mean: normals(rng, [N]),
      diagonal: float32(new Float32Array(N).fill(0.05)),
      factor: float32(
        U.data.map((value, i) => value * 0.7 ** (i % rank)),
        [N, rank],
      ),
    };
    const m = float32(
      Array.from({ length: N }, () => Number(rng.uniform() < 0.25)),
      [1, N],
    );
    const feeds = {
      m,
      y: float32(
        normals(rng, [N]).data.map((value, i) => value * m.data[i]!),
        [1, N],
      ),
      factor: normals(rng, [1, rank]),
      diagonal: normals(rng, [1, N]),
      observation: normals(rng, [1, N]),
    };
    const found = await evaluate(feeds, ({ m, y, ...noises }) => ({
      ...gaussianPosterior(
        gaussianConstants(gaussian),
        { operator: mask(m), y, variance: noise },
        noises,
        [N],
        rank + 4,
      ),
    }));
    // Both by their formulas in float64; where the mask is zero nothing of y enters.
    const A = Matrix.diag(Array.from(m.data));
    const C = covarianceOf(gaussian);
    const S = A.mmul(C).mmul(A).add(Matrix.eye(N).mul(noise));
    const lift = (b: Matrix) => C.mmul(A).mmul(solve(S, b));
    const centre = column(gaussian.mean.data);
    const drawn = Matrix.add(
      fromRows(gaussian.factor.data, N, rank).mmul(column(feeds.factor.data)),
      column(feeds.diagonal.data).mul(Math.sqrt(gaussian.diagonal.data[0]!)),
    );
    const e = column(feeds.observation.data).mul(Math.sqrt(noise));
    const mean = Matrix.add(centre, lift(Matrix.sub(column(feeds.y.data), A.mmul(centre))));
    const deviation = Matrix.sub(drawn, lift(Matrix.add(A.mmul(drawn), e)));
    expectAllClose(found.mean.data, mean.to1DArray(), { relative: FLOAT32 });
    expectAllClose(found.deviation.data, deviation.to1DArray(), { relative: FLOAT32 });
  });

  test("gives the same with a tensor of variances as with their number", async () => {
    const feeds = {
      data: repeated(A, 3),
      y: repeated(observed, 3),
      variance: float32([0.1, 0.1], [1, 2]),
      factor: normals(new Rng(1), [3, 2]),
      diagonal: normals(new Rng(2), [3, 4]),
      observation: normals(new Rng(3), [3, 2]),
    };
    const { number, tensor } = await evaluate(feeds, ({ data, y, variance, ...noises }) => {
      const draw = (of: number | Tensor) =>
        gaussianPosterior(
          gaussianConstants(prior),
          { operator: matrix(data), y, variance: of },
          noises,
          [4],
          4,
        ).deviation;
      return { number: draw(0.1), tensor: draw(mul(variance, 1)) };
    });
    expectAllClose(tensor, number, { relative: FLOAT32 });
  });
});

test("the closed form used here agrees with conditioning by precision matrices", () => {
  const { mean, covariance } = closedForm(0.1);
  const dense = fromRows(A.data, 2, 4);
  const precision = Matrix.add(
    solve(covarianceOf(prior), Matrix.eye(4)),
    dense.transpose().mmul(dense).div(0.1),
  );
  expectAllClose(precision.mmul(covariance).to1DArray(), Matrix.eye(4).to1DArray(), { relative: 1e-10 });
  const right = Matrix.add(
    solve(covarianceOf(prior), column(prior.mean.data)),
    dense.transpose().mmul(column(observed.data)).div(0.1),
  );
  expectAllClose(precision.mmul(mean).to1DArray(), right.to1DArray(), { relative: 1e-10 });
  expect(new EigenvalueDecomposition(covariance).realEigenvalues.every((v) => v > 0)).toBe(true);
});
