import { inverse, Matrix, pseudoInverse } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { matmul, reshape, type Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { gaussianPrior, heuristicPosterior, identityPrior, sigmaT } from "../../src/posterior/heuristics.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import type { Measurement, SolverStatus } from "../../src/posterior/posterior.ts";
import type { SolverName, SystemOptions } from "../../src/posterior/solvers/solver.ts";
import { column, covarianceOf, fromRows, randomGaussian, shrinkage } from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const [N, M] = [6, 4];
const prior = randomGaussian(new Rng(1), N, 2, 10);

type Method = (denoiser: Denoiser, measurement: Measurement, options: SystemOptions) => Denoiser;
const heuristic =
  (covariance: Parameters<typeof heuristicPosterior>[2]): Method =>
  (denoiser, measurement, options) =>
    heuristicPosterior(denoiser, measurement, covariance, options);
const METHODS: Record<string, Method> = {
  tweedie: mmps,
  "tweedie, preconditioned": (denoiser, measurement, options) =>
    mmps(denoiser, measurement, { ...options, preconditioner: prior }),
  identity: heuristic(identityPrior),
  "sigma-t": heuristic(sigmaT),
  "sigma-x": heuristic(gaussianPrior(prior)),
};

const random = (seed: number, rows: number) => fromRows(normals(new Rng(seed), [rows, N]).data, rows, N);
const A = random(3, M);
const y = Array.from(normals(new Rng(4), [M]).data);
const W = random(5, N);
const exact = (sigma: number) => shrinkage(covarianceOf(prior), sigma);
const zero = Matrix.zeros(N, N);
/** Rows 1 and 3 repeat rows 0 and 2 in other units, so that A has half its rank; y agrees with that, or not. */
const proportion = (row: number) => (row % 2 ? 0.7 : 1);
const redundant = new Matrix(
  A.to2DArray().map((_, row) => A.getRow(row - (row % 2)).map((value) => proportion(row) * value)),
);
/** J with A J' A' = -I: no variance along any measurement, but the opposite. */
const gram = inverse(A.mmul(A.transpose()));
const opposite = A.transpose().mmul(gram).mmul(gram).mmul(A).mul(-1);
const agreeing = y.map((_, row) => proportion(row) * y[row - (row % 2)]!);

interface Scene {
  /** The denoiser is x_t -> J x_t. */
  readonly J: Matrix;
  readonly A: Matrix;
  readonly y: number[];
  readonly variance: number;
  readonly sigma: number;
  /** Whether A J' A' is not positive: conjugate gradients cannot go on. */
  readonly indefinite?: boolean;
}
const usual: Scene = { J: exact(0.5), A, y, variance: 1e-2, sigma: 0.5 };
/** sigma_t^2 A J' A' is -0.25 I: the system is positive, and 1e-5 of either part. */
const CANCELLING = "a negative Jacobian that all but cancels the noise";
/** Samples of one batch: what one of them does must not reach the others either. */
const SCENES: Record<string, Partial<Scene>> = {
  "nothing unusual": {},
  "a Jacobian of both signs": { indefinite: true, J: Matrix.add(W, W.transpose()) },
  "a Jacobian of both signs, without noise": {
    indefinite: true,
    J: Matrix.add(W, W.transpose()),
    variance: 0,
  },
  "a negative Jacobian": { indefinite: true, J: Matrix.eye(N).mul(-1), variance: 1e-3 },
  "a skew Jacobian": { indefinite: true, J: Matrix.sub(W, W.transpose()), variance: 1e-6 },
  "a skew Jacobian, without noise": { indefinite: true, J: Matrix.sub(W, W.transpose()), variance: 0 },
  "a Jacobian that is not symmetric": { indefinite: true, J: W },
  [CANCELLING]: { indefinite: true, J: opposite, variance: 0.25 * (1 + 1e-5) },
  "a Jacobian of zero": { J: zero },
  "a Jacobian of zero, without noise": { J: zero, variance: 0 },
  "an operator of zero, without noise": { A: Matrix.zeros(M, N), variance: 0 },
  "an operator of zero that saw zero, without noise": {
    A: Matrix.zeros(M, N),
    y: [0, 0, 0, 0],
    variance: 0,
  },
  "redundant rows that agree, without noise": { A: redundant, y: agreeing, variance: 0 },
  "redundant rows that contradict, without noise": { A: redundant, variance: 0 },
  "redundant rows that agree, with little noise": { A: redundant, y: agreeing, variance: 1e-6 },
  "redundant rows that contradict, with little noise": { A: redundant, variance: 1e-6 },
  "the least noise level": { J: exact(1e-3), sigma: 1e-3, variance: 1e-6 },
  "the greatest noise level": { J: exact(1e2), sigma: 1e2, variance: 1e-6 },
  "the least noise level, without noise": {
    J: exact(1e-3),
    sigma: 1e-3,
    A: redundant,
    y: agreeing,
    variance: 0,
  },
  "the greatest noise level, without noise": {
    J: exact(1e2),
    sigma: 1e2,
    A: redundant,
    y: agreeing,
    variance: 0,
  },
  "rows that contradict at the greatest noise level": {
    J: exact(1e2),
    sigma: 1e2,
    A: redundant,
    variance: 0,
  },
};
const scenes = Object.values(SCENES).map((scene): Scene => ({ ...usual, ...scene }));
const B = scenes.length;
const stacked = (of: (scene: Scene) => number[], shape: number[]) =>
  float32(scenes.flatMap(of), [B, ...shape]);
const feeds = {
  x: normals(new Rng(2), [B, N]),
  J: stacked(({ J }) => J.to1DArray(), [N, N]),
  A: stacked(({ A }) => A.to1DArray(), [M, N]),
  y: stacked(({ y }) => y, [M]),
  variance: stacked(({ variance }) => new Array(M).fill(variance), [M]),
  sigma: stacked(({ sigma }) => [sigma], []),
};
const linear =
  (J: Tensor): Denoiser =>
  (x_t) =>
    reshape(matmul(J, reshape(x_t, [B, N, 1])), [B, N]);

async function run(method: Method, options: SystemOptions) {
  return await evaluate(feeds, ({ x, J, A, y, variance, sigma }) => {
    let status: SolverStatus | undefined;
    const observe = (seen: SolverStatus) => {
      status = seen;
    };
    const denoiser = linear(J);
    const posterior = method(denoiser, { operator: matrix(A), y, variance }, { ...options, observe });
    return { mean: posterior(x, sigma), x_hat: denoiser(x, sigma), ...status! };
  });
}

describe.each(Object.keys(METHODS))("the covariance %s", (name) => {
  test.each<[SolverName, number]>([
    ["cg", 1],
    ["cg", 12],
    ["gmres", 1],
    ["gmres", 12],
  ])("gives finite means and a status with %s, %d steps, whatever the system", async (solver, cgSteps) => {
    const found = await run(METHODS[name]!, { solver, cgSteps });
    expect(found.residual.shape).toEqual([B]);
    expect(found.steps.data.every((steps) => steps <= cgSteps)).toBe(true);
    expect(found.breakdown.data.every((flag) => flag === 0 || flag === 1)).toBe(true);
    for (const values of Object.values(found)) expect(values.data.every(Number.isFinite)).toBe(true);
  });
});

test("an error of the Jacobian that cancels the noise moves no mean", async () => {
  const found = await run(mmps, { cgSteps: 12 });
  const i = Object.keys(SCENES).indexOf(CANCELLING);
  const row = (values: HostArray<"float32">) => Array.from(rows(values, i, i + 1).data);
  expect(row(found.mean)).toEqual(row(found.x_hat));
});

const SEEN = Object.keys(SCENES);
const at = (values: { readonly data: Float32Array }, scene: string) => values.data[SEEN.indexOf(scene)]!;
const MOVED = 1e-3; // of the mean, by a null space that float32 resolves to 1e-7 of a system 1e4 times as large

test.each(["tweedie", "sigma-x"])(
  "redundant rows that agree are solved as if they were not there, %s",
  async (name) => {
    const cg = await run(METHODS[name]!, { cgSteps: 12 });
    const gmres = await run(METHODS[name]!, { cgSteps: 12, solver: "gmres" });
    for (const [b, scene] of SEEN.entries()) {
      if (!/agree|nothing/.test(scene)) continue;
      const { J, A, y, variance, sigma } = scenes[b]!;
      const x_hat = J.mmul(column(rows(feeds.x, b, b + 1).data));
      const spread = Matrix.mul(J, sigma ** 2).mmul(A.transpose());
      const system = A.mmul(spread).add(Matrix.eye(M).mul(variance));
      const gain = spread.mmul(pseudoInverse(system, 1e-9));
      const truth = Matrix.add(x_hat, gain.mmul(Matrix.sub(column(y), A.mmul(x_hat))));
      for (const found of [cg, gmres]) {
        expectAllClose(rows(found.mean, b, b + 1).data, truth.to1DArray(), { relative: MOVED });
        expect(at(found.residual, scene)).toBeLessThan(1e-4);
      }
    }
  },
);

test("a breakdown is told for the samples that had one, and for no other", async () => {
  const cg = await run(mmps, { cgSteps: 12 });
  const gmres = await run(mmps, { cgSteps: 12, solver: "gmres" });
  const broken = (found: typeof cg) => SEEN.filter((scene) => at(found.breakdown, scene) === 1);
  const singular = [
    "a Jacobian of zero, without noise",
    "an operator of zero, without noise",
    "redundant rows that contradict, without noise",
    "rows that contradict at the greatest noise level",
  ];
  expect(broken(gmres)).toEqual(singular);
  // What is not positive stops conjugate gradients, and not GMRES.
  expect(broken(cg)).toEqual(SEEN.filter((scene) => singular.includes(scene) || SCENES[scene]!.indefinite));
  // Nothing to explain is no failure: y = A x_hat.
  const nothing = "an operator of zero that saw zero, without noise";
  for (const found of [cg, gmres])
    expect([at(found.residual, nothing), at(found.steps, nothing)]).toEqual([0, 0]);
});
