import { Matrix, solve } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { constant, div, matmul, mul, reshape, type Tensor } from "../../src/graph/index.ts";
import { conjugateGradient } from "../../src/posterior/solvers/conjugate-gradient.ts";
import type { Product } from "../../src/posterior/solvers/linear-system.ts";
import { column, fromRows } from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const N = 6;
// Condition numbers up to about 30, times 6e-8.
const SOLUTION = 1e-5;
const FLOAT32 = 1e-6;

/** I + F F' / N, times a scale. */
function positiveMatrices(seed: number, batch: number, scale = 1): HostArray<"float32"> {
  const F = normals(new Rng(seed), [batch, N, N]);
  const all = Array.from({ length: batch }, (_, b) => {
    const one = fromRows(rows(F, b, b + 1).data, N, N);
    return Matrix.eye(N).add(one.mmul(one.transpose()).div(N)).mul(scale).to1DArray();
  });
  return float32(all.flat(), [batch, N, N]);
}

/** p -> M p, with companion C p. */
function products(M: Tensor, C: Tensor): Product {
  const apply = (matrix: Tensor, p: Tensor) => {
    const [B, rows_] = matrix.shape as [number, number];
    return reshape(matmul(matrix, reshape(p, [B, -1, 1])), [B, rows_]);
  };
  return (p) => ({ product: apply(M, p), companion: apply(C, p) });
}

const float32Row = (values: number[]) => constant(float32(values, [1, values.length]));

async function run(
  M: HostArray<"float32">,
  b: HostArray<"float32">,
  steps: number,
  rolled: boolean,
  C: HostArray<"float32"> = normals(new Rng(99), [b.shape[0]!, 3, N]),
) {
  return await evaluate({ M, b, C }, ({ M, b, C }) => ({
    ...conjugateGradient(products(M, C), b, { steps, rolled }),
  }));
}

