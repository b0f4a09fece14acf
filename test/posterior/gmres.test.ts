import { Matrix, solve } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { matmul, mul, reshape, type Tensor } from "../../src/graph/index.ts";
import { conjugateGradient } from "../../src/posterior/solvers/conjugate-gradient.ts";
import { gmres } from "../../src/posterior/solvers/gmres.ts";
import type { Product } from "../../src/posterior/solvers/linear-system.ts";
import { column, fromRows } from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const [B, N] = [5, 6];
// Condition numbers up to about 100, times 6e-8.
const SOLUTION = 2e-5;
const FLOAT32 = 2e-6;

/** Matrices with no structure, and one that turns every vector by a right angle: x' M x = 0 for all x. */
const M = normals(new Rng(1), [B, N, N]);
const turn = Matrix.zeros(N, N);
for (let k = 0; k < N; k += 2) {
  turn.set(k, k + 1, 1 + k);
  turn.set(k + 1, k, -1 - k);
}
M.data.set(turn.to1DArray(), (B - 1) * N * N);
const b = normals(new Rng(2), [B, N]);
const C = normals(new Rng(3), [B, 3, N]);

const dense = (of: HostArray<"float32">, k: number) => fromRows(rows(of, k, k + 1).data, of.shape[1]!, N);
const right = (k: number) => column(rows(b, k, k + 1).data);

function products(M: Tensor, C: Tensor): Product {
  const apply = (matrix: Tensor, p: Tensor) => {
    const [size, rows_] = matrix.shape as [number, number];
    return reshape(matmul(matrix, reshape(p, [size, -1, 1])), [size, rows_]);
  };
  return (p) => ({ product: apply(M, p), companion: apply(C, p) });
}

async function run(M: HostArray<"float32">, b: HostArray<"float32">, steps: number, tolerance = 0) {
  const feeds = { M, b, C: rows(C, 0, b.shape[0]!) };
  return await evaluate(feeds, ({ M, b, C }) => ({ ...gmres(products(M, C), b, { steps, tolerance }) }));
}

/** The least |b - M v| over the span of b, M b, ..., M^(steps - 1) b. */
function leastResidual(M: Matrix, b: Matrix, steps: number): number {
  const basis: Matrix[] = [];
  let next = b;
  for (let k = 0; k < steps; k++) {
    for (const q of basis) next = Matrix.sub(next, Matrix.mul(q, q.transpose().mmul(next).get(0, 0)));
    for (const q of basis) next = Matrix.sub(next, Matrix.mul(q, q.transpose().mmul(next).get(0, 0)));
    basis.push(Matrix.div(next, next.norm()));
    next = M.mmul(basis.at(-1)!);
  }
  const K = new Matrix(basis.map((q) => q.to1DArray())).transpose();
  return Matrix.sub(b, M.mmul(K).mmul(solve(M.mmul(K), b, true))).norm();
}

