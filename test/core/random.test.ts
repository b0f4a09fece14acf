import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";

const N = 100_000;
/** A mean of N draws lies within five standard errors of its expectation, but for one seed in two million. */
const SIGMAS = 5;

function draws(draw: () => number): number[] {
  return Array.from({ length: N }, draw);
}
const average = (values: readonly number[]) => values.reduce((total, v) => total + v, 0) / values.length;
const variance = (values: readonly number[]) => {
  const centre = average(values);
  return average(values.map((v) => (v - centre) ** 2));
};

/** Checks the first two moments, given the excess kurtosis that sets the error of the second. */
function expectMoments(values: readonly number[], mean: number, spread: number, kurtosis: number): void {
  expect(Math.abs(average(values) - mean)).toBeLessThan(SIGMAS * Math.sqrt(spread / N));
  expect(Math.abs(variance(values) - spread)).toBeLessThan(SIGMAS * spread * Math.sqrt((kurtosis + 2) / N));
}

describe("moments", () => {
  test("of the uniform distribution on [0, 1)", () => {
    const rng = new Rng(1);
    const values = draws(() => rng.uniform());
    expectMoments(values, 1 / 2, 1 / 12, -6 / 5);
    expect(values.every((v) => v >= 0 && v < 1)).toBe(true);
  });

  test("of the standard normal, with its tails", () => {
    const rng = new Rng(2);
    const values = draws(() => rng.normal());
    expectMoments(values, 0, 1, 0);
    // E z^3 = 0 and E z^4 = 3, with variances 15 and 96.
    expect(Math.abs(average(values.map((v) => v ** 3)))).toBeLessThan(SIGMAS * Math.sqrt(15 / N));
    expect(Math.abs(average(values.map((v) => v ** 4)) - 3)).toBeLessThan(SIGMAS * Math.sqrt(96 / N));
    const beyond = values.filter((v) => Math.abs(v) > 2).length / N;
    expect(Math.abs(beyond - 0.0455)).toBeLessThan(SIGMAS * Math.sqrt(0.0455 / N));
  });

  test.each([0.3, 1, 2.5, 9])("of gamma(%d)", (shape) => {
    const rng = new Rng(3);
    expectMoments(
      draws(() => rng.gamma(shape)),
      shape,
      shape,
      6 / shape,
    );
  });

  test.each([
    [1, 1],
    [3, 3],
    [2, 5],
    [0.3, 1],
  ])("of beta(%d, %d)", (a, b) => {
    const rng = new Rng(4);
    const values = draws(() => rng.beta(a, b));
    // The kurtosis of these is below 0, so the bound for 0 is safe.
    expectMoments(values, a / (a + b), (a * b) / ((a + b) ** 2 * (a + b + 1)), 0);
    expect(values.every((v) => v > 0 && v < 1)).toBe(true);
  });

  test("of integers, each value as often", () => {
    const rng = new Rng(5);
    const counts = new Array<number>(7).fill(0);
    for (let k = 0; k < N; k++) counts[rng.integer(7)]!++;
    // Chi-squared with 6 degrees of freedom exceeds 38 with probability 1e-6.
    const chiSquared = counts.reduce((total, count) => total + (count - N / 7) ** 2 / (N / 7), 0);
    expect(chiSquared).toBeLessThan(38);
  });

  test("successive draws are uncorrelated", () => {
    const rng = new Rng(6);
    const values = draws(() => rng.normal());
    for (const lag of [1, 2, 3]) {
      const correlation = average(values.slice(lag).map((v, i) => v * values[i]!));
      expect(Math.abs(correlation)).toBeLessThan(SIGMAS / Math.sqrt(N - lag));
    }
  });
});

