import { afterEach, describe, expect, test, vi } from "vitest";
import { float32, hostArray, rows, zeros } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { add, conv2d, exp, gather, input, mul, neg, scatterAdd, sum } from "../../src/graph/index.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { compile, type Program, type ProgramSpec } from "../../src/runtime/compile.ts";
import { createSession, defaultThreads, type EngineOptions } from "../../src/runtime/engine.ts";
import { expectAllClose } from "../matchers.ts";

const programs: Program[] = [];
/** Compiles a program that is released at the end of the test. */
async function compiled(
  spec: ProgramSpec<Readonly<Record<string, Tensor>>>,
  options?: EngineOptions,
): Promise<Program> {
  const program = await compile(spec, options);
  programs.push(program);
  return program;
}
afterEach(async () => {
  for (const program of programs.splice(0)) await program.release();
});

/** y = 2 x, z = -x of [2, 2]. */
async function double(): Promise<Program> {
  const x = input([2, 2]);
  return await compiled({ inputs: { x }, outputs: { y: mul(x, 2), z: neg(x) } });
}
/** total' = total + x. */
async function accumulator(): Promise<Program> {
  const [x, total] = [input([2]), input([2])];
  return await compiled({
    inputs: { x },
    outputs: { before: mul(total, 1) },
    state: { total: { current: total, next: add(total, x) } },
  });
}
const four = float32([1, 2, 3, 4], [2, 2]);

describe("run", () => {
  test("computes the outputs", async () => {
    const { y, z } = await (await double()).run({ x: four });
    expect([y!.dtype, y!.shape, [...y!.data]]).toEqual(["float32", [2, 2], [2, 4, 6, 8]]);
    expect([...z!.data]).toEqual([-1, -2, -3, -4]);
  });

  test("gives new arrays each time", async () => {
    const program = await double();
    const first = await program.run({ x: four });
    const second = await program.run({ x: float32([0, 0, 0, 0], [2, 2]) });
    expect([...first.y!.data]).toEqual([2, 4, 6, 8]);
    expect(first.y!.data.buffer).not.toBe(second.y!.data.buffer);
  });

  test("writes into given arrays in place", async () => {
    const program = await double();
    const y = zeros("float32", [2, 2]);
    const run = await program.run({ x: four }, { y });
    expect(run.y).toBe(y);
    expect([...y.data]).toEqual([2, 4, 6, 8]);
    expect([...run.z!.data]).toEqual([-1, -2, -3, -4]);
  });

  test("reads and writes parts of larger arrays", async () => {
    const program = await double();
    const source = float32([9, 9, 1, 2, 3, 4], [3, 2]);
    const target = zeros("float32", [4, 2]);
    await program.run({ x: rows(source, 1, 3) }, { y: rows(target, 1, 3) });
    expect([...target.data]).toEqual([0, 0, 2, 4, 6, 8, 0, 0]);
  });

  test("accepts every dtype", async () => {
    const dtypes = ["float32", "float64", "int32", "int64", "uint8", "bool"] as const;
    const inputs = Object.fromEntries(dtypes.map((dtype) => [dtype, input([2], dtype)]));
    const outputs = Object.fromEntries(dtypes.map((dtype) => [`${dtype}.same`, inputs[dtype]!]));
    const program = await compiled({ inputs, outputs });
    const feeds = Object.fromEntries(
      dtypes.map((dtype) => {
        const array = zeros(dtype, [2]);
        array.data[1] = dtype === "int64" ? 1n : 1;
        return [dtype, array];
      }),
    );
    const run = await program.run(feeds);
    for (const dtype of dtypes)
      expect(Array.from<unknown>(run[`${dtype}.same`]!.data)).toEqual(
        Array.from<unknown>(feeds[dtype]!.data),
      );
  });

  test("runs of a program without state may overlap", async () => {
    const program = await double();
    const runs = await Promise.all([1, 2, 3].map((v) => program.run({ x: float32([v, v, v, v], [2, 2]) })));
    expect(runs.map(({ y }) => y!.data[0])).toEqual([2, 4, 6]);
  });
});

