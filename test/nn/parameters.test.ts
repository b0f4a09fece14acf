import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { clipByNorm, movingAverage } from "../../src/nn/optimizer.ts";
import {
  checkParameters,
  flatten,
  initialize,
  joinWeights,
  type ParameterSpec,
  sliceWeights,
  unflatten,
} from "../../src/nn/parameters.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const SPECS: ParameterSpec[] = [
  { name: "a.weight", shape: [2, 3], bound: 0.5 },
  { name: "a.bias", shape: [2], bound: 0 },
  { name: "b.weight", shape: [1, 2, 2, 1], bound: 2 },
];
// Single operations in float32.
const FLOAT32 = 3e-7;

describe("initial values", () => {
  const parameters = initialize(SPECS, new Rng(7));

  test("stay within their bounds, and fill them", () => {
    const spec = { name: "w", shape: [4000], bound: 0.25 };
    const { data } = initialize([spec], new Rng(1)).w!;
    const [low, high] = [Math.min(...data), Math.max(...data)];
    // 4000 uniform values come within 1 % of each end, but for a chance of e^-20.
    expect(low).toBeGreaterThanOrEqual(-0.25);
    expect(low).toBeLessThan(-0.2475);
    expect(high).toBeLessThanOrEqual(0.25);
    expect(high).toBeGreaterThan(0.2475);
  });

  test("are zero where the bound is", () => {
    expect(Array.from(parameters["a.bias"]!.data)).toEqual([0, 0]);
  });

  test("do not change when parameters are added, removed or reordered", () => {
    const more = initialize([{ name: "new", shape: [5], bound: 1 }, ...SPECS.toReversed()], new Rng(7));
    for (const { name } of SPECS) expect(more[name]).toEqual(parameters[name]);
  });

  test("differ between seeds and between names", () => {
    const other = initialize(SPECS, new Rng(8));
    expect(other["a.weight"]).not.toEqual(parameters["a.weight"]);
    const twins = initialize(
      ["x", "y"].map((name) => ({ name, shape: [3], bound: 1 })),
      new Rng(7),
    );
    expect(twins.x).not.toEqual(twins.y);
  });
});

describe("one vector of all parameters", () => {
  const parameters = initialize(SPECS, new Rng(3));

  test("has them in the order of the specs and gives them back", () => {
    const flat = flatten(SPECS, parameters);
    expect(flat.shape).toEqual([12]);
    expect(Array.from(flat.data.subarray(6, 8))).toEqual([0, 0]);
    expect(unflatten(SPECS, flat)).toEqual(parameters);
  });

  test("gives copies, so that the vector may be reused", () => {
    const flat = flatten(SPECS, parameters);
    const copies = unflatten(SPECS, flat);
    flat.data.fill(9);
    expect(copies).toEqual(parameters);
  });

  test("as a tensor is cut into weights and joined again", async () => {
    const flat = flatten(SPECS, parameters);
    const found = await evaluate({ flat }, ({ flat }) => {
      const weights = sliceWeights(SPECS, flat);
      return { joined: joinWeights(SPECS, weights), last: weights["b.weight"]! };
    });
    expect(found.joined).toEqual(flat);
    expect(found.last).toEqual(parameters["b.weight"]);
  });

  test("weights of another network are refused by name", () => {
    const { "a.bias": _left, ...rest } = parameters;
    expect(() => checkParameters(SPECS, rest, "w.safetensors")).toThrow(
      "w.safetensors: parameter a.bias must be [2], got none. The weights belong to another network.",
    );
    const wrong = { ...parameters, "a.weight": float32([1, 2], [2, 1]) };
    expect(() => checkParameters(SPECS, wrong, "w.safetensors")).toThrow(
      "w.safetensors: parameter a.weight must be [2, 3], got [2, 1]. The weights belong to another network.",
    );
  });
});

describe("clipping a gradient", () => {
  const clip = (values: number[], limit: number) =>
    evaluate({ g: float32(values) }, ({ g }) => ({ ...clipByNorm(g, limit) }));

  test("scales it to the limit when it is longer", async () => {
    const { gradient, norm } = await clip([3, -4], 1);
    expectAllClose(gradient.data, [0.6, -0.8], { relative: FLOAT32 });
    expect(norm.data[0]).toBe(5);
  });
  test("leaves it alone when it is shorter", async () => {
    expect(Array.from((await clip([0.5, -0.25], 1)).gradient.data)).toEqual([0.5, -0.25]);
  });
  test("leaves zero at zero", async () => {
    expect(Array.from((await clip([0, 0], 1)).gradient.data)).toEqual([0, 0]);
  });
});

test("a moving average moves by 1 - decay of the way", async () => {
  const feeds = { average: float32([1, -2]), value: float32([2, 2]), decay: float32([0.75], []) };
  const { next } = await evaluate(feeds, ({ average, value, decay }) => ({
    next: movingAverage(average, value, decay),
  }));
  expect(Array.from(next.data)).toEqual([1.25, -1]);
});
