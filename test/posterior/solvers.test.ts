import { Matrix, solve } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { type Gaussian, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { add, constant, input, matmul, mul, sin, type Tensor } from "../../src/graph/index.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { heuristicPosterior, identityPrior } from "../../src/posterior/heuristics.ts";
import { type MmpsOptions, mmps } from "../../src/posterior/mmps.ts";
import type { SolverStatus } from "../../src/posterior/posterior.ts";
import { column, covarianceOf, fromRows, randomGaussian, shrinkage } from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const LEVELS = [1e-3, 1e-2, 0.1, 1, 10, 1e2];
const [B, N, M] = [LEVELS.length, 12, 5];
const FLOAT32 = 1e-5;
const A = normals(new Rng(1), [B, M, N]);
const feeds = {
  A,
  x: normals(new Rng(2), [B, N]),
  y: normals(new Rng(3), [B, M]),
  sigma: float32(LEVELS),
};
const prior = randomGaussian(new Rng(4), N, 3, 10);
const J = fromRows(normals(new Rng(5), [N, N]).data, N, N)
  .mul(0.2)
  .add(Matrix.eye(N));
/** x_t -> J x_t with J of no symmetry. */
const skewed: Denoiser = (x_t) => matmul(x_t, constant(float32(J.to1DArray(), [N, N])), { transB: true });

async function run(denoiser: Denoiser, variance: number, options: MmpsOptions, mixes = false) {
  return await evaluate(feeds, ({ A, x, y, sigma }) => {
    let status: SolverStatus | undefined;
    const observe = (seen: SolverStatus) => {
      status = seen;
    };
    const measurement = { operator: matrix(A), y, variance, mixes };
    const mean = mmps(denoiser, measurement, { ...options, observe })(x, sigma);
    return { mean, ...status! };
  });
}

/** x_hat + V' A' (Sigma_y + A V' A')^-1 (y - A x_hat) with V' = sigma^2 J', in float64, and the system that it solves. */
function exact(jacobian: Matrix, mean: Matrix, variance: number, b: number) {
  const own = (values: HostArray<"float32">) => column(rows(values, b, b + 1).data);
  const operator = fromRows(rows(A, b, b + 1).data, M, N);
  const x_hat = Matrix.add(mean, jacobian.mmul(Matrix.sub(own(feeds.x), mean)));
  const spread = Matrix.mul(jacobian.transpose(), LEVELS[b]! ** 2).mmul(operator.transpose());
  const system = operator.mmul(spread).add(Matrix.eye(M).mul(variance));
  const innovation = Matrix.sub(own(feeds.y), operator.mmul(x_hat));
  return {
    mean: Matrix.add(x_hat, spread.mmul(solve(system, innovation))),
    x_hat,
    spread,
    system,
    innovation,
  };
}

describe("MMPS by GMRES", () => {
  test.each([1e-4, 1e-2])(
    "is exact for a Gaussian prior at both ends of the schedule, noise %d",
    async (variance) => {
      const { mean, breakdown } = await run(gaussianDenoiser(prior), variance, {
        solver: "gmres",
        cgSteps: M,
      });
      LEVELS.forEach((sigma, b) => {
        const truth = exact(shrinkage(covarianceOf(prior), sigma), column(prior.mean.data), variance, b);
        expectAllClose(rows(mean, b, b + 1).data, truth.mean.to1DArray(), { relative: 2 * FLOAT32 });
      });
      expect(Array.from(breakdown.data)).toEqual(new Array(B).fill(0));
    },
  );

  test("solves the system of a Jacobian that is not symmetric, where conjugate gradients do not", async () => {
    const variance = 1e-2;
    const zero = Matrix.zeros(N, 1);
    const gmres = await run(skewed, variance, { solver: "gmres", cgSteps: M });
    const cg = await run(skewed, variance, { cgSteps: M });
    let worst = 0;
    LEVELS.forEach((_, b) => {
      const truth = exact(J, zero, variance, b).mean;
      expectAllClose(rows(gmres.mean, b, b + 1).data, truth.to1DArray(), { relative: 1e-4 });
      const error = Matrix.sub(column(rows(cg.mean, b, b + 1).data), truth).norm() / truth.norm();
      worst = Math.max(worst, error);
    });
    expect(worst).toBeGreaterThan(0.01);
  });

  test.each([1, 2, 3])("reports after %d steps the residual of the system itself", async (cgSteps) => {
    for (const solver of ["cg", "gmres"] as const) {
      const found = await run(gaussianDenoiser(prior), 1e-2, { solver, cgSteps });
      expect(found.residual.shape).toEqual([B]);
      expect(Array.from(found.steps.data)).toEqual(new Array(B).fill(cgSteps));
      LEVELS.forEach((sigma, b) => {
        // From the mean alone: mean - x_hat = V A' v, and M v = Sigma_y v + A V A' v. V A' has full rank, so v follows.
        const { x_hat, spread, system, innovation } = exact(
          shrinkage(covarianceOf(prior), sigma),
          column(prior.mean.data),
          1e-2,
          b,
        );
        const v = solve(spread, Matrix.sub(column(rows(found.mean, b, b + 1).data), x_hat), true);
        const residual = Matrix.sub(innovation, system.mmul(v)).norm() / innovation.norm();
        // Float32 holds mean - x_hat to 1e-7 of x_hat, and v to that over the size of V A'.
        if (sigma >= 0.1)
          expectAllClose([found.residual.data[b]!], [residual], { relative: 1e-3, absolute: 1e-4 });
      });
    }
  });
});

describe("options", () => {
  const options: MmpsOptions[] = [
    { cgSteps: 1 },
    { cgSteps: 3 },
    { cgSteps: 3, tolerance: 0.1 },
    { cgSteps: 3, solver: "gmres" },
    { cgSteps: 2, preconditioner: prior },
  ];

  test("an observer changes no bit of the result", async () => {
    const found = await evaluate(feeds, ({ A, x, y, sigma }) => {
      const measurement = { operator: matrix(A), y, variance: 1e-2 };
      const means: Record<string, Tensor> = {};
      options.forEach((option, k) => {
        means[`plain${k}`] = mmps(gaussianDenoiser(prior), measurement, option)(x, sigma);
      });
      return means;
    });
    for (const [k, option] of options.entries()) {
      const { mean } = await run(gaussianDenoiser(prior), 1e-2, option);
      expect(mean.data).toEqual(found[`plain${k}`]!.data);
    }
  });

  test("a tolerance ends each sample at its own step", async () => {
    for (const solver of ["cg", "gmres"] as const) {
      const tolerance = 1e-2;
      const found = await run(gaussianDenoiser(prior), 1e-2, { solver, cgSteps: 12, tolerance });
      expect(Math.max(...found.residual.data)).toBeLessThanOrEqual(tolerance);
      expect(new Set(found.steps.data).size).toBeGreaterThan(1);
      expect(Math.max(...found.steps.data)).toBeLessThan(12);
    }
  });

  test("a Gaussian near the prior saves steps where the system is ill conditioned", async () => {
    const near: Gaussian = {
      mean: prior.mean,
      diagonal: float32(prior.diagonal.data.map((d, i) => d * (1 + 0.05 * Math.sin(i)))),
      factor: prior.factor,
    };
    for (const solver of ["cg", "gmres"] as const) {
      const limits = { solver, cgSteps: 12, tolerance: 1e-3 };
      const plain = await run(gaussianDenoiser(prior), 1e-4, limits);
      const helped = await run(gaussianDenoiser(prior), 1e-4, { ...limits, preconditioner: near });
      const total = ({ steps }: typeof plain) => steps.data.reduce((sum, count) => sum + count, 0);
      expect(Math.max(...helped.residual.data)).toBeLessThanOrEqual(1e-3);
      expect(total(helped)).toBeLessThan(0.6 * total(plain));
    }
  });

  test("where an operator mixes entries, one step solves for independent latents of unit variance", async () => {
    const unit: Gaussian = {
      mean: float32(new Float32Array(N)),
      diagonal: float32(new Float32Array(N).fill(1)),
      factor: float32(new Float32Array(N), [N, 1]),
    };
    const far = (found: Awaited<ReturnType<typeof run>>) => Math.max(...found.residual.data);
    expect(far(await run(gaussianDenoiser(unit), 1e-2, { cgSteps: 1 }))).toBeGreaterThan(0.3);
    expect(far(await run(gaussianDenoiser(unit), 1e-2, { cgSteps: 1 }, true))).toBeLessThan(1e-4);
    // As many steps as measurements solve it anyway.
    const [helped, plain] = [true, false].map((mixes) =>
      run(gaussianDenoiser(prior), 1e-2, { cgSteps: M }, mixes),
    );
    expect((await helped!).mean.data).toEqual((await plain!).mean.data);
  });

  test("a solver, step count or tolerance that does not exist is an error that names it", () => {
    const measurement = { operator: (x: Tensor) => x, y: input([2, 3]), variance: 1 };
    const build = (wrong: object) => () =>
      heuristicPosterior((x) => x, measurement, identityPrior, wrong)(input([2, 3]), input([2]));
    expect(build({ solver: "gmers" })).toThrow(/solver must be one of cg, gmres, got "gmers".*"gmres"/);
    expect(build({ cgSteps: 1.5 })).toThrow(/cgSteps must be a whole number/);
    expect(build({ cgSteps: 1e9 })).toThrow(/cgSteps must be a whole number from 0 to 1000, got 1000000000/);
    expect(build({ tolerance: Number.NaN })).toThrow(/tolerance must be >= 0/);
  });
});

describe("cost", () => {
  const W = constant(normals(new Rng(6), [N, N]));
  const network: Denoiser = (x_t) => add(sin(matmul(x_t, W)), mul(x_t, 0.5));
  /** Products with the network's only matrix: one forward, one for each vector-Jacobian product. */
  const products = (output: Tensor) =>
    reachable([output]).filter((tensor) => tensor.op.name === "MatMul" && tensor.inputs.includes(W)).length;
  const measurement = { operator: matrix(input([2, M, N])), y: input([2, M]), variance: 0.1 };

  test.each<MmpsOptions>([
    { cgSteps: 1, solver: "gmres" },
    { cgSteps: 4, solver: "gmres" },
    { cgSteps: 4, tolerance: 0.1 },
    { cgSteps: 3, preconditioner: prior },
    { cgSteps: 3, solver: "gmres", preconditioner: prior },
  ])("of MMPS is one product per step with %o", (options) => {
    const mean = mmps(network, measurement, options)(input([2, N]), input([2]));
    expect(products(mean)).toBe(1 + options.cgSteps!);
  });
});
