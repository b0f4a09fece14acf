import { describe, expect, test } from "vitest";
import { float32, hostArray } from "../../src/core/array.ts";
import {
  add,
  constant,
  gather,
  input,
  integers,
  mean,
  mul,
  neg,
  reshape,
  sum,
  type Tensor,
} from "../../src/graph/index.ts";
import { ProtobufWriter } from "../../src/graph/onnx/protobuf.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { compile } from "../../src/runtime/compile.ts";

const bytes = (write: (writer: ProtobufWriter) => void) => {
  const writer = new ProtobufWriter();
  write(writer);
  expect(writer.length).toBe(writer.bytes.length);
  return [...writer.bytes];
};

describe("ProtobufWriter", () => {
  test("writes varints as the specification's examples", () => {
    expect(bytes((w) => w.integer(1, 150))).toEqual([0x08, 0x96, 0x01]);
    expect(bytes((w) => w.integer(1, 0))).toEqual([0x08, 0x00]);
    expect(bytes((w) => w.integer(16, 127))).toEqual([0x80, 0x01, 0x7f]);
    expect(bytes((w) => w.integer(1, 2 ** 32))).toEqual([0x08, 0x80, 0x80, 0x80, 0x80, 0x10]);
    expect(bytes((w) => w.integer(1, Number.MAX_SAFE_INTEGER))).toEqual([0x08, ...Array(7).fill(0xff), 0x0f]);
  });

  test("writes negative integers as ten bytes", () => {
    expect(bytes((w) => w.integer(1, -1))).toEqual([0x08, ...Array(9).fill(0xff), 0x01]);
    expect(bytes((w) => w.integer(1, -2))).toEqual([0x08, 0xfe, ...Array(8).fill(0xff), 0x01]);
  });

  test("writes text, floats and messages", () => {
    expect(bytes((w) => w.text(2, "testing"))).toEqual([0x12, 0x07, ...Buffer.from("testing")]);
    expect(bytes((w) => w.float(1, 1))).toEqual([0x0d, 0x00, 0x00, 0x80, 0x3f]);
    expect(bytes((w) => w.message(3, (inner) => inner.integer(1, 150)))).toEqual([0x1a, 3, 0x08, 0x96, 1]);
  });

  test("keeps large values in place, also inside messages", () => {
    const large = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251);
    const header = [0x0a, 0x90, 0x4e];
    expect(bytes((w) => w.raw(1, large))).toEqual([...header, ...large]);
    const nested = bytes((w) =>
      w.integer(4, 7).message(2, (inner) => inner.raw(1, large).integer(3, 9).raw(1, large)),
    );
    const length = 2 * (large.length + 3) + 2;
    expect(nested).toEqual([
      ...[0x20, 7, 0x12, (length % 128) | 128, ((length >> 7) % 128) | 128, length >> 14],
      ...[...header, ...large, 0x18, 9, ...header, ...large],
    ]);
  });
});

test("a model of one node is these bytes", () => {
  const x = input([2, 3]);
  const model = writeOnnx({ x }, { y: neg(x) });
  const name = "%1"; // the second tensor
  const field = (number: number, content: readonly number[]) => [
    (number << 3) | 2,
    content.length,
    ...content,
  ];
  const text = (number: number, value: string) => field(number, [...Buffer.from(value)]);
  const valueInfo = (value: string) => [
    ...text(1, value),
    // TypeProto { tensor_type { elem_type: FLOAT, shape { dim { 2 } dim { 3 } } } }
    ...field(2, field(1, [0x08, 1, ...field(2, [...field(1, [0x08, 2]), ...field(1, [0x08, 3])])])),
  ];
  const graph = [
    ...text(2, "graph"),
    ...field(1, [...text(1, "x"), ...text(2, name), ...text(4, "Neg")]),
    ...field(1, [...text(1, name), ...text(2, "y"), ...text(4, "Identity")]),
    ...field(11, valueInfo("x")),
    ...field(12, valueInfo("y")),
  ];
  expect([...model]).toEqual([
    ...[0x08, 8],
    ...text(2, "diem"),
    ...field(7, graph),
    ...field(8, [...text(1, ""), 0x10, 17]),
  ]);
});

test("one tensor may be given out under two names", async () => {
  const x = input([2]);
  const y = neg(x);
  const program = await compile({ inputs: { x }, outputs: { y, z: y } });
  const { y: first, z: second } = await program.run({ x: float32([1, 2]) });
  expect([...first!.data]).toEqual([-1, -2]);
  expect([...second!.data]).toEqual([-1, -2]);
  expect(first!.data).not.toBe(second!.data);
});

