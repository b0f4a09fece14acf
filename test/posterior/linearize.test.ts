import { Matrix } from "ml-matrix";
import { describe, test } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { gaussianConstants, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { add, matmul, square, sub, type Tensor, tanh } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { type GaussianPosterior, gaussianPosterior } from "../../src/posterior/gaussian.ts";
import { gaussianPrior, heuristicPosterior } from "../../src/posterior/heuristics.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { linearize } from "../../src/posterior/solvers/linearize.ts";
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

const [B, N, M] = [3, 5, 4];
const [SIGMA, VARIANCE] = [0.6, 0.01];
const FLOAT32 = 1e-5;
/** Small enough that tanh does not saturate: 1 - tanh^2 would cancel. */
const W = float32(
  normals(new Rng(1), [M, N]).data.map((z) => 0.3 * z),
  [M, N],
);
const dense = fromRows(W.data, M, N);
const prior = randomGaussian(new Rng(2), N, 2, 10);
const feeds = {
  W,
  x: normals(new Rng(3), [B, N]),
  u: normals(new Rng(4), [B, N]),
  v: normals(new Rng(5), [B, M]),
  y: normals(new Rng(6), [B, M]),
  sigma: float32([SIGMA]),
};

/** Elementwise functions of W x, with their derivatives. */
const OPERATORS = [
  { name: "tanh(W x)", of: tanh, value: Math.tanh, slope: (z: number) => 1 - Math.tanh(z) ** 2 },
  { name: "|W x|^2", of: square, value: (z: number) => z * z, slope: (z: number) => 2 * z },
];

describe.each(OPERATORS)("the linearization of $name", ({ of, value, slope }) => {
  const operator = (W: Tensor) => (x: Tensor) => of(matmul(x, W, { transB: true }));
  /** A(x) and its Jacobian, in float64. */
  const exact = (x: Matrix) => {
    const inside = dense.mmul(x).to1DArray();
    return { predicted: column(inside.map(value)), H: Matrix.diag(inside.map(slope)).mmul(dense) };
  };

  test("has the value, the Jacobian and its transpose of the definition", async () => {
    const found = await evaluate(feeds, ({ W, x, u, v, y }) => {
      const measurement = { operator: operator(W), y, variance: VARIANCE, linear: false };
      const local = linearize(measurement, x);
      return { predicted: local.predicted, applied: local.apply(u), pulled: local.pull(v) };
    });
    for (let b = 0; b < B; b++) {
      const own = (values: typeof feeds.x) => column(rows(values, b, b + 1).data);
      const { predicted, H } = exact(own(feeds.x));
      expectAllClose(rows(found.predicted, b, b + 1).data, predicted.to1DArray(), { relative: FLOAT32 });
      expectAllClose(rows(found.applied, b, b + 1).data, H.mmul(own(feeds.u)).to1DArray(), {
        relative: FLOAT32,
      });
      expectAllClose(rows(found.pulled, b, b + 1).data, H.transpose().mmul(own(feeds.v)).to1DArray(), {
        relative: FLOAT32,
      });
    }
  });

  test("makes MMPS and the heuristics one Gauss-Newton step from the denoised mean", async () => {
    const denoiser = gaussianDenoiser(prior);
    const found = await evaluate(feeds, ({ W, x, y, sigma }) => {
      const measurement = { operator: operator(W), y, variance: VARIANCE, linear: false };
      const options = { cgSteps: 12 };
      return {
        cg: mmps(denoiser, measurement, options)(x, sigma),
        gmres: mmps(denoiser, measurement, { cgSteps: M, solver: "gmres" })(x, sigma),
        preconditioned: mmps(denoiser, measurement, { cgSteps: 4, preconditioner: prior })(x, sigma),
        heuristic: heuristicPosterior(denoiser, measurement, gaussianPrior(prior), options)(x, sigma),
      };
    });
    const m = column(prior.mean.data);
    const shrunk = shrinkage(covarianceOf(prior), SIGMA);
    for (let b = 0; b < B; b++) {
      const x_hat = Matrix.add(m, shrunk.mmul(Matrix.sub(column(rows(feeds.x, b, b + 1).data), m)));
      const { predicted, H } = exact(x_hat);
      const y = column(rows(feeds.y, b, b + 1).data);
      // With y' = y - A(x_hat) + H x_hat the problem is linear: y' = H x + noise.
      const shifted = Matrix.sub(y, predicted).add(H.mmul(x_hat));
      const noise = Matrix.eye(M).mul(VARIANCE);
      const { mean } = conditional(x_hat, Matrix.mul(shrunk, SIGMA ** 2), H, noise, shifted);
      for (const one of Object.values(found))
        expectAllClose(rows(one, b, b + 1).data, mean.to1DArray(), { relative: FLOAT32 });
    }
  });
});

test("a linear operator is its own linearization, declared linear or not", async () => {
  const A = normals(new Rng(7), [B, M, N]);
  const { declared, derived } = await evaluate({ ...feeds, A }, ({ A, x, u, y }) => {
    const measurement = { operator: matrix(A), y, variance: VARIANCE };
    return {
      declared: linearize(measurement, x).apply(u),
      derived: linearize({ ...measurement, linear: false }, x).apply(u),
    };
  });
  expectAllClose(derived, declared, { relative: FLOAT32 });
});

test("the closed form of a Gaussian linearizes at its mean: exact for an affine map", async () => {
  const A = normals(new Rng(7), [B, M, N]);
  const noise = {
    factor: normals(new Rng(8), [B, 2]),
    diagonal: normals(new Rng(9), [B, N]),
    observation: normals(new Rng(10), [B, M]),
  };
  const { affine, shifted } = await evaluate({ A, y: feeds.y, ...noise }, ({ A, y, ...noise }) => {
    const posterior = (operator: (x: Tensor) => Tensor, y: Tensor, linear: boolean) =>
      gaussianPosterior(
        gaussianConstants(prior),
        { operator, y, variance: VARIANCE, linear },
        { factor: noise.factor!, diagonal: noise.diagonal!, observation: noise.observation! },
        [N],
        2 * M + 2,
      );
    const sum = ({ mean, deviation }: GaussianPosterior) => add(mean, deviation);
    return {
      affine: sum(posterior((x) => add(matrix(A!)(x), 2), y!, false)),
      shifted: sum(posterior(matrix(A!), sub(y!, 2), true)),
    };
  });
  expectAllClose(affine, shifted, { relative: 1e-4 });
});
