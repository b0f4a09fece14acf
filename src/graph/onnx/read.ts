import { DataError, DiemError, ShapeError, UnsupportedOpError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { didYouMean } from "../../core/nearest.ts";
import { formatShape } from "../../core/shape.ts";
import { constant, type Tensor } from "../tensor.ts";
import { foldIntegers } from "./fold.ts";
import { decodeModel, type OnnxGraph, type OnnxNode, type OnnxValue } from "./model.ts";
import { NodeReader } from "./node-reader.ts";
import { ACTIVATION_BUILDERS } from "./read-activations.ts";
import { ARRAY_BUILDERS } from "./read-arrays.ts";
import { LAYER_BUILDERS } from "./read-layers.ts";
import type { Named } from "./write.ts";

export type { OnnxValue } from "./model.ts";

/** A model that `readOnnx` read. */
export interface OnnxModel {
  /** Inputs of the model; its weights (initializers) are not among them. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** The metadata of the file, texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Adds the model to the graph, where it can be differentiated.
   * @param inputs a tensor for each input, by name; their sizes replace those that the model leaves free
   * @returns the outputs by name
   * @throws ShapeError if an input is missing or of another shape, or shapes inside do not fit
   * @throws UnsupportedOpError naming the node that `readOnnx` does not know
   */
  readonly build: (inputs: Named) => Record<string, Tensor>;
}

const BUILDERS = { ...ARRAY_BUILDERS, ...ACTIVATION_BUILDERS, ...LAYER_BUILDERS };

/** Types of nodes that `readOnnx` knows. */
export const ONNX_OPERATORS: readonly string[] = Object.keys(BUILDERS).sort();

/**
 * Reads an ONNX model (opset 13 or later) into the graph. So you can differentiate a forward operator or a denoiser that other
 * software exported. Everything is computed in float32; double precision is converted.
 *   const { inputs, build } = readOnnx(bytes);
 *   const { y } = build({ x: input([8, 1, 28, 28]) });
 * @param where the file, for messages
 * @throws DataError if the bytes are damaged or no model; UnsupportedOpError naming a node that is not in `ONNX_OPERATORS`
 */
export function readOnnx(bytes: Uint8Array, where = "readOnnx"): OnnxModel {
  const graph = decodeModel(bytes, where);
  for (const node of graph.nodes) expectKnown(node, where);
  return {
    inputs: graph.inputs,
    outputs: graph.outputs,
    metadata: graph.metadata,
    build: (inputs) => build(graph, inputs, where),
  };
}

function expectKnown(node: OnnxNode, where: string): void {
  const domains: Readonly<Record<string, boolean>> = {
    "": node.type !== "FusedMatMul",
    "ai.onnx": node.type !== "FusedMatMul",
    "com.microsoft": node.type === "FusedMatMul",
  };
  const hasGraph = [...node.attributes.values()].some(({ isGraph }) => isGraph);
  if (domains[node.domain] && Object.hasOwn(BUILDERS, node.type) && !hasGraph) return;
  const type = node.domain ? `${node.domain}.${node.type}` : node.type;
  throw new UnsupportedOpError(
    `${where}: ${label(node)}: the operator ${type} is not supported; known are ${ONNX_OPERATORS.join(", ")}.${didYouMean(node.type, ONNX_OPERATORS)}`,
  );
}

function build(graph: OnnxGraph, inputs: Named, where: string): Record<string, Tensor> {
  const values = new Map<string, Tensor>();
  for (const value of graph.inputs) values.set(value.name, checkedInput(value, inputs, where));
  for (const name of Object.keys(inputs))
    if (!values.has(name))
      throw new ShapeError(
        `${where}: no input is named ${name}; the model has ${graph.inputs.map((value) => value.name).join(", ")}.`,
      );
  for (const [name, value] of graph.initializers) values.set(name, constant(value));
  const samples = Math.max(1, ...Object.values(inputs).map(({ shape }) => shape[0] ?? 1));
  for (const node of graph.nodes) {
    const results = buildNode({ node, opset: graph.opset }, values, `${where}: ${label(node)}`, samples);
    node.outputs.forEach((name, k) => {
      if (name && results[k]) values.set(name, results[k]);
    });
  }
  return Object.fromEntries(
    graph.outputs.map(({ name }) => {
      const result = values.get(name);
      if (!result)
        throw new DataError(`${where}: expected output ${name} to be computed, found no node for it.`);
      return [name, result];
    }),
  );
}

function checkedInput({ name, shape }: OnnxValue, inputs: Named, where: string): Tensor {
  const given = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  if (!given) throw new ShapeError(`${where}: input ${name} is missing.`);
  const fits =
    shape === undefined ||
    (shape.length === given.shape.length &&
      shape.every((size, axis) => size === undefined || size === given.shape[axis]));
  if (!fits)
    throw new ShapeError(
      `${where}: input ${name} must be [${shape.map((size) => size ?? "any").join(", ")}], got ${formatShape(given.shape)}. Export the model with that size, or with a free one (dynamic_axes).`,
    );
  return given;
}

/** @param samples in the batch */
function buildNode(
  { node, opset }: { readonly node: OnnxNode; readonly opset: number },
  values: ReadonlyMap<string, Tensor>,
  where: string,
  samples: number,
): readonly Tensor[] {
  const inputs = node.inputs.map((name) => {
    if (name === "") return undefined;
    const value = values.get(name);
    if (!value)
      throw new DataError(`${where}: expected ${name} to be known, found no node before that makes it.`);
    return value;
  });
  try {
    const made = BUILDERS[node.type]!(new NodeReader(node, inputs, where, opset));
    const results = "op" in made ? [made] : made;
    for (const { shape } of results) expectSizes(shape, where, samples);
    return results.map(foldIntegers);
  } catch (cause) {
    if (!(cause instanceof DiemError) || cause.message.startsWith(where)) throw cause;
    throw new ShapeError(`${where}: ${cause.message}`, { cause });
  }
}

function expectSizes(shape: readonly number[], where: string, samples: number): void {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    throw new ShapeError(`${where}: makes an array of impossible shape ${formatShape(shape)}.`);
  expectBearable(shape, where, samples);
}

function label({ name, type }: OnnxNode): string {
  return name ? `node ${name} (${type})` : `node ${type}`;
}
