import { inverse, Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { normalDenoiser } from "../../src/diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { constant, reshape, type Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import type { NoiseVariance } from "../../src/operators/operator.ts";
import { gaussianPosterior } from "../../src/posterior/gaussian.ts";
import { POSTERIORS, type PosteriorName } from "../../src/posterior/methods.ts";
import { twist, twistTensors } from "../../src/posterior/particles/twist.ts";
import { multiplyNoise, noiseSquares } from "../../src/posterior/solvers/noise.ts";
import {
  column,
  conditional,
  covarianceOf,
  fromRows,
  randomGaussian,
  shrinkage,
} from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const [B, N, M, R] = [3, 5, 4, 2];
const FLOAT32 = 1e-5;
/** Solved systems: the error is amplified by their condition, some 100 here. */
const SOLVED = 1e-4;
const L = normals(new Rng(1), [M, R]);
const variances = float32([0.3, 0.05, 0.2, 0.1]);
const A = normals(new Rng(2), [M, N]);
const y = normals(new Rng(3), [B, M]);
const x = normals(new Rng(4), [B, N]);

const times = (array: HostArray<"float32">, n: number) =>
  float32(Array.from({ length: n }, () => Array.from(array.data)).flat(), [n, ...array.shape]);
/** diag(variances) + L L' */
const dense = covarianceOf({ mean: variances, diagonal: variances, factor: L });
const rowsOf = ({ data, shape }: HostArray<"float32">) =>
  Array.from({ length: shape[0]! }, (_, i) =>
    column(data.subarray(i * (data.length / shape[0]!), (i + 1) * (data.length / shape[0]!))),
  );
const stack = (columns: readonly Matrix[]) =>
  float32(
    columns.flatMap((one) => one.to1DArray()),
    [columns.length, columns[0]!.rows],
  );
const noise = (): NoiseVariance => ({
  diagonal: constant(float32(variances.data, [1, M])),
  factor: constant(float32(L.data, [1, M, R])),
});

describe("a covariance diag(d) + L L'", () => {
  test("multiplies, and its inverse weighs residuals, as the dense matrix does", async () => {
    const { product, squares, own } = await evaluate({ y, L: times(L, B) }, ({ y, L }) => ({
      product: multiplyNoise(noise(), y),
      squares: noiseSquares(noise(), y),
      own: noiseSquares({ diagonal: constant(float32(variances.data, [1, M])), factor: L }, y),
    }));
    expectAllClose(product, stack(rowsOf(y).map((p) => dense.mmul(p))), { relative: FLOAT32 });
    const expected = rowsOf(y).map((r) => r.transpose().mmul(inverse(dense)).mmul(r).get(0, 0));
    expectAllClose(squares, expected, { relative: FLOAT32 });
    expectAllClose(own, expected, { relative: FLOAT32 });
  });

  test("weighs residuals along patterns a thousand times larger than the rest", async () => {
    const strong = float32(
      L.data.map((value) => 1000 * value),
      L.shape,
    );
    const covariance = Matrix.eye(M)
      .mul(0.04)
      .add(fromRows(strong.data, M, R).mmul(fromRows(strong.data, M, R).transpose()));
    // 1000 L z + 0.2 e: what Sigma^-1 leaves is the second part, 4 digits below the first.
    const r = stack(
      rowsOf(normals(new Rng(5), [B, R])).map((z, i) =>
        Matrix.add(fromRows(strong.data, M, R).mmul(z), rowsOf(y)[i]!.clone().mul(0.2)),
      ),
    );
    const { squares } = await evaluate({ r }, ({ r }) => ({
      squares: noiseSquares({ diagonal: 0.04, factor: constant(float32(strong.data, [1, M, R])) }, r),
    }));
    const expected = rowsOf(r).map((one) => one.transpose().mmul(inverse(covariance)).mmul(one).get(0, 0));
    expectAllClose(squares, expected, { relative: 1e-2 });
  });
});

describe("posteriors with such noise", () => {
  const prior = randomGaussian(new Rng(6), N, 2, 10);
  const sigma = 0.7;
  const feeds = { x, y, A: times(A, B), sigma: float32([sigma]) };
  const denseA = fromRows(A.data, M, N);
  const run = async (name: PosteriorName, denoiser: ReturnType<typeof gaussianDenoiser>, options: object) =>
    (
      await evaluate(feeds, ({ x, y, A, sigma }) => ({
        mean: POSTERIORS[name].make(
          denoiser,
          { operator: matrix(A), y, variance: noise() },
          { cgSteps: 2 * M + 2, ...options },
        )(x, sigma),
      }))
    ).mean;
  /** E[x | x_t, y] for x_hat = E[x | x_t] and V[x | x_t], in float64. */
  const exact = (mean: Matrix, covariance: Matrix) => {
    const K = shrinkage(covariance, sigma);
    return stack(
      rowsOf(x).map((x_t, i) => {
        const x_hat = Matrix.add(mean, K.mmul(Matrix.sub(x_t, mean)));
        const V = K.clone().mul(sigma ** 2);
        return conditional(x_hat, V, denseA, dense, rowsOf(y)[i]!).mean;
      }),
    );
  };

  test("of mmps are exact, also with a preconditioner and the covariance of the Gaussian", async () => {
    const expected = exact(column(prior.mean.data), covarianceOf(prior));
    for (const options of [
      {},
      { preconditioner: prior, cgSteps: 4 },
      { covariance: "sigma-x", gaussian: prior },
    ])
      expectAllClose(await run("mmps", gaussianDenoiser(prior), options), expected, { relative: SOLVED });
  });

  test("of pigdm are exact for a standard normal prior", async () => {
    const expected = exact(Matrix.zeros(N, 1), Matrix.eye(N));
    expectAllClose(await run("pigdm", normalDenoiser, {}), expected, { relative: SOLVED });
  });

  test("of tmpd are exact where A V A' is diagonal", async () => {
    const diagonal: Gaussian = { ...prior, factor: float32(new Float32Array(N), [N, 1]) };
    const picks = float32(
      Array.from({ length: M * N }, (_, i) => Number(Math.floor(i / N) === i % N)),
      [M, N],
    );
    const { mean } = await evaluate({ ...feeds, A: times(picks, B) }, ({ x, y, A, sigma }) => ({
      mean: POSTERIORS.tmpd.make(gaussianDenoiser(diagonal), { operator: matrix(A), y, variance: noise() })(
        x,
        sigma,
      ),
    }));
    const K = shrinkage(covarianceOf(diagonal), sigma);
    const m = column(prior.mean.data);
    const expected = rowsOf(x).map((x_t, i) => {
      const x_hat = Matrix.add(m, K.mmul(Matrix.sub(x_t, m)));
      return conditional(x_hat, K.clone().mul(sigma ** 2), fromRows(picks.data, M, N), dense, rowsOf(y)[i]!)
        .mean;
    });
    expectAllClose(mean, stack(expected), { relative: SOLVED });
  });

  test("of a Gaussian without diffusion have the exact mean and, for unit noises, the exact covariance", async () => {
    // The deviation is linear in the noises: changes by unit vectors give its matrix G, and G G' is the covariance. They
    // are changes to a draw, for noise on what simulates to exactly 0 counts as hidden.
    const total = 2 + N + M + R;
    const unit = (start: number, size: number) => {
      const base = normals(new Rng(7).split("base", start), [size]).data;
      const value = (row: number, k: number) => base[k]! + Number(row === start + k);
      return float32(
        Array.from({ length: (total + 1) * size }, (_, i) => value(Math.floor(i / size), i % size)),
        [total + 1, size],
      );
    };
    const { mean, deviation } = await evaluate(
      {
        y: times(float32(y.data.subarray(0, M), [M]), total + 1),
        A: times(A, total + 1),
        factor: unit(0, 2),
        diagonal: unit(2, N),
        observation: unit(2 + N, M),
        patterns: unit(2 + N + M, R),
      },
      ({ y, A, ...noises }) => {
        const measurement = { operator: matrix(A), y, variance: noise() };
        const found = gaussianPosterior(gaussianConstants(prior), measurement, noises, [N], 2 * M + 4);
        return { mean: found.mean, deviation: found.deviation };
      },
    );
    const expected = conditional(column(prior.mean.data), covarianceOf(prior), denseA, dense, rowsOf(y)[0]!);
    expectAllClose(mean.data.subarray(0, N), expected.mean.to1DArray(), { relative: SOLVED });
    const drawn = fromRows(deviation.data, total + 1, N);
    const G = drawn.subMatrix(0, total - 1, 0, N - 1).subRowVector(drawn.getRow(total));
    expectAllClose(G.transpose().mmul(G).to1DArray(), expected.covariance.to1DArray(), { relative: SOLVED });
  });

  test("of twisted sampling know the dense covariance", async () => {
    const tensors = await evaluate(feeds, ({ x, y, A, sigma }) => ({
      ...twistTensors(gaussianDenoiser(prior), { operator: matrix(A), y, variance: noise() }, x, sigma),
    }));
    const arrays = Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data]));
    const V = shrinkage(covarianceOf(prior), sigma).mul(sigma ** 2);
    const S = Matrix.add(dense, denseA.mmul(V).mmul(denseA.transpose()));
    rowsOf(tensors.residual).forEach((r, i) => {
      const { solution } = twist(arrays as Parameters<typeof twist>[0], i, B);
      expectAllClose(solution, inverse(S).mmul(r).to1DArray(), { relative: SOLVED });
    });
  });
});

test("patterns without numbers for them are refused", () => {
  const none = (shape: readonly number[]) =>
    reshape(constant(float32(new Float32Array(shape.reduce((a, b) => a * b, 1)))), shape);
  const noises = { factor: none([B, 2]), diagonal: none([B, N]), observation: none([B, M]) };
  const operator = (t: Tensor) => matrix(constant(times(A, B)))(t);
  const measurement = { operator, y: none([B, M]), variance: noise() };
  expect(() =>
    gaussianPosterior(gaussianConstants(randomGaussian(new Rng(6), N, 2, 10)), measurement, noises, [N], 2),
  ).toThrow(/normal numbers \[B, 2\] for the patterns/);
});
