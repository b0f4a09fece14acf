/** Single operations, to compare engines by. */
import { writeFileSync } from "node:fs";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { conv2d, input, matmul, silu, type Tensor } from "../../src/graph/index.ts";
import { sinkhorn } from "../../src/metrics/sinkhorn.ts";
import { encodeSafetensors } from "../../src/nn/safetensors.ts";
import { fourierTransform } from "../../src/operators/kinds/fourier.ts";
import { compile } from "../../src/runtime/compile.ts";
import { readInputs } from "../inputs.ts";
import type { Task } from "./task.ts";

/** Names of the operations. */
export const OPERATIONS = ["convolution", "matrixProduct", "elementwise", "fourier", "sinkhorn"] as const;
export type OperationName = (typeof OPERATIONS)[number];

export function isOperation(task: string): task is OperationName {
  return (OPERATIONS as readonly string[]).includes(task);
}

/** Times that a timed run computes an operation; Sinkhorn's takes a second by itself. */
export const REPEATS = { convolution: 5, matrixProduct: 5, elementwise: 5, fourier: 5, sinkhorn: 1 } as const;

/** Inputs, by name: images, kernels, two matrices, images for the Fourier transform. */
const SHAPES = {
  x: [8, 64, 32, 32],
  w: [64, 64, 3, 3],
  a: [512, 512],
  b: [512, 512],
  image: [16, 1, 320, 320],
};
/** Points a side of the transport. */
const POINTS = [2048, 5];

const GRAPHS: Readonly<Record<Exclude<OperationName, "sinkhorn">, readonly [readonly Name[], Operation]>> = {
  convolution: [["x", "w"], (x, w) => conv2d(x!, w!, undefined, { padding: 1 })],
  matrixProduct: [["a", "b"], (a, b) => matmul(a!, b!)],
  elementwise: [["x"], (x) => silu(x!)],
  fourier: [["image"], (x) => fourierTransform(x!)],
};
type Name = keyof typeof SHAPES;
type Operation = (...inputs: readonly (Tensor | undefined)[]) => Tensor;

/** Writes the inputs of all operations. */
export function writeOperands(path: string): void {
  writeFileSync(
    path,
    encodeSafetensors(
      Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, normal(name, shape)])),
    ),
  );
}

/** An operation on inputs of which none is a constant. */
export async function operationTask(name: OperationName, path: string, threads: number): Promise<Task> {
  if (name === "sinkhorn") return transport();
  const [names, operation] = GRAPHS[name];
  const operands = readInputs(path);
  const tensors = names.map((one) => input(operands[one]!.shape));
  const result = operation(...tensors);
  const program = await compile(
    { inputs: Object.fromEntries(names.map((one, k) => [one, tensors[k]!])), outputs: { result } },
    { threads },
  );
  const feeds = Object.fromEntries(names.map((one) => [one, operands[one]!]));
  const into = { result: float32(new Float32Array(sizeOf(result.shape)), result.shape) };
  const run = async () => {
    for (let k = 0; k < REPEATS[name]; k++) await program.run(feeds, into);
  };
  await run();
  return { results: into, run };
}

async function transport(): Promise<Task> {
  const [x, y] = [normal("x", POINTS), normal("y", POINTS)];
  const run = async () => {
    await sinkhorn(x, y);
  };
  await run();
  return { results: {}, run };
}

function normal(name: string, shape: readonly number[]) {
  const values = new Float32Array(sizeOf(shape));
  new Rng(7).split("operands", name).fillNormal(values);
  return float32(values, shape);
}
