import { describe, expect, test } from "vitest";
import { float32, type HostArray, hostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import {
  batchInCoordinates,
  type Coordinates,
  fromUser,
  kindInCoordinates,
  toUser,
} from "../../src/data/observations/coordinates.ts";
import { bindMeasurement } from "../../src/data/observations/measurement.ts";
import { observationKind } from "../../src/data/observations/observations.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { drawGaussian } from "../../src/diffusion/gaussian.ts";
import { greaterOrEqual, mean, mul, reshape, sub, where } from "../../src/graph/index.ts";
import { decodeModel } from "../../src/graph/onnx/model.ts";
import { writePortable } from "../../src/graph/onnx/portable.ts";
import { Message } from "../../src/graph/onnx/protobuf-reader.ts";
import { input } from "../../src/graph/tensor.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { describeModel } from "../../src/inference/export/description.ts";
import {
  denoiserGraph,
  type NamedGraph,
  posteriorGraph,
  samplerGraph,
} from "../../src/inference/export/graphs.ts";
import { limited, type Model, modelDenoiser } from "../../src/inference/model.ts";
import { posteriorDenoiser } from "../../src/inference/posterior-denoiser.ts";
import { compilePrior } from "../../src/inference/prior.ts";
import { mlp } from "../../src/nn/mlp.ts";
import type { Network } from "../../src/nn/network.ts";
import { initialize } from "../../src/nn/parameters.ts";
import { unet } from "../../src/nn/unet.ts";
import { OPERATORS, operatorFamily } from "../../src/operators/registry.ts";
import { gaussianGuided } from "../../src/posterior/gaussian-guided.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const rng = new Rng(7);
const NO_NETWORK = (shape: Shape): Network => ({
  shape,
  parameters: [],
  dropoutRate: 0,
  apply: (_, x) => x,
});
const UNET = unet({
  shape: [2, 6, 6],
  channels: [8, 8],
  blocks: [1, 1],
  heads: [0, 2],
  embedding: 8,
  patch: 1,
  dropout: 0,
});

/** A Gaussian of rank 3 whose factor has orthogonal columns, or any. */
function gaussianOf(N: number, isPrincipal: boolean): Gaussian {
  const columns = Float32Array.from({ length: N * 3 }, (_, at) =>
    isPrincipal ? Number(at % 3 === Math.floor(at / 3)) : 0.5 * rng.normal(),
  );
  return {
    mean: float32(Float32Array.from({ length: N }, () => 0.1 * rng.normal())),
    diagonal: float32(new Float32Array(N).fill(0.4)),
    factor: float32(columns, [N, 3]),
  };
}

/** Coordinates in which the first axis' entries have units of their own. */
function coordinatesOf([C = 1, ...rest]: Shape, spread = 0.5): Coordinates {
  const [N, each] = [C * sizeOf(rest), sizeOf(rest)];
  const scale = Float64Array.from({ length: N }, (_, i) => 2 + spread * Math.floor(i / each));
  const unit = Math.exp(scale.reduce((sum, value) => sum + Math.log(value), 0) / N);
  return {
    shift: hostArray("float64", [N], new Float64Array(N).fill(0.3)),
    scale: hostArray("float64", [N], scale),
    unit,
    noise: 0.01,
  };
}

function modelOf(network: Network, options: Partial<Model> = {}): Model {
  const N = sizeOf(network.shape);
  return {
    network,
    parameters: network.parameters.length > 0 ? initialize(network.parameters, rng) : undefined,
    gaussian: gaussianOf(N, true),
    base: "gaussian",
    coordinates: coordinatesOf(network.shape),
    schedule: { sigmaMin: 0.01, sigmaMax: 10 },
    limits: [-3, 3],
    ...options,
  };
}

/** Runs an exported file for different numbers of samples. */
async function run(bytes: Uint8Array, feeds: Readonly<Record<string, HostArray>>): Promise<HostArray> {
  const program = await loadOnnxProgram(bytes, "exported.onnx");
  const results = await program.run(feeds);
  await program.release();
  return Object.values(results)[0]!;
}

const SIGMAS = [0.01, 0.3, 1, 5, 30];

/** Noisy latents in the user's units at levels from .01 to 30. */
function noisy(n: number, shape: Shape) {
  const sigma = float32(Array.from({ length: n }, (_, i) => SIGMAS[i % SIGMAS.length]!));
  const x = normals(rng, [n, ...shape]);
  const each = sizeOf(shape);
  x.data.forEach((value, i) => {
    x.data[i] = 0.3 + value * (2 + sigma.data[Math.floor(i / each)]!);
  });
  return { x, sigma };
}

const scaled = (array: HostArray<"float32">, by: number) =>
  float32(
    array.data.map((value) => value * by),
    array.shape,
  );

describe("an exported denoiser", () => {
  test.each([
    ["U-Net, units of each channel", modelOf(UNET)],
    [
      "MLP on a normal base",
      modelOf(mlp({ features: 5, width: 16, blocks: 1, embedding: 8 }), { base: "normal" }),
    ],
    [
      "MLP on a Gaussian, no coordinates",
      modelOf(mlp({ features: 5, width: 16, blocks: 1, embedding: 8 }), { coordinates: undefined }),
    ],
    ["Gaussian of any factor", modelOf(NO_NETWORK([5]), { gaussian: gaussianOf(5, false) })],
  ])("%s: is diem's at all levels for any number of samples, by standard operators", async (_, model) => {
    const bytes = writePortable((n) => denoiserGraph(model, n), { diem: "{}" });
    expect(domainsOf(bytes)).toEqual([""]);
    const { coordinates } = model;
    for (const n of [1, 2, 5]) {
      const { x, sigma } = noisy(n, model.network.shape);
      const own = { z: fromUser(coordinates, x), s: scaled(sigma, 1 / (coordinates?.unit ?? 1)) };
      const { mean: expected } = await evaluate(own, ({ z, s }) => ({ mean: modelDenoiser(model)(z, s) }));
      expectAllClose(await run(bytes, { x, sigma }), toUser(coordinates, expected), { relative: 1e-5 });
    }
  });
});

/** Domains of a model's nodes and of the operator sets that it asks for. */
function domainsOf(bytes: Uint8Array): string[] {
  const sets = new Message(bytes, "exported").all(8).map((entry) => new Message(entry, "exported").text(1));
  const { nodes } = decodeModel(bytes, "exported");
  return [...new Set([...sets, ...nodes.map(({ domain }) => domain)])];
}

describe("an exported posterior", () => {
  const choice = { covariance: "tweedie", cgSteps: 2, gaussianBelow: 0.5 } as const;

  test("of projections is refused: their points are counted through all samples", () => {
    const operator = { name: "tomography", projections: 2 } as const;
    const kind = observationKind({
      format: "diem-observations",
      version: 1,
      operator,
      latentShape: [1, 5, 5],
      observationShape: [1, 2, 5],
      noiseVariance: 0.1,
    });
    const model = modelOf(NO_NETWORK([1, 5, 5]));
    expect(() => writePortable((n) => posteriorGraph(model, kind, choice, n))).toThrow(
      /export: expected constants that serve any number of samples/,
    );
  });

  test.each(
    OPERATORS.filter(({ name }) => name !== "tomography").flatMap(({ name, examples }) =>
      examples.map(({ spec, latentShape }) => [name, spec, latentShape] as const),
    ),
  )("%s: is that of the E-step", async (_, operator, latentShape) => {
    const model = modelOf(NO_NETWORK(latentShape), { coordinates: coordinatesOf(latentShape, 0) });
    const { observationShape, data, masks } = operatorFamily(operator, latentShape);
    const kind = observationKind({
      format: "diem-observations",
      version: 1,
      operator,
      latentShape,
      observationShape,
      noiseVariance: "array",
    });
    const bytes = writePortable((n) => posteriorGraph(model, kind, choice, n));
    expect(domainsOf(bytes)).toEqual([""]);
    for (const n of [1, 3]) {
      const { x, sigma } = noisy(n, latentShape);
      const batch = {
        y: normals(rng, [n, ...observationShape]),
        data: Object.fromEntries(
          Object.entries(data).map(([key, shape]) => {
            const values = normals(rng, [n, ...shape]);
            return [
              key,
              key in masks
                ? float32(
                    values.data.map((v) => Number(v > 0)),
                    values.shape,
                  )
                : values,
            ];
          }),
        ),
        noiseVariance: float32(new Float32Array(n * sizeOf(observationShape)).fill(0.04), [
          n,
          ...observationShape,
        ]),
      };
      const coordinates = model.coordinates!;
      const { y, data: arrays, noiseVariance } = batchInCoordinates(batch, coordinates);
      const feeds = {
        z: fromUser(coordinates, x),
        s: scaled(sigma, 1 / coordinates.unit),
        y,
        noiseVariance: noiseVariance!,
        ...arrays,
      };
      const { mean: expected } = await evaluate(feeds, ({ z, s, y, noiseVariance, ...own }) => {
        const measurement = bindMeasurement(kindInCoordinates(kind, coordinates), {
          y,
          noiseVariance,
          data: own,
        });
        const denoiser = modelDenoiser(model);
        const guided = posteriorDenoiser(denoiser, measurement, choice, model.gaussian)(z, s);
        const cheap = gaussianGuided(denoiser, measurement, model.gaussian)(z, s);
        const isAbove = reshape(greaterOrEqual(s, 0.5 / coordinates.unit), [n, ...latentShape.map(() => 1)]);
        return { mean: limited(() => where(isAbove, guided, cheap), model)(z, s) };
      });
      const found = await run(bytes, {
        x,
        sigma,
        y: batch.y,
        noise_variance: batch.noiseVariance,
        ...batch.data,
      });
      // Two graphs round otherwise, which two steps of a solver amplify a little.
      expectAllClose(found, toUser(coordinates, expected), { relative: 3e-4 });
    }
  });

  test("of a network has its Jacobian inside", async () => {
    const model = modelOf(UNET);
    const kind = observationKind({
      format: "diem-observations",
      version: 1,
      operator: { name: "mask", maskShape: [1, 6, 6] },
      latentShape: [2, 6, 6],
      observationShape: [2, 6, 6],
      noiseVariance: 0.01,
    });
    const bytes = writePortable((n) => posteriorGraph(model, kind, { covariance: "tweedie", cgSteps: 2 }, n));
    expect(domainsOf(bytes)).toEqual([""]);
    const n = 3;
    const { x, sigma } = noisy(n, [2, 6, 6]);
    const mask = float32(
      Float32Array.from({ length: n * 36 }, (_, i) => Number(i % 3 > 0)),
      [n, 1, 6, 6],
    );
    const batch = { y: normals(rng, [n, 2, 6, 6]), data: { mask } };
    const coordinates = model.coordinates!;
    const { y } = batchInCoordinates(batch, coordinates);
    const feeds = { z: fromUser(coordinates, x), s: scaled(sigma, 1 / coordinates.unit), y, mask };
    const { mean: expected } = await evaluate(feeds, ({ z, s, y, mask }) => {
      const measurement = bindMeasurement(kindInCoordinates(kind, coordinates), { y, data: { mask } });
      const denoiser = posteriorDenoiser(
        modelDenoiser(model),
        measurement,
        { covariance: "tweedie", cgSteps: 2 },
        model.gaussian,
      );
      return { mean: limited(denoiser, model)(z, s) };
    });
    expectAllClose(await run(bytes, { x, sigma, y: batch.y, mask }), toUser(coordinates, expected), {
      relative: 1e-4,
    });
  });
});

describe("an exported sampler", () => {
  test.each([
    ["multistep", "gaussian"],
    ["ddim", "normal"],
    ["heun", "gaussian"],
  ] as const)("%s on base %s: draws diem's samples from diem's random numbers", async (sampler, base) => {
    const model = modelOf(mlp({ features: 5, width: 16, blocks: 1, embedding: 8 }), { base });
    const choice = { sampler, steps: 4, batch: 3 };
    const bytes = writePortable((n) => samplerGraph(model, choice, n));
    expect(domainsOf(bytes)).toEqual([""]);
    await using source = await compilePrior(model, choice);
    const stream = (index: number) => new Rng(1).split("sample", index);
    const expected = await drawAll(source, [0, 3], { stream });
    const K = Number(portOf(bytes));
    const noise = new Float32Array(K * 3 * 5);
    for (let i = 0; i < 3; i++) {
      const rows = Array.from({ length: K }, (_, k) => noise.subarray((k * 3 + i) * 5, (k * 3 + i + 1) * 5));
      const [own, begin] = [stream(i), stream(i).split("begin")];
      const first = base === "gaussian" ? 2 : 0;
      if (first > 0) {
        begin.fillNormal(rows[0]!.subarray(0, 3));
        begin.fillNormal(rows[1]!);
      }
      for (const row of rows.slice(first)) own.fillNormal(row);
    }
    expectAllClose(await run(bytes, { noise: float32(noise, [K, 3, 5]) }), expected, { relative: 1e-5 });
  });
});

/** The first size of a model's first input. */
function portOf(bytes: Uint8Array): number | undefined {
  return decodeModel(bytes, "exported").inputs[0]!.shape![0];
}

describe("a portable model", () => {
  const graph = (n: number): NamedGraph => {
    const x = input([n, 4]);
    return { inputs: { x }, outputs: { y: sub(x, mean(x, [0], true)) } };
  };

  test("is refused where samples depend on each other, or on their number", () => {
    expect(() =>
      writePortable((n) => ({ ...graph(n), outputs: { y: mul(graph(n).inputs.x!, 1 / n) } })),
    ).toThrow(/not among the inputs/);
    const counted = (n: number) => {
      const x = input([n, 4]);
      return { inputs: { x }, outputs: { y: mul(x, 1 / n) } };
    };
    expect(() => writePortable(counted)).toThrow(/any number of samples/);
  });
});

test("a description tells the start in the user's units", () => {
  const model = modelOf(NO_NETWORK([5]));
  const { start, noiseScale, schedule } = describeModel(model);
  const numbers = new Float32Array(Uint8Array.from(atob(start.base64), (c) => c.charCodeAt(0)).buffer);
  expect(numbers.length).toBe(5 + 5 + 15);
  const { unit, scale, shift } = model.coordinates!;
  expect(noiseScale).toEqual(Array.from(scale.data, (value) => Math.fround(value / unit)));
  const shared = describeModel(modelOf(NO_NETWORK([5]), { coordinates: coordinatesOf([5], 0) }));
  expect(shared.noiseScale).toEqual([1, 1, 1, 1, 1]);
  expect(schedule.sigmaMax).toBeCloseTo(10 * unit);
  const theirs = {
    mean: float32(numbers.subarray(0, 5)),
    diagonal: float32(numbers.subarray(5, 10)),
    factor: float32(numbers.subarray(10), [5, 3]),
  };
  const z = drawGaussian(model.gaussian, new Rng(3));
  const expected = z.map((value, i) => shift.data[i]! + scale.data[i]! * value);
  expectAllClose(drawGaussian(theirs, new Rng(3)), expected, { relative: 1e-5 });
});
