import { expect, test } from "vitest";
import { float32 } from "../../../src/core/array.ts";
import { restartOptimizer } from "../../../src/em/m-step/state.ts";

test("an optimizer that starts anew starts from the averaged weights, without memory", () => {
  const vector = (value: number) => float32([value, -value]);
  const state = {
    parameters: vector(1),
    first: vector(2),
    second: vector(3),
    average: vector(4),
    step: 5,
    slowed: 2,
  };
  expect(restartOptimizer(state)).toEqual({
    parameters: vector(4),
    first: float32([0, 0]),
    second: float32([0, 0]),
    average: vector(4),
    step: 0,
    slowed: 2,
  });
});