describe("split", () => {
  const first = (rng: Rng, count = 4) => Array.from({ length: count }, () => rng.bits());

  test("gives a stream that depends on the path alone, not on what was drawn before", () => {
    const root = new Rng(7);
    const early = first(root.split("a"));
    root.normal();
    root.split("b").bits();
    expect(first(root.split("a"))).toEqual(early);
    expect(first(new Rng(7).split("a"))).toEqual(early);
  });

  test("does not advance its parent", () => {
    const [one, other] = [new Rng(8), new Rng(8)];
    one.split("a").bits();
    expect(first(one)).toEqual(first(other));
  });

  test("of two keys is a split of a split", () => {
    expect(first(new Rng(9).split("a", 3))).toEqual(first(new Rng(9).split("a").split(3)));
  });

  test("gives different streams for different keys", () => {
    const root = new Rng(10);
    const keys = ["", "a", "b", "ab", "ba", "0", 0, 1, 2, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 52];
    const streams = [
      ...keys.map((key) => root.split(key)),
      root.split("a", "b"),
      root.split("b", "a"),
      root.split(1, 2),
      root.split(2, 1),
      root,
    ];
    expect(new Set(streams.map((rng) => first(rng).join())).size).toBe(streams.length);
  });

  test("gives streams that are uncorrelated with each other and with the parent", () => {
    const streams = [0, 1, 2, 3].map((key) => new Rng(11).split(key));
    const columns = [...streams, new Rng(11), new Rng(12)].map((rng) => draws(() => rng.normal()));
    columns.forEach((a, i) => {
      for (const b of columns.slice(0, i))
        expect(Math.abs(average(a.map((v, k) => v * b[k]!)))).toBeLessThan(SIGMAS / Math.sqrt(N));
    });
  });

  test("gives first draws that are uniform over many keys", () => {
    const root = new Rng(13);
    const values = Array.from({ length: N }, (_, key) => root.split("sample", key).uniform());
    expectMoments(values, 1 / 2, 1 / 12, -6 / 5);
    const neighbours = average(values.slice(1).map((v, i) => (v - 0.5) * (values[i]! - 0.5)));
    expect(Math.abs(neighbours * 12)).toBeLessThan(SIGMAS / Math.sqrt(N));
  });
});

describe("permutation", () => {
  test.each([0, 1, 2, 17, 1000])("of %d is one", (n) => {
    const order = new Rng(14).permutation(n);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  });

  test("takes each order as often", () => {
    const rng = new Rng(15);
    const counts = new Map<string, number>();
    const trials = 24_000;
    for (let k = 0; k < trials; k++) {
      const key = rng.permutation(4).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // Chi-squared with 23 degrees of freedom exceeds 74 with probability 3e-7.
    const chiSquared = [...counts.values()].reduce((total, n) => total + (n - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(74);
  });
});

// The first outputs of the authors' C code for this state.
test("the generator is xoshiro128**", () => {
  const rng = new Rng([1, 2, 3, 4]);
  expect(Array.from({ length: 10 }, () => rng.bits())).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ]);
});

test("fillNormal draws what normal draws", () => {
  const out = new Float64Array(5);
  new Rng(16).fillNormal(out);
  const rng = new Rng(16);
  expect([...out]).toEqual(Array.from({ length: 5 }, () => rng.normal()));
});

// Trained weights and recorded results depend on these: a change of the streams is a breaking change.
test("the streams are the ones they have always been", () => {
  const rng = new Rng(0);
  const stream = new Rng(2026).split("e-step", 3, "sampler");
  expect({
    bits: Array.from({ length: 4 }, () => rng.bits()),
    split: Array.from({ length: 4 }, () => stream.bits()),
    normal: Array.from({ length: 2 }, () => rng.normal()),
    gamma: rng.gamma(3),
    beta: rng.beta(3, 3),
    permutation: [...rng.permutation(6)],
    largeSeed: new Rng(Number.MAX_SAFE_INTEGER).bits(),
  }).toMatchInlineSnapshot(`
    {
      "beta": 0.12239589363050656,
      "bits": [
        928582927,
        3667976688,
        1290702377,
        3167778034,
      ],
      "gamma": 2.322239889880281,
      "largeSeed": 1877046852,
      "normal": [
        -0.4371819211830861,
        -0.16968308992485404,
      ],
      "permutation": [
        4,
        3,
        0,
        1,
        5,
        2,
      ],
      "split": [
        1439735753,
        425262435,
        628615615,
        557383208,
      ],
    }
  `);
});
