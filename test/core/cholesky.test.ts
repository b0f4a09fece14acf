import { determinant, inverse, Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { choleskySolve } from "../../src/core/cholesky.ts";
import { Rng } from "../../src/core/random.ts";
import { expectAllClose } from "../matchers.ts";

const FLOOR = 1e-6;
const FLOAT64 = 1e-10;

function randomPositive(seed: number, n: number): Matrix {
  const rng = new Rng(seed);
  const F = Matrix.from1DArray(
    n,
    n,
    Array.from({ length: n * n }, () => rng.normal()),
  );
  return F.mmul(F.transpose()).add(Matrix.eye(n));
}

describe("the Cholesky solver", () => {
  test("solves [[4, 2], [2, 5]] v = (2, 3) by hand", () => {
    const { solution, quadratic, logDeterminant, floored } = choleskySolve(
      Float64Array.of(4, 2, 2, 5),
      [2, 3],
      FLOOR,
    );
    // det = 16, v = (10 - 6, 12 - 4) / 16, b'v = (2 + 6) / 4.
    expectAllClose(solution, [0.25, 0.5], { relative: FLOAT64 });
    expectAllClose([quadratic, logDeterminant], [2, Math.log(16)], { relative: FLOAT64 });
    expect(floored).toBe(0);
  });

  test.each([1, 2, 7, 20])("agrees with dense inverses and determinants, size %i", (n) => {
    const S = randomPositive(n, n);
    const b = Array.from({ length: n }, (_, i) => Math.sin(i + 1));
    const found = choleskySolve(Float64Array.from(S.to1DArray()), b, FLOOR);
    const v = inverse(S).mmul(Matrix.columnVector(b));
    expectAllClose(found.solution, v.to1DArray(), { relative: FLOAT64 });
    expectAllClose([found.quadratic], [Matrix.columnVector(b).dot(v)], { relative: FLOAT64 });
    if (n < 10) expectAllClose([found.logDeterminant], [Math.log(determinant(S))], { relative: FLOAT64 });
    expect(found.floored).toBe(0);
  });

  test("leaves out rows without information", () => {
    const found = choleskySolve(Float64Array.of(4, 0, 2, 0, 0, 0, 2, 0, 5), [2, 7, 3], FLOOR);
    expect(found.rank).toBe(2);
    expectAllClose(found.solution, [0.25, 0, 0.5], { relative: FLOAT64 });
    expectAllClose([found.quadratic, found.logDeterminant], [2, Math.log(16)], { relative: FLOAT64 });
    expect(found.floored).toBe(0);
  });

  test("shows a NaN on the diagonal", () => {
    const found = choleskySolve(Float64Array.of(Number.NaN, 0, 0, 1), [1, 1], FLOOR);
    expect([found.solution[0], found.quadratic, found.logDeterminant]).toEqual([
      Number.NaN,
      Number.NaN,
      Number.NaN,
    ]);
  });

  test("stays finite, and counts, where S is singular or indefinite", () => {
    const redundant = choleskySolve(Float64Array.of(1, 1, 1, 1), [3, 3], FLOOR);
    expect(redundant.floored).toBe(1);
    expectAllClose(redundant.solution, [3, 0], { relative: FLOAT64 });
    expect(redundant.quadratic).toBeCloseTo(9, 10);
    expect(redundant.logDeterminant).toBeCloseTo(Math.log(FLOOR), 10);
    const indefinite = choleskySolve(Float64Array.of(1, 2, 2, 1), [1, 0], FLOOR);
    // d_0 = 2^2 / 1 = 4 and L = 1/2 leave d_1 = 1 - 4 / 4 = 0, so FLOOR: v_1 = -1/2 / FLOOR, v_0 = 1/4 - v_1 / 2.
    expect(indefinite.floored).toBe(2);
    expectAllClose(indefinite.solution, [0.25 + 0.25 / FLOOR, -0.5 / FLOOR], { relative: FLOAT64 });
    const negative = choleskySolve(Float64Array.of(-1, 0, 0, 1), [1, 2], FLOOR);
    expect(Array.from(negative.solution)).toEqual([0, 2]);
    expect(negative.floored).toBe(1);
  });

  test("keeps the factors of a matrix far from positive bounded", () => {
    const n = 60;
    const rng = new Rng(5);
    const S = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) S[i * n + j] = 0.5 * rng.normal(); // eigenvalues from about -7 to 8
      S[i * n + i] = 1;
    }
    const { solution, quadratic, rank, floored } = choleskySolve(S, new Float64Array(n).fill(1), FLOOR);
    expect(rank).toBe(n);
    expect(floored).toBeGreaterThan(0);
    // Pivots of 1e-6 give 2e8 and 1e8; if they alone were bounded, L would overflow.
    expect(quadratic).toBeLessThan(1e10);
    expect(Math.max(...solution.map(Math.abs))).toBeLessThan(1e10);
  });
});
