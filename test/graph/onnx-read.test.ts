import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { DataError, ShapeError, UnsupportedOpError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { checkLinear } from "../../src/data/observations/linearity.ts";
import { input, type Tensor, vjp } from "../../src/graph/index.ts";
import { lower } from "../../src/graph/lower.ts";
import { ONNX_OPERATORS, readOnnx } from "../../src/graph/onnx/read.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { onnxFamily } from "../../src/operators/code.ts";
import { compile } from "../../src/runtime/compile.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { OPERATORS } from "./operator-cases.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const model = (name: string) => new Uint8Array(readFileSync(join(FIXTURES, "onnx", `${name}.onnx`)));
type Stored = { shape: number[]; data: number[] };
const { cases } = JSON.parse(readFileSync(join(FIXTURES, "onnx.json"), "utf8")) as {
  cases: Record<string, { inputs: Record<string, Stored>; output: Stored }>;
};
const arrays = (stored: Record<string, Stored>): Record<string, HostArray<"float32">> =>
  Object.fromEntries(Object.entries(stored).map(([name, { data, shape }]) => [name, float32(data, shape)]));

describe("models that Python wrote", () => {
  test.each(Object.keys(cases))("%s gives what ONNX Runtime makes of the file itself", async (name) => {
    const { inputs, output } = cases[name]!;
    const feeds = arrays(inputs);
    const tensors = Object.fromEntries(Object.entries(feeds).map(([key, { shape }]) => [key, input(shape)]));
    const y = readOnnx(model(name)).build(tensors).y!;
    const program = await compile({ inputs: tensors, outputs: { y } });
    const found = (await program.run(feeds)).y as HostArray<"float32">;
    await program.release();
    expectAllClose(found, float32(output.data, output.shape), { relative: 1e-5 });
  });

  test("the denoiser among them is differentiated like any graph", async () => {
    const feeds = arrays(cases.network!.inputs);
    const { x, sigma } = { x: input(feeds.x!.shape), sigma: input(feeds.sigma!.shape) };
    const { y } = readOnnx(model("network")).build({ x, sigma });
    const cotangent = normals(new Rng(1), y!.shape);
    const v = input(y!.shape);
    const program = await compile({
      inputs: { x, sigma, v },
      outputs: { y: y!, pulled: vjp([y!], [x], [v])[0]! },
    });
    const direction = normals(new Rng(2), x.shape);
    const step = 1e-3;
    const at = async (t: number) => {
      const moved = float32(
        feeds.x!.data.map((value, i) => value + t * direction.data[i]!),
        x.shape,
      );
      return await program.run({ x: moved, sigma: feeds.sigma!, v: cotangent });
    };
    const [ahead, behind, here] = [await at(step), await at(-step), await at(0)];
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
    const data = (result: HostArray | undefined) => result!.data as Float32Array;
    const difference =
      (dot(data(ahead.y), cotangent.data) - dot(data(behind.y), cotangent.data)) / (2 * step);
    // Kinks of the activations and of the limits make the difference of this graph rough.
    expect(Math.abs(difference - dot(data(here.pulled), direction.data))).toBeLessThan(
      0.03 * (1 + Math.abs(difference)),
    );
    await program.release();
  });
});

/** Operators that become nodes which are not read: loops, and the scattering that only gradients need. */
const NOT_READ = ["loop", "scan", "scatterAdd"];
const OWN = OPERATORS.filter(({ name }) => !NOT_READ.includes(name)).flatMap(({ name, fixed }) =>
  fixed.map((entry) => [`${name}: ${entry.label}`, entry] as const),
);

test.each(OWN)("what we write comes back as it was: %s", async (_, { inputs: cases, build }) => {
  const inputs = Object.fromEntries(cases.map(({ shape }, k) => [`x${k}`, input(shape)]));
  const [y] = lower([build(Object.values(inputs))], { blockSize: 1 }) as [Tensor];
  const back = readOnnx(writeOnnx(inputs, { y })).build(inputs).y!;
  expect([back.shape, back.dtype]).toEqual([y.shape, y.dtype]);
  const program = await compile({ inputs, outputs: { y, back } });
  const feeds = Object.entries(inputs).map(([name, { shape }]) => {
    const values = normals(new Rng(3).split(name), shape);
    return [
      name,
      float32(
        values.data.map((z) => 0.5 + Math.abs(z)),
        shape,
      ),
    ] as const;
  });
  const found = await program.run(Object.fromEntries(feeds));
  await program.release();
  expectAllClose(found.back!, found.y!, { relative: 1e-6 });
});

describe("what cannot be read is named", () => {
  const build = (name: string) => readOnnx(model(name), "A.onnx").build({ x: input([2, 4]) });
  test("an operator without a counterpart, with its node and those that there are", () => {
    expect(() => build("unknown")).toThrow(UnsupportedOpError);
    expect(() => build("unknown")).toThrow(
      /A\.onnx: node stretch \(Asinh\): the operator Asinh is not supported; known are Abs, /,
    );
    expect(ONNX_OPERATORS).toContain("Conv");
  });
  test("a batch of fixed size", () => {
    expect(() => build("single")).toThrow(ShapeError);
    expect(() => build("single")).toThrow(/input x must be \[1, 4\], got \[2, 4\].*dynamic_axes/);
  });
  test("an old version of the operators", () => {
    expect(() => build("old")).toThrow(/expected opset 13 or later, found 11/);
  });
  test("bytes that are no model", () => {
    expect(() => readOnnx(new TextEncoder().encode("not a model"))).toThrow(DataError);
    expect(() => readOnnx(new Uint8Array())).toThrow(/no graph in it/);
  });
  test("inputs that are missing or unknown", () => {
    const { build } = readOnnx(model("matrix"));
    expect(() => build({})).toThrow(/input x is missing/);
    expect(() => build({ x: input([1, 6]), z: input([1]) })).toThrow(/no input is named z; the model has x/);
  });
});

describe("an operator from a model", () => {
  const family = (name: string) => onnxFamily(readOnnx(model(name)), true, "A.onnx");
  test("has data where the model has more inputs", () => {
    expect(family("gain")([6])).toMatchObject({ observationShape: [3], data: { gain: [3] }, linear: true });
    expect(family("image")([2, 7, 6]).observationShape).toEqual([36]);
  });
  test("is probed for linearity", async () => {
    await checkLinear(family("gain")([6]), "obs");
    await checkLinear(family("image")([2, 7, 6]), "obs");
    await expect(checkLinear(family("affine")([4]), "obs")).rejects.toThrow(
      /maps 0 to .* subtract it from y/,
    );
    await expect(checkLinear(family("curved")([4]), "obs")).rejects.toThrow(
      /expected a linear operator, found A\(0\.7 x/,
    );
  });
  test("must keep the axis of samples free", () => {
    expect(() => family("single")([4])).toThrow(/input x must be \[1, 4\]/);
  });
});