describe.each([
  ["unrolled", false],
  ["rolled", true],
])("conjugate gradients, %s,", (_name, rolled) => {
  const B = 5;
  const M = positiveMatrices(1, B);
  const b = normals(new Rng(2), [B, N]);
  const companions = normals(new Rng(3), [B, 3, N]);

  test("solve systems of size n in n steps", async () => {
    const found = await run(M, b, N, rolled, companions);
    const expected = Array.from({ length: B }, (_, k) =>
      solve(fromRows(rows(M, k, k + 1).data, N, N), column(rows(b, k, k + 1).data)),
    );
    expectAllClose(
      found.solution.data,
      expected.flatMap((v) => v.to1DArray()),
      { relative: SOLUTION },
    );
    // The companion is the same linear map of the solution.
    const mapped = expected.flatMap((v, k) =>
      fromRows(rows(companions, k, k + 1).data, 3, N)
        .mmul(v)
        .to1DArray(),
    );
    expectAllClose(found.companion, float32(mapped, [B, 3]), { relative: SOLUTION });
    expect(found.residual.shape).toEqual([B, 1]);
    expect(Math.max(...found.residual.data)).toBeLessThan(SOLUTION);
    expect(Array.from(found.breakdown.data)).toEqual([0, 0, 0, 0, 0]);
  });

  test("take one step of steepest descent: alpha = b'b / b'Mb", async () => {
    const diagonal = float32([2, 0, 0, 4], [1, 2, 2]);
    const feeds = { M: diagonal, b: float32([1, 1], [1, 2]), C: float32([1, 10], [1, 1, 2]) };
    const found = await evaluate(feeds, ({ M, b, C }) => ({
      ...conjugateGradient(products(M, C), b, { steps: 1, rolled }),
    }));
    // b'b = 2, b'Mb = 6, so v = b / 3, and b - M v = (1/3, -1/3): residual 1/3.
    expectAllClose(found.solution.data, [1 / 3, 1 / 3], { relative: FLOAT32 });
    expectAllClose(found.companion.data, [11 / 3], { relative: FLOAT32 });
    expectAllClose(found.residual.data, [1 / 3], { relative: FLOAT32 });
  });

  test("report the residual |b - M v| / |b| before they have converged", async () => {
    const found = await run(M, b, 3, rolled);
    for (let k = 0; k < B; k++) {
      const right = column(rows(b, k, k + 1).data);
      const left = fromRows(rows(M, k, k + 1).data, N, N).mmul(column(rows(found.solution, k, k + 1).data));
      expectAllClose([found.residual.data[k]!], [Matrix.sub(right, left).norm() / right.norm()], {
        relative: 1e-4, // the residual itself is down to 1e-3 of b
      });
    }
  });

  test("solve each sample as if it were alone", async () => {
    const scaled = float32(
      b.data.map((value, i) => value * 10 ** (3 * Math.floor(i / N) - 6)),
      b.shape,
    );
    const together = await run(M, scaled, 4, rolled);
    for (let k = 0; k < B; k++) {
      const alone = await run(rows(M, k, k + 1), rows(scaled, k, k + 1), 4, rolled);
      expectAllClose(rows(together.solution, k, k + 1), alone.solution, { relative: FLOAT32 });
    }
  });

  test("stay where they are after they have converged, at any scale of the matrix", async () => {
    for (const scale of [1e-6, 1, 1e4]) {
      const system = positiveMatrices(4, B, scale);
      const exact = await run(system, b, N + 2, rolled);
      const long = await run(system, b, 10 * N, rolled);
      expectAllClose(long.solution, exact.solution, { relative: SOLUTION });
      expect(Array.from(long.breakdown.data)).toEqual([0, 0, 0, 0, 0]);
    }
  });

  test("return zero, without a flag, where b is zero", async () => {
    const mixed = float32(
      b.data.map((value, i) => (i < N ? 0 : value)),
      b.shape,
    );
    const found = await run(M, mixed, N, rolled);
    expect(Array.from(found.solution.data.subarray(0, N))).toEqual(new Array(N).fill(0));
    expect(found.residual.data[0]).toBe(0);
    expect(Array.from(found.breakdown.data)).toEqual([0, 0, 0, 0, 0]);
    expect(found.solution.data.every(Number.isFinite)).toBe(true);
  });

  test("stop with a flag at matrices that are not positive, and only there", async () => {
    const zero = new Array(N * N).fill(0);
    const negative = Matrix.eye(N).mul(-1).to1DArray();
    const good = Matrix.eye(N).mul(2).to1DArray();
    // e_1 sees a positive curvature first, then a negative one.
    const indefinite = Matrix.diag([1, -5, 1, 1, 1, 1]);
    indefinite.set(0, 1, 1);
    indefinite.set(1, 0, 1);
    const systems = float32([zero, negative, good, indefinite.to1DArray()].flat(), [4, N, N]);
    const right = float32(
      Array.from({ length: 4 * N }, (_, i) => (i < 3 * N ? 1 : Number(i % N === 0))),
      [4, N],
    );
    const found = await run(systems, right, 5, rolled);
    expect(found.solution.data.every(Number.isFinite)).toBe(true);
    expect(found.companion.data.every(Number.isFinite)).toBe(true);
    expect(Array.from(found.breakdown.data, Math.sign)).toEqual([1, 1, 0, 1]);
    expect(Array.from(found.solution.data.subarray(0, 2 * N))).toEqual(new Array(2 * N).fill(0));
    expectAllClose(found.solution.data.subarray(2 * N, 3 * N), new Array(N).fill(0.5), { relative: FLOAT32 });
    // The first step of the last system is kept: alpha = 1 along e_1.
    expectAllClose(found.solution.data.subarray(3 * N), [1, 0, 0, 0, 0, 0], { absolute: FLOAT32 });
    // The flag is one, as documented, however many steps follow.
    expect(Math.max(...found.breakdown.data)).toBe(1);
  });

  test("take no direction along which the learned part is negative, even if the whole is positive", async () => {
    // S = diag(1, -1, ...) and D = 1 + 1e-6: along e_2 the system is 1e-6, and a step would be a million long.
    const signs = [1, -1, 1, 1, 1, 1];
    const D = 1 + 2 ** -20;
    const scaled = (values: number[]) => (p: Tensor) => mul(p, float32Row(values));
    const product: Product = (p) => ({
      product: scaled(signs.map((sign) => D + sign))(p),
      companion: mul(p, 3),
      signal: scaled(signs)(p),
    });
    const right = float32(Matrix.eye(N).to1DArray(), [N, N]);
    const found = await evaluate({ right }, ({ right }) => ({
      ...conjugateGradient(product, right, { steps: N, rolled }),
    }));
    const solved = Matrix.diag(signs.map((sign) => (sign > 0 ? 1 / (D + 1) : 0)));
    expectAllClose(found.solution.data, solved.to1DArray(), { absolute: FLOAT32 });
    expectAllClose(found.companion.data, solved.mul(3).to1DArray(), { absolute: FLOAT32 });
    expect(Array.from(found.breakdown.data)).toEqual(signs.map((sign) => Number(sign < 0)));
  });

  test("stop each sample at the tolerance, and count its steps", async () => {
    const tolerance = 0.05;
    const systems = float32(Array.from(M.data), M.shape);
    systems.data.set(Matrix.eye(N).mul(2).to1DArray()); // solved in one step
    const found = await evaluate({ M: systems, b, C: companions }, ({ M, b, C }) => ({
      ...conjugateGradient(products(M, C), b, { steps: N, tolerance, rolled }),
    }));
    const steps = Array.from(found.steps.data);
    expect(new Set(steps).size).toBeGreaterThan(1);
    for (const [k, count] of steps.entries()) {
      const [own, before] = [await run(systems, b, count, rolled), await run(systems, b, count - 1, rolled)];
      expectAllClose(rows(found.solution, k, k + 1), rows(own.solution, k, k + 1), { relative: FLOAT32 });
      expect(found.residual.data[k]!).toBeLessThanOrEqual(tolerance);
      expect(before.residual.data[k]!).toBeGreaterThan(tolerance);
    }
  });

  test("need one step with the inverse for a preconditioner, and fewer with the diagonal", async () => {
    const scales = Array.from({ length: N }, (_, i) => 10 ** i);
    const scale = Matrix.diag(scales.map(Math.sqrt));
    const systems = Array.from({ length: B }, (_, k) =>
      scale.mmul(fromRows(rows(M, k, k + 1).data, N, N)).mmul(scale),
    );
    const feeds = {
      M: float32(
        systems.flatMap((of) => of.to1DArray()),
        [B, N, N],
      ),
      inverses: float32(
        systems.flatMap((of) => solve(of, Matrix.eye(N)).to1DArray()),
        [B, N, N],
      ),
      diagonal: float32(
        systems.flatMap((of) => of.diagonal()),
        [B, N],
      ),
      b,
      C: companions,
    };
    const options = { steps: N, tolerance: 1e-3, rolled };
    const found = await evaluate(feeds, ({ M, inverses, diagonal, b, C }) => {
      const product = products(M, C);
      const exact = conjugateGradient(product, b, {
        ...options,
        preconditioner: (r) => products(inverses, C)(r).product,
      });
      const rough = conjugateGradient(product, b, { ...options, preconditioner: (r) => div(r, diagonal) });
      const none = conjugateGradient(product, b, options);
      return { once: exact.steps, left: rough.residual, without: none.residual };
    });
    expect(Array.from(found.once.data)).toEqual(new Array(B).fill(1));
    expect(Math.max(...found.left.data)).toBeLessThanOrEqual(1e-3);
    expect(Math.min(...found.without.data)).toBeGreaterThan(1e-3);
  });

  test("take no step when told to take none", async () => {
    const found = await run(M, b, 0, rolled);
    expect(found.solution.data.every((value) => value === 0)).toBe(true);
    expectAllClose(found.residual.data, [1, 1, 1, 1, 1]);
  });

  test("work on images, with a companion of another rank", async () => {
    const image = normals(new Rng(8), [2, 3, 2, 2]);
    const { solution, companion } = await evaluate({ image }, ({ image }) => ({
      ...conjugateGradient((p) => ({ product: mul(p, 4), companion: reshape(p, [2, 12]) }), image, {
        steps: 2,
        rolled,
      }),
    }));
    expectAllClose(
      solution.data,
      image.data.map((value) => value / 4),
      { relative: FLOAT32 },
    );
    expectAllClose(companion.data, solution.data, { relative: FLOAT32 });
    expect(companion.shape).toEqual([2, 12]);
  });
});