describe("errors say what is wrong in one line", () => {
  const one = float32([1]);
  const short = { dtype: "float32", shape: [2, 2], data: new Float32Array(3) } as const;
  test.each([
    ["a missing input", {}, {}, "run: input x, float32 [2, 2], is missing."],
    ["an unknown input", { x: four, yx: one }, {}, 'run: unknown input yx; known: x. Did you mean "x"?'],
    ["a wrong shape", { x: one }, {}, "run: x must be float32 [2, 2], got float32 [1]."],
    [
      "a wrong dtype",
      { x: hostArray("int32", [2, 2], new Int32Array(4)) },
      {},
      "run: x must be float32 [2, 2], got int32 [2, 2].",
    ],
    ["too little data", { x: short }, {}, "hostArray: shape [2, 2] needs 4 elements, got 3."],
    ["an unknown target", { x: four }, { w: four }, 'run: unknown output w; known: y, z. Did you mean "y"?'],
    ["a target of a wrong shape", { x: four }, { y: one }, "run: y must be float32 [2, 2], got float32 [1]."],
  ])("%s", async (_, feeds, into, message) => {
    const failure = await (await double()).run(feeds, into).catch((error: unknown) => error);
    expect(isErrorOf(failure, "ShapeError")).toBe(true);
    expect((failure as Error).message).toBe(message);
  });

  test("a failure inside the engine", async () => {
    const [x, i] = [input([3]), input([1], "int64")];
    const program = await compiled({ inputs: { x, i }, outputs: { y: gather(x, i) } });
    const feeds = { x: float32([1, 2, 3]), i: hostArray("int64", [1], BigInt64Array.of(9n)) };
    const failure = await program.run(feeds).catch((error: unknown) => error);
    expect(isErrorOf(failure, "EngineError")).toBe(true);
    expect((failure as Error).message).toMatch(/^run: ONNX Runtime failed: /);
    expect((failure as Error).cause).toBeInstanceOf(Error);
  });

  test("a model that the engine refuses", async () => {
    const failure = await createSession(Uint8Array.of(1, 2, 3), {}).catch((error: unknown) => error);
    expect(isErrorOf(failure, "EngineError")).toBe(true);
    expect((failure as Error).message).toMatch(/^compile: ONNX Runtime refused the graph: /);
  });
});

describe("state", () => {
  test("starts at zero and is carried from run to run", async () => {
    const program = await accumulator();
    const x = float32([1, 10]);
    const befores: number[][] = [];
    for (let k = 0; k < 3; k++) befores.push(Array.from((await program.run({ x })).before!.data, Number));
    expect(befores).toEqual([
      [0, 0],
      [1, 10],
      [2, 20],
    ]);
    expect([...program.state().total!.data]).toEqual([3, 30]);
  });

  test("is read from one buffer and written to another", async () => {
    const program = await accumulator();
    const first = program.state().total!;
    await program.run({ x: float32([1, 1]) });
    const second = program.state().total!;
    await program.run({ x: float32([1, 1]) });
    expect(second.data.buffer).not.toBe(first.data.buffer);
    expect(program.state().total!.data.buffer).toBe(first.data.buffer);
  });

  test("is copied when it is set", async () => {
    const program = await accumulator();
    const mine = float32([5, 6]);
    program.setState({ total: mine });
    mine.data[0] = 100;
    await program.run({ x: float32([1, 1]) });
    expect([...program.state().total!.data]).toEqual([6, 7]);
    expect([...mine.data]).toEqual([100, 6]);
  });

  test("set to a wrong shape is refused, and nothing is set", async () => {
    const [a, b] = [input([2]), input([])];
    const state = { a: { current: a, next: neg(a) }, b: { current: b, next: neg(b) } };
    const program = await compiled({ inputs: {}, outputs: {}, state });
    expect(() => program.setState({ a: float32([1, 2]), b: float32([1]) })).toThrow(
      "setState: b must be float32 [], got float32 [1].",
    );
    expect(() => program.setState({ a: float32([1, 2]), aa: float32([1]) })).toThrow(
      'setState: unknown state aa; known: a, b. Did you mean "a"?',
    );
    expect([...program.state().a!.data]).toEqual([0, 0]);
  });

  test("that would change shape is refused", async () => {
    const current = input([2]);
    const failure = compile({ inputs: {}, outputs: {}, state: { s: { current, next: sum(current) } } });
    await expect(failure).rejects.toThrow("compile: state s is float32 [2] but becomes float32 [].");
  });

  test("with the name of an input is refused", async () => {
    const [x, current] = [input([2]), input([2])];
    const failure = compile({ inputs: { x }, outputs: {}, state: { x: { current, next: neg(current) } } });
    await expect(failure).rejects.toThrow("compile: x names an input and a state variable. Rename one.");
  });

  test("whose next value has the name of an output is refused", async () => {
    const current = input([2]);
    const state = { s: { current, next: neg(current) } };
    const failure = compile({ inputs: {}, outputs: { "s.next": mul(current, 2) }, state });
    await expect(failure).rejects.toThrow("compile: s.next names an output and the next value of a state");
  });

  test("cannot be set during a run", async () => {
    const program = await accumulator();
    const run = program.run({ x: float32([1, 1]) });
    expect(() => program.setState({ total: float32([5, 5]) })).toThrow(/setState: the program is running/);
    await run;
    expect([...program.state().total!.data]).toEqual([1, 1]);
  });

  test("is unchanged by a run that fails", async () => {
    const [i, s] = [input([3], "int64"), input([3])];
    const program = await compiled({
      inputs: { i },
      outputs: {},
      state: { s: { current: s, next: gather(exp(s), i) } },
    });
    program.setState({ s: float32([1, 2, 3]) });
    const bad = hostArray("int64", [3], BigInt64Array.of(0n, 1n, 9n));
    await expect(program.run({ i: bad })).rejects.toThrow("run: ONNX Runtime failed");
    expect([...program.state().s!.data]).toEqual([1, 2, 3]);
    await program.run({ i: hostArray("int64", [3], BigInt64Array.of(2n, 1n, 0n)) });
    expectAllClose(program.state().s!, [Math.exp(3), Math.exp(2), Math.E]);
  });

  test("may be exchanged between variables, and kept", async () => {
    const [a, b, c] = [input([1]), input([1]), input([1])];
    const program = await compiled({
      inputs: {},
      outputs: {},
      state: { a: { current: a, next: b }, b: { current: b, next: a }, c: { current: c, next: c } },
    });
    program.setState({ a: float32([1]), b: float32([2]), c: float32([3]) });
    await program.run({});
    const { a: first, b: second, c: third } = program.state();
    expect([first, second, third].map((array) => array!.data[0])).toEqual([2, 1, 3]);
  });

  test("forbids overlapping runs", async () => {
    const program = await accumulator();
    const x = float32([1, 1]);
    const first = program.run({ x });
    await expect(program.run({ x })).rejects.toThrow(
      "run: the program is running, and has state. Await one run before the next.",
    );
    await first;
    await program.run({ x });
    expect([...program.state().total!.data]).toEqual([2, 2]);
  });
});

