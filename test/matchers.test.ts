import { expect, test } from "vitest";
import { expectAllClose } from "./matchers.ts";

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

test.each([
  ["a NaN in front", [nan, 1], [1, 1]],
  ["a NaN at the end", [1, nan], [1, 1]],
  ["a number in the place of NaN", [1, 1], [nan, 1]],
  ["a number in the place of infinity", [1, 1], [infinity, 1]],
  ["an error beside an infinity that is expected", [infinity, 1], [infinity, 2]],
  ["the other infinity", [-infinity, 1], [infinity, 1]],
  ["an error above the tolerance", [1, 1.001], [1, 1]],
  ["a missing element", [1], [1, 1]],
])("%s is not close", (_, actual, expected) => {
  expect(() => expectAllClose(actual, expected)).toThrow(/expected/);
});

test.each([
  ["equal numbers", [0, -0, 3], [-0, 0, 3]],
  ["NaN and infinities in their places", [nan, infinity, -infinity, 1], [nan, infinity, -infinity, 1]],
  ["errors within the tolerance of the largest", [1.000001, 100], [1, 100]],
  ["nothing", [], []],
])("%s are close", (_, actual, expected) => {
  expectAllClose(actual, expected);
});
