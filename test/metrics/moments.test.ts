import { expect, test } from "vitest";
import { float32, hostArray, rows } from "../../src/core/array.ts";
import { ConfigError, DataError, ShapeError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { momentsOf, RunningMoments } from "../../src/metrics/moments.ts";
import { expectAllClose } from "../matchers.ts";

/** Sums of about a thousand terms in float64. */
const FLOAT64_SUMS = { relative: 1e-12 };

/** Mean first, then covariance: the definition. */
function twoPassMoments(data: Float64Array, D: number) {
  const n = data.length / D;
  const mean = new Float64Array(D);
  data.forEach((value, at) => {
    mean[at % D]! += value / n;
  });
  const covariance = new Float64Array(D * D);
  for (let row = 0; row < n; row++)
    for (let i = 0; i < D; i++)
      for (let j = 0; j < D; j++)
        covariance[i * D + j]! +=
          ((data[row * D + i]! - mean[i]!) * (data[row * D + j]! - mean[j]!)) / (n - 1);
  return { mean, covariance };
}

function normals(count: number, D: number, offset = 0) {
  const data = new Float64Array(count * D);
  new Rng(3).fillNormal(data);
  return hostArray(
    "float64",
    [count, D],
    data.map((value, at) => offset + value * (1 + (at % D)) + data[at - (at % D)]!),
  );
}

test("moments in one pass equal those of the definition in two, however the rows are cut", () => {
  const x = normals(1000, 5);
  const expected = twoPassMoments(x.data, 5);
  for (const cuts of [[1000], [1, 999], [3, 256, 511, 512], [999]]) {
    const running = new RunningMoments(5);
    [0, ...cuts].forEach((start, k) => {
      running.add(rows(x, start, cuts[k] ?? 1000));
    });
    const { count, mean, covariance } = running.moments();
    expect(count).toBe(1000);
    expectAllClose(mean, expected.mean, FLOAT64_SUMS);
    expectAllClose(covariance, expected.covariance, FLOAT64_SUMS);
  }
});

test("moments of three points by hand", () => {
  const { mean, covariance } = momentsOf(float32([0, 0, 2, 0, 4, 6], [3, 2]));
  expectAllClose(mean, [2, 2]);
  expectAllClose(covariance, [4, 6, 6, 12]);
});

test("a large mean costs the covariance no more than the digits that the data lost", () => {
  const offset = 1e6;
  const found = momentsOf(normals(1000, 3, offset)).covariance;
  expectAllClose(found, momentsOf(normals(1000, 3)).covariance, { relative: 1e-8 });
});

test("moments are copies: later rows do not change them", () => {
  const running = new RunningMoments(1);
  running.add(float32([1, 3], [2, 1]));
  const before = running.moments();
  running.add(float32([100], [1, 1]));
  expectAllClose(before.mean, [2]);
  expectAllClose(before.covariance, [2]);
});

test("unusable rows are refused whole, and leave the moments as they were", () => {
  const running = new RunningMoments(2);
  running.add(float32([0, 0, 2, 2], [2, 2]));
  expect(() => running.add(float32([5, 5, 1, Number.NaN], [2, 2]))).toThrow(
    new DataError(
      "RunningMoments: expected finite features, found NaN in row 1, feature 1. Leave that row out.",
    ),
  );
  expect(() => running.add(float32([1, 2, 3], [1, 3]))).toThrow(ShapeError);
  expect(running.moments().count).toBe(2);
  expectAllClose(running.moments().mean, [1, 1]);
});

test("fewer than two rows have no covariance, and no features none at all", () => {
  expect(() => momentsOf(float32([1, 2], [1, 2]))).toThrow(
    new DataError("RunningMoments: expected 2 rows or more, found 1. Add more rows."),
  );
  expect(() => new RunningMoments(0)).toThrow(ConfigError);
});