describe("GMRES", () => {
  test("solves systems of size n in n steps, whatever the matrix, where conjugate gradients do not", async () => {
    const found = await run(M, b, N);
    const expected = Array.from({ length: B }, (_, k) => solve(dense(M, k), right(k)));
    expectAllClose(
      found.solution.data,
      expected.flatMap((v) => v.to1DArray()),
      { relative: SOLUTION },
    );
    expectAllClose(
      found.companion.data,
      expected.flatMap((v, k) => dense(C, k).mmul(v).to1DArray()),
      { relative: SOLUTION },
    );
    expect(found.residual.shape).toEqual([B, 1]);
    expect(Math.max(...found.residual.data)).toBeLessThan(SOLUTION);
    expect(Array.from(found.breakdown.data)).toEqual(new Array(B).fill(0));
    const other = await evaluate({ M, b, C }, ({ M, b, C }) => ({
      ...conjugateGradient(products(M, C), b, { steps: 4 * N }),
    }));
    expect(Math.min(...other.residual.data)).toBeGreaterThan(0.1);
  });

  test.each([1, 2, 4])(
    "has after %d steps the least residual that its directions allow, and reports it",
    async (steps) => {
      const found = await run(M, b, steps);
      for (let k = 0; k < B; k++) {
        const norm = right(k).norm();
        const v = column(rows(found.solution, k, k + 1).data);
        const left = Matrix.sub(right(k), dense(M, k).mmul(v)).norm() / norm;
        expectAllClose([found.residual.data[k]!], [left], { relative: 1e-4 });
        expectAllClose([left], [leastResidual(dense(M, k), right(k), steps) / norm], { relative: 1e-4 });
      }
      expect(Array.from(found.steps.data)).toEqual(new Array(B).fill(steps));
    },
  );

  test("takes one step by hand: the multiple of b with the least residual", async () => {
    const found = await run(
      float32(Matrix.diag([2, 4, 1, 1, 1, 1]).to1DArray(), [1, N, N]),
      float32([1, 1, 0, 0, 0, 0], [1, N]),
      1,
    );
    // M b = (2, 4): v = b (b' M b) / |M b|^2 = 0.3 b, b - M v = (0.4, -0.2), of length sqrt(0.2) against sqrt(2).
    expectAllClose(found.solution.data, [0.3, 0.3, 0, 0, 0, 0], { relative: FLOAT32 });
    expectAllClose(found.residual.data, [Math.sqrt(0.1)], { relative: FLOAT32 });
  });

  test("solves each sample as if it were alone, and stays where it is once it is solved", async () => {
    const scaled = float32(
      b.data.map((value, i) => value * 10 ** (3 * Math.floor(i / N) - 6)),
      b.shape,
    );
    const together = await run(M, scaled, 4);
    for (let k = 0; k < B; k++) {
      const alone = await run(rows(M, k, k + 1), rows(scaled, k, k + 1), 4);
      expectAllClose(rows(together.solution, k, k + 1), alone.solution, { relative: FLOAT32 });
    }
    const exact = await run(M, b, N);
    const long = await run(M, b, N + 3);
    expectAllClose(long.solution, exact.solution, { relative: SOLUTION });
    expect(Array.from(long.breakdown.data)).toEqual(new Array(B).fill(0));
  });

  test("ends at once where b is an eigenvector, and where b is zero", async () => {
    const diagonal = Matrix.diag([3, -2, 1, 1, 1, 1]).to1DArray();
    const systems = float32([...diagonal, ...diagonal, ...diagonal], [3, N, N]);
    const found = await run(
      systems,
      float32([0, 5, 0, 0, 0, 0, ...new Array(N).fill(0), 1, 1, 0, 0, 0, 0], [3, N]),
      N,
    );
    expectAllClose(
      found.solution.data,
      [0, -2.5, 0, 0, 0, 0, ...new Array(N).fill(0), 1 / 3, -0.5, 0, 0, 0, 0],
      {
        relative: FLOAT32,
      },
    );
    expect(Array.from(found.steps.data)).toEqual([1, 0, 2]);
    expect(Math.max(...found.residual.data)).toBeLessThan(FLOAT32);
    expect(Array.from(found.breakdown.data)).toEqual([0, 0, 0]);
  });

  test("stops with a flag at singular systems, with the best that they have", async () => {
    const zero = Matrix.zeros(N, N);
    const shift = Matrix.zeros(N, N); // e_1 -> e_0 -> 0
    shift.set(0, 1, 1);
    const half = Matrix.diag([2, 2, 0, 0, 0, 0]);
    const systems = float32(
      [zero, shift, shift, half].flatMap((of) => of.to1DArray()),
      [4, N, N],
    );
    const ones = new Array(N).fill(1);
    const found = await run(
      systems,
      float32([...ones, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, ...ones], [4, N]),
      N,
    );
    for (const values of [found.solution, found.companion, found.residual])
      expect(values.data.every(Number.isFinite)).toBe(true);
    expect(Array.from(found.breakdown.data)).toEqual([1, 1, 1, 1]);
    expectAllClose(found.residual.data, [1, 1, 1, Math.sqrt(2 / 3)], { relative: FLOAT32 });
    expect(Array.from(found.solution.data.subarray(0, 3 * N))).toEqual(new Array(3 * N).fill(0));
  });

  test("stops each sample at the tolerance, and counts its steps", async () => {
    const tolerance = 0.3;
    const found = await run(M, b, N, tolerance);
    const steps = Array.from(found.steps.data);
    expect(new Set(steps).size).toBeGreaterThan(1);
    for (const [k, count] of steps.entries()) {
      expect(found.residual.data[k]!).toBeLessThanOrEqual(tolerance);
      const [own, before] = [await run(M, b, count), await run(M, b, count - 1)];
      expectAllClose(rows(found.solution, k, k + 1), rows(own.solution, k, k + 1), { relative: FLOAT32 });
      expect(before.residual.data[k]!).toBeGreaterThan(tolerance);
    }
  });

  test("with the inverse for a preconditioner needs one step", async () => {
    const inverses = float32(
      Array.from({ length: B }, (_, k) => solve(dense(M, k), Matrix.eye(N)).to1DArray()).flat(),
      [B, N, N],
    );
    const found = await evaluate({ M, b, C, inverses }, ({ M, b, C, inverses }) => {
      const preconditioner = (r: Tensor) => products(inverses, C)(r).product;
      return { ...gmres(products(M, C), b, { steps: 1, preconditioner }) };
    });
    const expected = Array.from({ length: B }, (_, k) => solve(dense(M, k), right(k)).to1DArray());
    expectAllClose(found.solution.data, expected.flat(), { relative: SOLUTION });
    expect(Math.max(...found.residual.data)).toBeLessThan(SOLUTION);
  });

  test("works on images, with a companion of another rank, and takes no step when told to take none", async () => {
    const image = normals(new Rng(8), [2, 3, 2, 2]);
    const found = await evaluate({ image }, ({ image }) => {
      const product: Product = (p) => ({ product: mul(p, 4), companion: reshape(p, [2, 12]) });
      const none = gmres(product, image, { steps: 0 });
      const two = gmres(product, image, { steps: 2 });
      return { v: two.solution, c: two.companion, none: none.companion, residual: none.residual };
    });
    expectAllClose(
      found.v.data,
      image.data.map((value) => value / 4),
      { relative: FLOAT32 },
    );
    expectAllClose(found.c.data, found.v.data, { relative: FLOAT32 });
    expect(found.none.data.every((value) => value === 0)).toBe(true);
    expectAllClose(found.residual, float32([1, 1], [2, 1, 1, 1]), { relative: FLOAT32 });
  });
});
