import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { add, div, matmul, mul, type Tensor, tanh } from "../../src/graph/index.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import type { SolverName } from "../../src/posterior/solvers/solver.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

type Packed = { readonly shape: number[]; readonly data: number[] };
interface Fixture {
  readonly sigma: number;
  readonly variance: number;
  readonly inputs: Record<"x" | "y" | "W" | "U" | "A", Packed>;
  readonly cases: readonly {
    readonly denoiser: "symmetric" | "general";
    readonly operator: "linear" | "tanh";
    readonly solver: SolverName;
    readonly steps: number;
    readonly mean: Packed;
  }[];
}
const fixture: Fixture = JSON.parse(readFileSync(new URL("../fixtures/mmps.json", import.meta.url), "utf8"));
/** The fixture is float64; systems of four unknowns, of condition number up to 100. */
const GOLDEN_TOLERANCE = 1e-5;

test("MMPS agrees with azula's, step by step, for either solver and for an operator that is not linear", async () => {
  const { sigma, variance, inputs, cases } = fixture;
  expect(cases.length).toBe(18);
  const array = ({ shape, data }: Packed) => float32(data, shape);
  const feeds = {
    x: array(inputs.x),
    y: array(inputs.y),
    W: array(inputs.W),
    U: array(inputs.U),
    A: array(inputs.A),
    sigma: float32([sigma]),
  };
  const found = await evaluate(feeds, ({ x, y, W, U, A, sigma }) => {
    const mean = ({ denoiser, operator, solver, steps }: Fixture["cases"][number]): Tensor => {
      const left = denoiser === "symmetric" ? W : U;
      const formula: Denoiser = (x_t, sigma_t) =>
        add(
          div(x_t, add(mul(sigma_t, sigma_t), 1)),
          mul(matmul(tanh(matmul(x_t, W, { transB: true })), left), 0.1),
        );
      const linear = operator === "linear";
      const observe = (of: Tensor) => matmul(of, A, { transB: true });
      const measurement = {
        operator: linear ? observe : (of: Tensor) => tanh(observe(of)),
        y,
        variance,
        linear,
      };
      return mmps(formula, measurement, { solver, cgSteps: steps })(x, sigma);
    };
    return Object.fromEntries(cases.map((one, k) => [`case${k}`, mean(one)]));
  });
  cases.forEach(({ mean }, k) => {
    expectAllClose(found[`case${k}`]!, array(mean), { relative: GOLDEN_TOLERANCE });
  });
});
