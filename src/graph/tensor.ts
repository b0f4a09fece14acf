import type { DType, HostArray } from "../core/array.ts";
import { hostArray } from "../core/array.ts";
import type { Shape } from "../core/shape.ts";

/** What a node computes besides its inputs: sizes, axes, flags; `body` for loops. */
// biome-ignore lint/suspicious/noExplicitAny: each operator reads back the attributes that its own builder wrote
export type Attributes = Readonly<Record<string, any>>;

/** A value in a graph: the result of an operator on other tensors, with a dtype and a static shape. */
export interface Tensor {
  /** Unique and increasing: inputs have lower ids than the tensors made from them. */
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One ONNX node: its type, and the inputs and attributes that the tensor's own do not cover. */
export interface Lowering {
  readonly type?: string;
  readonly domain?: string;
  readonly attributes?: Attributes;
  /** Constant vectors, int64 unless they are arrays, appended to (or, with `undefined`, left out of) the node's inputs. */
  readonly extraInputs?: readonly (readonly number[] | HostArray | undefined)[];
}

/** Replaces the part of a graph that depends on `roots` by an equivalent one. */
export type Rewrite = (results: readonly Tensor[], roots: readonly Tensor[]) => Tensor[];

/** An operator: shape rule, gradient rule, ONNX form and (where cheap) value on the host. */
export interface Op {
  readonly name: string;
  /** Whether each element of the result depends on the same element of the inputs alone, up to broadcasting. */
  readonly elementwise?: true;
  /** ONNX form; the default is a node of type `name` with the tensor's inputs and attributes. */
  readonly lower?: (tensor: Tensor) => Lowering;
  /** Cotangents of the inputs given that of the output; undefined where there is none. */
  readonly vjp?: (tensor: Tensor, cotangent: Tensor) => readonly (Tensor | undefined)[];
  /** In place of `vjp`, for operators with several outputs: all of them at once (see `siblings`). `wanted` tells which inputs need a cotangent. */
  readonly vjpOfOutputs?: (
    outputs: readonly Tensor[],
    cotangents: readonly (Tensor | undefined)[],
    wanted: (input: Tensor) => boolean,
  ) => readonly (Tensor | undefined)[];
  /** The outputs of the node that `tensor` is one of, in order; operators with one output leave it out. */
  readonly siblings?: (tensor: Tensor) => readonly Tensor[];
  /** The same node on other inputs; only for operators whose attributes hold a graph, which `rewrite` may change where it depends on `roots`. */
  readonly rebuild?: (
    tensor: Tensor,
    inputs: readonly Tensor[],
    replaced: ReadonlyMap<Tensor, Tensor>,
    rewrite?: Rewrite,
  ) => Tensor;
  /**
   * The same value from other operators, asked for once before the graph is written: where there is no ONNX operator,
   * or a faster way on the machine at hand. Undefined leaves the tensor as it is.
   */
  readonly expand?: (tensor: Tensor, target: Target) => Tensor | undefined;
  /** Value when all inputs are constants, for folding; undefined leaves it to the engine. */
  readonly evaluate?: (tensor: Tensor, inputs: readonly HostArray[]) => HostArray | undefined;
}

/** What a graph is lowered for. */
export interface Target {
  /** Channels per block of the engine's blocked convolutions (see ops/blocked.ts); 1 where it has none. */
  readonly blockSize: number;
  /** For other engines, operators of the ONNX standard alone: the batch size that stands for any, see `writePortable`. */
  readonly freeBatch?: number;
}

let nextId = 0;

/** Adds a node. Only operators' builders call this. */
export function node(
  op: Op,
  inputs: readonly Tensor[],
  shape: Shape,
  dtype: DType = inputs[0]!.dtype,
  attributes: Attributes = {},
): Tensor {
  return { id: nextId++, op, inputs, attributes, dtype, shape };
}

/** A value that is fed at each run. */
export const inputOp: Op = { name: "Input" };
/** A value that is part of the model; `attributes.value` is its HostArray. */
export const constantOp: Op = { name: "Constant" };

/** Makes an input of the graph; `compile` gives it its name. */
export function input(shape: Shape, dtype: DType = "float32"): Tensor {
  return node(inputOp, [], shape, dtype);
}

/** A constant tensor. */
export function constant(value: HostArray): Tensor {
  return node(constantOp, [], value.shape, value.dtype, { value });
}

/** A float32 scalar. */
export function scalar(value: number): Tensor {
  return constant(hostArray("float32", [], Float32Array.of(value)));
}

/** An int64 vector. */
export function integers(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return constant(hostArray("int64", shape, BigInt64Array.from(values, BigInt)));
}

export function constantValue(tensor: Tensor): HostArray | undefined {
  return tensor.op === constantOp ? (tensor.attributes.value as HostArray) : undefined;
}

/** A tensor, or a number that stands for a float32 scalar. */
export type Operand = Tensor | number;

export function toTensor(operand: Operand): Tensor {
  return typeof operand === "number" ? scalar(operand) : operand;
}