test("an output may be an input or a constant", async () => {
  const x = input([2]);
  const i = input([], "int64");
  const program = await compile({
    inputs: { x, i },
    outputs: {
      same: x,
      fixed: constant(float32([7])),
      index: i,
      flag: constant(hostArray("bool", [], Uint8Array.of(1))),
    },
  });
  const run = await program.run({ x: float32([1, 2]), i: hostArray("int64", [], BigInt64Array.of(-5n)) });
  expect([...run.same!.data]).toEqual([1, 2]);
  expect([...run.fixed!.data]).toEqual([7]);
  expect(run.index!.data[0]).toBe(-5n);
  expect(run.flag!.data[0]).toBe(1);
});

test("a program without inputs runs", async () => {
  const program = await compile({
    inputs: {},
    outputs: { y: sum(constant(float32(new Float32Array(6000).fill(1)))) },
  });
  expect((await program.run({})).y!.data[0]).toBe(6000);
});

test("scalars have the shape []", async () => {
  const x = input([]);
  const program = await compile({
    inputs: { x },
    outputs: { y: mul(x, 3), total: sum(x), average: mean(x), list: reshape(x, [1]) },
  });
  const run = await program.run({ x: float32([2], []) });
  expect(Object.values(run).map(({ shape, data }) => [shape, data[0]])).toEqual([
    [[], 6],
    [[], 2],
    [[], 2],
    [[1], 2],
  ]);
});

test("inputs and outputs may have any names", async () => {
  const [a, b] = [input([1]), input([1])];
  const program = await compile({ inputs: { t1: a, "x y/ü": b }, outputs: { t2: add(a, b), "": b } }).catch(
    (error) => error,
  );
  // ONNX has no empty names; everything else is allowed.
  expect(program.name).toBe("ShapeError");
  const sound = await compile({ inputs: { t1: a, "x y/ü": b }, outputs: { t2: add(a, b), "out.0": b } });
  const run = await sound.run({ t1: float32([1]), "x y/ü": float32([2]) });
  expect(run.t2!.data[0]).toBe(3);
});

test.each([
  [
    "an input that is not listed",
    () => {
      const [x, y] = [input([2]), input([3, 1])];
      return writeOnnx({ x }, { z: add(x, y) });
    },
    "compile: the outputs need an input, float32 [3, 1], that is not among the inputs. Add it.",
  ],
  [
    "a computed tensor as an input",
    () => {
      const x = neg(input([2]));
      return writeOnnx({ x }, { y: neg(x) });
    },
    "compile: input x is a computed tensor. Make it with input().",
  ],
  [
    "one tensor under two input names",
    () => {
      const x = input([2]);
      return writeOnnx({ a: x, b: x }, { y: neg(x) });
    },
    "compile: inputs a and b are the same tensor. Give it one name.",
  ],
  [
    "a name for both an input and an output",
    () => {
      const x = input([2]);
      return writeOnnx({ x }, { x: neg(x) });
    },
    "compile: x names an input and an output. Rename one.",
  ],
])("%s is refused", (_, write, message) => {
  expect(write).toThrow(message);
});

const CHAIN = 5000;
function chain(length: number): { x: Tensor; y: Tensor } {
  const x = input([4]);
  let y = x;
  for (let k = 0; k < length; k++) y = add(y, constant(float32([k, 1, 2, 3.5])));
  return { x, y };
}

test("a chain of 5000 nodes is written without deep recursion", async () => {
  const { x, y } = chain(CHAIN);
  const program = await compile({ inputs: { x }, outputs: { y } });
  const run = await program.run({ x: float32([0, 0, 0, 0]) });
  expect(run.y!.data[1]).toBe(CHAIN);
});

test("weights are copied once into the model", () => {
  const megabytes = 64;
  const w = constant(float32(new Float32Array((megabytes * 2 ** 20) / 4)));
  const x = input([1], "int64");
  const before = process.memoryUsage().arrayBuffers;
  const model = writeOnnx({ x }, { y: gather(w, add(x, integers([0]))) });
  const grown = (process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  expect(model.length / 2 ** 20).toBeGreaterThan(megabytes);
  expect(grown).toBeLessThan(1.5 * megabytes);
});

test("reaching a long chain visits each node once, in order", () => {
  const { y } = chain(100);
  const order = reachable([y, y]);
  expect(order).toHaveLength(201);
  expect(order.every((tensor, k) => k === 0 || order[k - 1]!.id < tensor.id)).toBe(true);
});
