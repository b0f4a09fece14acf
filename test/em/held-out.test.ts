import { describe, expect, test } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { hideUnobserved } from "../../src/data/observations/observation-check.ts";
import {
  type ObservationHeader,
  type Observations,
  observationKind,
} from "../../src/data/observations/observations.ts";
import { drawGaussian, type Gaussian } from "../../src/diffusion/gaussian.ts";
import { buildNetwork, defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { heldOutScores } from "../../src/em/held-out/score.ts";
import type { Model } from "../../src/inference/model.ts";
import { initialize } from "../../src/nn/parameters.ts";
import { OPERATORS, operatorFamily } from "../../src/operators/registry.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";

/** N(0, .25 I + u u') in four dimensions, u = (1, 1, -1, .5). */
const U = [1, 1, -1, 0.5];
const gaussian = (factor: readonly number[]): Gaussian => ({
  mean: float32([0, 0, 0, 0]),
  diagonal: float32([0.25, 0.25, 0.25, 0.25]),
  factor: float32(factor, [4, 1]),
});
const TRUTH = gaussian(U);

function model(prior: Gaussian): Model {
  const network = buildNetwork(defaultConfig([4], 100).network, [4]);
  const schedule = { sigmaMin: 0.01, sigmaMax: 30, spacing: "geometric" } as const;
  return { network, parameters: undefined, gaussian: prior, base: "gaussian", schedule };
}

/** Observations of draws of TRUTH. @param patterns L, [M, q] row by row */
function observe(
  header: Pick<ObservationHeader, "operator" | "observationShape">,
  count: number,
  data: (rng: Rng) => { readonly name: string; readonly values: number[] },
  apply: (values: readonly number[], x: Float32Array) => number[],
  patterns?: number[],
): Observations {
  const M = header.observationShape[0]!;
  const q = patterns ? patterns.length / M : 0;
  const kind = observationKind(
    {
      format: "diem-observations",
      version: 1,
      latentShape: [4],
      noiseVariance: 0.04,
      ...(patterns && { noiseRank: q }),
      ...header,
    },
    patterns && float32(patterns, [M, q]),
  );
  const one = (j: number) => {
    const rng = new Rng(11).split(j);
    const { name, values } = data(rng);
    const u = Array.from({ length: q }, () => rng.normal());
    const y = apply(values, drawGaussian(TRUTH, rng)).map((value, m) => {
      const shared = u.reduce((sum, own, a) => sum + own * patterns![m * q + a]!, 0);
      return value + 0.2 * rng.normal() + shared;
    });
    return { name, values, y };
  };
  return {
    ...kind,
    path: "memory",
    count,
    read: async (start, end) => {
      const all = Array.from({ length: end - start }, (_, i) => one(start + i));
      const { name } = all[0]!;
      const masked = (y: number[], values: number[]) =>
        name === "mask" ? y.map((value, m) => value * values[m]!) : y;
      return {
        y: float32(
          all.flatMap(({ y, values }) => masked(y, values)),
          [end - start, M],
        ),
        data: {
          [name]: float32(
            all.flatMap(({ values }) => values),
            [end - start, ...kind.family.data[name]!],
          ),
        },
      };
    },
    checksum: async () => "0".repeat(64),
  };
}

const everything = (count: number, patterns?: number[]) =>
  observe(
    { operator: { name: "mask", maskShape: [4] }, observationShape: [4] },
    count,
    () => ({ name: "mask", values: [1, 1, 1, 1] }),
    (_, x) => [...x],
    patterns,
  );

const matrices = (M: number, count: number) =>
  observe(
    { operator: { name: "matrix" }, observationShape: [M] },
    count,
    (rng) => ({ name: "matrix", values: Array.from({ length: 4 * M }, () => rng.normal()) }),
    (A, x) =>
      Array.from({ length: M }, (_, m) => x.reduce((sum, value, k) => sum + A[4 * m + k]! * value, 0)),
  );

/** Five observations of noise, with random data for the operator. */
function randomObservations(operator: OperatorSpec, latentShape: readonly number[]): Observations {
  const family = operatorFamily(operator, latentShape, undefined, "test");
  const { observationShape, data, masks } = family;
  const kind = observationKind({
    format: "diem-observations",
    version: 1,
    operator,
    latentShape,
    observationShape,
    noiseVariance: 0.1,
  });
  const rng = new Rng(8);
  const array = (shape: readonly number[], draw: () => number) =>
    float32(Float32Array.from({ length: 5 * sizeOf(shape) }, draw), [5, ...shape]);
  const all = {
    y: array(observationShape, () => rng.normal()),
    data: Object.fromEntries(
      Object.entries(data).map(([name, shape]) => [
        name,
        array(shape, () => (name in masks ? Number(rng.uniform() < 0.7) : rng.normal())),
      ]),
    ),
  };
  hideUnobserved(all, family, 0, "test");
  return {
    ...kind,
    path: "memory",
    count: 5,
    read: async (start, end) => ({
      y: rows(all.y, start, end),
      data: Object.fromEntries(Object.entries(all.data).map(([name, own]) => [name, rows(own, start, end)])),
    }),
    checksum: async () => "0".repeat(64),
  };
}

async function scores(observations: Observations, prior: Gaussian) {
  const config = defaultConfig([4], observations.count);
  const context = { observations, config, run: config, rng: new Rng(3), engine: { threads: 1 }, options: {} };
  const all = await heldOutScores(context, model(TRUTH), model(prior), 0);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (all.length - 1);
  return { all, mean, error: Math.sqrt(variance / all.length) };
}

/** Deviation of number m given the others, over that of it alone, for covariance S [M, M]. */
function conditionalOverMarginal(S: readonly (readonly number[])[], m: number): number {
  // 1 / (S^-1)_mm is the conditional variance: by elimination of all but m.
  const order = [...S.keys()].filter((i) => i !== m).concat(m);
  const A = order.map((i) => order.map((j) => S[i]![j]!));
  for (let k = 0; k < A.length - 1; k++)
    for (let i = k + 1; i < A.length; i++) {
      const factor = A[i]![k]! / A[k]![k]!;
      for (let j = k; j < A.length; j++) A[i]![j]! -= factor * A[k]![j]!;
    }
  return Math.sqrt(A.at(-1)!.at(-1)! / S[m]![m]!);
}

/** Of the right prior: sd(y_2 | y_1) / (sd(y_2) sqrt(pi)), the CRPS of a normal distribution that is right. */
function expectedScore(patterns?: number[]): number {
  const q = patterns ? patterns.length / 4 : 0;
  const S = U.map((a, i) =>
    U.map((b, j) => {
      const shared = Array.from({ length: q }, (_, c) => patterns![i * q + c]! * patterns![j * q + c]!);
      return a * b + (i === j ? 0.29 : 0) + shared.reduce((sum, value) => sum + value, 0);
    }),
  );
  const each = S.map((_, m) => conditionalOverMarginal(S, m) / Math.sqrt(Math.PI));
  return each.reduce((a, b) => a + b, 0) / each.length;
}

describe("heldOutScores", () => {
  test("of the right prior is what follows from its covariance", async () => {
    const { mean, error } = await scores(everything(3000), TRUTH);
    const expected = expectedScore();
    expect(Math.abs(mean - expected)).toBeLessThan(4 * error);
  });

  test("knows that patterns of the noise tell the hidden entries' noise from the others'", async () => {
    const patterns = [0.8, 0.8, 0.8, 0.8];
    const { mean, error } = await scores(everything(3000, patterns), TRUTH);
    const expected = expectedScore(patterns);
    expect(Math.abs(mean - expected)).toBeLessThan(4 * error);
  });

  test("of a single number is that of the prior's own prediction", async () => {
    const { mean, error } = await scores(matrices(1, 3000), TRUTH);
    expect(Math.abs(mean - 1 / Math.sqrt(Math.PI))).toBeLessThan(4 * error + 0.02);
  });

  test("prefers the right prior to a narrower one and one that is turned, through masks and matrices", async () => {
    const narrow = U.map((u) => 0.3 * u);
    const turned = [1, -1, 1, 0.5];
    const cases = [
      { observations: everything(1000), wrongs: [narrow, turned] },
      { observations: matrices(3, 1000), wrongs: [narrow, turned] },
      { observations: matrices(1, 2000), wrongs: [narrow] },
    ];
    for (const { observations, wrongs } of cases) {
      const right = await scores(observations, TRUTH);
      for (const wrong of wrongs) {
        const other = await scores(observations, gaussian(wrong));
        const differences = other.all.map((value, i) => value - right.all[i]!);
        const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
        const variance = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / (differences.length - 1);
        // Paired: the same numbers are hidden, and the same noise is drawn.
        expect(mean / Math.sqrt(variance / differences.length)).toBeGreaterThan(3);
      }
    }
  });

  test.each(
    OPERATORS.flatMap(({ name, examples }) => examples.map((example, i) => ({ name, i, ...example }))),
  )(
    "works through $name, example $i, for exact draws and those by diffusion",
    async ({ spec, latentShape }) => {
      const observations = randomObservations(spec, latentShape);
      const config = mergeConfig(defaultConfig(latentShape, 100), {
        network: { type: "mlp", width: 8, blocks: 1, embedding: 8 },
        eStep: { steps: 3, cgSteps: 2 },
      });
      const network = buildNetwork(config.network, latentShape);
      const N = latentShape.reduce((a, b) => a * b, 1);
      const start: Model = {
        ...model(TRUTH),
        network,
        gaussian: {
          mean: float32(new Float32Array(N)),
          diagonal: float32(new Float32Array(N).fill(1)),
          factor: float32(new Float32Array(N).fill(0.1), [N, 1]),
        },
      };
      const parameters = initialize(network.parameters, new Rng(4));
      parameters["output.weight"]!.data.fill(0);
      const context = {
        observations,
        config,
        run: config,
        rng: new Rng(3),
        engine: { threads: 1 },
        options: {},
      };
      for (const tried of [start, { ...start, parameters }]) {
        const all = await heldOutScores(context, start, tried, 1);
        expect(all).toHaveLength(5);
        for (const score of all) expect(Math.abs(score)).toBeLessThan(10);
      }
    },
  );

  test("depends neither on batches nor on the number of threads, and repeats itself", async () => {
    const first = await scores(everything(40), TRUTH);
    const again = await scores(everything(40), TRUTH);
    expect([...again.all]).toEqual([...first.all]);
  });
});
