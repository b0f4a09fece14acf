import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { input, type Tensor } from "../../src/graph/index.ts";
import { fourier } from "../../src/operators/kinds/fourier.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { totalVariation, zeroFilled } from "../../src/posterior/total-variation.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";

type Values = { shape: number[]; data: number[] };
interface Problem {
  name: string;
  matrix: Values;
  y: Values;
  weight: number;
  x: Values;
  objective: number;
}
const golden: { totalVariation: Problem[] } = JSON.parse(
  readFileSync(new URL("../fixtures/images.json", import.meta.url), "utf8"),
);
const [H, W] = [6, 5];

/** Reconstructions of one observation y = A x with images [1, 1, 6, 5] after some numbers of steps. */
async function solve({ matrix: A, y, weight }: Problem, steps: readonly number[]): Promise<Float32Array[]> {
  const [M, N] = A.shape as [number, number];
  const inputs = { A: input([1, M, N]), y: input([1, M]), x: input([1, 1, H, W]) };
  const operator = matrix(inputs.A);
  const outputs = Object.fromEntries(
    steps.map((n) => [`x${n}`, totalVariation(operator, inputs.x, inputs.y, { weight, steps: n })]),
  );
  const program = await compile({ inputs: { A: inputs.A, y: inputs.y }, outputs });
  const results = await program.run({ A: float32(A.data, [1, M, N]), y: float32(y.data, [1, M]) });
  await program.release();
  return steps.map((n) => results[`x${n}`]!.data as Float32Array);
}

/** 1/2 |A x - y|^2 + weight TV(x), written out. */
function objective({ matrix: A, y, weight }: Problem, x: ArrayLike<number>): number {
  const N = H * W;
  let value = 0;
  y.data.forEach((target, m) => {
    let predicted = 0;
    for (let n = 0; n < N; n++) predicted += A.data[m * N + n]! * x[n]!;
    value += 0.5 * (predicted - target) ** 2;
  });
  for (let i = 0; i < N; i++) {
    const down = i + W < N ? x[i + W]! - x[i]! : 0;
    const right = i % W < W - 1 ? x[i + 1]! - x[i]! : 0;
    value += weight * Math.hypot(down, right);
  }
  return value;
}

describe("total variation", () => {
  test.each(golden.totalVariation)(
    "agrees with CVXPY's interior-point solution for $name",
    async (problem) => {
      const [x] = await solve(problem, [3000]);
      // Primal-dual steps approach the minimum as 1 / steps; the minimizer is flat around it.
      expectAllClose(x!, problem.x.data, { relative: 2e-3 });
      expect(objective(problem, x!)).toBeCloseTo(problem.objective, 5);
    },
  );

  test.each(golden.totalVariation)("lowers its objective for $name", async (problem) => {
    const values = (await solve(problem, [0, 10, 40, 160, 640])).map((x) => objective(problem, x));
    for (let k = 1; k < values.length; k++) expect(values[k]!).toBeLessThanOrEqual(values[k - 1]! + 1e-6);
    expect(values.at(-1)!).toBeLessThan(values[0]!);
  });

  test("recovers a piecewise constant image from half of its k-space where filling with zeros does not", async () => {
    const side = 24;
    const truth = new Float32Array(2 * side * side);
    for (let i = 0; i < truth.length; i++) {
      const [y, x] = [Math.floor(i / side) % side, i % side];
      truth[i] = y > 5 && y < 17 && x > 4 && x < 15 ? 1 : -0.5;
    }
    const rng = new Rng(3);
    const mask = Float32Array.from({ length: 2 * side }, (_, i) =>
      Math.abs((i % side) - side / 2) < 3 || rng.uniform() < 0.35 ? 1 : 0,
    );
    const inputs = { x: input([2, 1, side, side]), mask: input([2, 1, 1, side]), weight: input([2]) };
    const operator = fourier(inputs.mask);
    const y: Tensor = operator(inputs.x);
    const outputs = {
      zero: zeroFilled(operator, inputs.x, y),
      tv: totalVariation(operator, inputs.x, y, { weight: inputs.weight, steps: 500 }),
    };
    const program = await compile({ inputs, outputs });
    const results = await program.run({
      x: float32(truth, [2, 1, side, side]),
      mask: float32(mask, [2, 1, 1, side]),
      weight: float32([0.003, 0.003]),
    });
    await program.release();
    const error = (name: "zero" | "tv") =>
      Math.sqrt(
        (results[name].data as Float32Array).reduce((s, v, i) => s + (v - truth[i]!) ** 2, 0) / truth.length,
      );
    expect(error("zero")).toBeGreaterThan(0.1);
    expect(error("tv")).toBeLessThan(0.2 * error("zero"));
  });

  test("refuses latents that are no images", () => {
    const A = input([1, 3, 4]);
    const x = input([1, 4]);
    expect(() => totalVariation(matrix(A), x, input([1, 3]), { weight: 1 })).toThrow(
      /must be \[B, C, H, W\]/,
    );
  });
});