describe("release", () => {
  test("may be called twice; a run afterwards is an EngineError", async () => {
    const program = await double();
    await program.release();
    await program.release();
    const failure = await program.run({ x: four }).catch((error: unknown) => error);
    expect(isErrorOf(failure, "EngineError")).toBe(true);
    expect((failure as Error).message).toBe("run: the program was released. Compile it again.");
  });

  test("waits for a run under way", async () => {
    const program = await double();
    const running = program.run({ x: four });
    await program.release();
    expect([...(await running).y!.data]).toEqual([2, 4, 6, 8]);
  });
});

describe("threads", () => {
  test("default to DIEM_THREADS", () => {
    vi.stubEnv("DIEM_THREADS", "3");
    expect(defaultThreads()).toBe(3);
    vi.stubEnv("DIEM_THREADS", undefined);
    expect(defaultThreads()).toBeGreaterThan(0);
    vi.unstubAllEnvs();
  });

  test.each(["all", "-3", "1.5", "0", " ", "100000"])("DIEM_THREADS=%s is refused", async (text) => {
    vi.stubEnv("DIEM_THREADS", text);
    const x = input([1]);
    const failure = compile({ inputs: { x }, outputs: { y: neg(x) } });
    await expect(failure).rejects.toThrow(
      `DIEM_THREADS must be a whole number from 1 to 1024, got "${text}". Leave it out to use all cores.`,
    );
    vi.unstubAllEnvs();
  });

  test.each([0, 1.5, 100_000])("%s of them as an option are refused", async (threads) => {
    const x = input([1]);
    const failure = compile({ inputs: { x }, outputs: { y: neg(x) } }, { threads });
    await expect(failure).rejects.toThrow(
      `threads must be a whole number from 1 to 1024, got ${threads}. Leave it out to use all cores.`,
    );
  });

  test("do not change the values of a convolution", async () => {
    const [x, w] = [input([4, 8, 16, 16]), input([8, 8, 3, 3])];
    const spec = { inputs: { x, w }, outputs: { y: conv2d(x, w, undefined, { padding: 1 }) } };
    const feeds = {
      x: float32(
        Float32Array.from({ length: 8192 }, (_, i) => Math.sin(i)),
        [4, 8, 16, 16],
      ),
      w: float32(
        Float32Array.from({ length: 576 }, (_, i) => Math.cos(i)),
        [8, 8, 3, 3],
      ),
    };
    const { y: one } = await (await compiled(spec, { threads: 1 })).run(feeds);
    const { y: three } = await (await compiled(spec, { threads: 3 })).run(feeds);
    expectAllClose(three!, one!, { relative: 1e-6 });
  });

  // ONNX Runtime's ScatterND loses additions to a repeated index when it runs on several threads.
  test("lose no addition to a repeated index", async () => {
    const [count, width, size] = [60_000, 8, 3];
    const [updates, indices] = [input([count, width]), input([count], "int64")];
    const y = scatterAdd(updates, indices, size);
    const program = await compiled({ inputs: { updates, indices }, outputs: { y } }, { threads: 4 });
    const run = await program.run({
      updates: float32(new Float32Array(count * width).fill(1), [count, width]),
      indices: hostArray(
        "int64",
        [count],
        BigInt64Array.from({ length: count }, (_, k) => BigInt(k % size)),
      ),
    });
    expect(new Set(Array.from(run.y!.data, Number))).toEqual(new Set([count / size]));
  });
});
