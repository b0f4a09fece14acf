/** Models in the ONNX format, decoded to plain values. */

import { bytesPerElement, type DType, fromBytes, type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import { refuseExternal } from "./external-data.ts";
import { Message } from "./protobuf-reader.ts";

/** A value that goes in or out. */
export interface OnnxValue {
  readonly name: string;
  /** Sizes, `undefined` where the model leaves one free; no list where it says nothing. */
  readonly shape: readonly (number | undefined)[] | undefined;
  /** Whether it is made of whole numbers. */
  readonly isWhole: boolean;
}

/** An attribute of a node: whichever its writer set. */
export interface OnnxAttribute {
  readonly integer: number | undefined;
  readonly float: number | undefined;
  readonly text: string;
  readonly integers: readonly number[];
  readonly tensor: HostArray | undefined;
  readonly isGraph: boolean;
}

/** One node. An input of no name is left out. */
export interface OnnxNode {
  readonly name: string;
  readonly type: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** A model's graph. Double precision is read as single, in which everything is computed. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, HostArray>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Version of ONNX's operators. */
  readonly opset: number;
  /** Texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Operators of earlier versions take some inputs as attributes. */
const OLDEST_OPSET = 13;

/** Decodes a ModelProto. @throws DataError if it is damaged, of another kind, or of an opset before 13 */
export function decodeModel(bytes: Uint8Array, where: string): OnnxGraph {
  const model = new Message(bytes, where);
  const graphBytes = model.bytes(7);
  if (!graphBytes)
    throw new DataError(`${where}: expected an ONNX model, found no graph in it. Export it again.`);
  const graph = new Message(graphBytes, where);
  const opset = model
    .all(8)
    .map((entry) => new Message(entry, where))
    .find((entry) => ["", "ai.onnx"].includes(entry.text(1)));
  const version = opset?.integer(2) ?? 0;
  if (version < OLDEST_OPSET)
    throw new DataError(
      `${where}: expected opset ${OLDEST_OPSET} or later, found ${version}. Export it again with opset_version=17.`,
    );
  if (graph.has(15))
    throw new DataError(`${where}: expected dense initializers, found sparse ones. Export them dense.`);
  const initializers = new Map(
    graph.all(5).map((entry) => {
      const tensor = new Message(entry, where);
      return [tensor.text(8), decodeTensor(tensor, where)] as const;
    }),
  );
  const values = (field: number) =>
    graph.all(field).map((entry) => decodeValue(new Message(entry, where), where));
  return {
    nodes: graph.all(1).map((entry) => decodeNode(new Message(entry, where), where)),
    initializers,
    // Old writers list initializers among the inputs.
    opset: version,
    metadata: Object.fromEntries(
      model.all(14).map((bytes) => {
        const entry = new Message(bytes, where);
        return [entry.text(1), entry.text(2)];
      }),
    ),
    inputs: values(11).filter(({ name }) => !initializers.has(name)),
    outputs: values(12),
  };
}

function decodeValue(value: Message, where: string): OnnxValue {
  const type = new Message(value.bytes(2) ?? new Uint8Array(), where);
  const tensor = new Message(type.bytes(1) ?? new Uint8Array(), where);
  const shape = tensor.bytes(2);
  return {
    name: value.text(1),
    isWhole: ["uint8", "int32", "int64"].includes(DTYPES[tensor.integer(1) ?? 0] ?? ""),
    shape:
      shape &&
      new Message(shape, where).all(1).map((entry) => {
        const size = new Message(entry, where).integer(1);
        return size !== undefined && size > 0 ? size : undefined;
      }),
  };
}

function decodeNode(node: Message, where: string): OnnxNode {
  const attributes = node.all(5).map((entry) => {
    const message = new Message(entry, where);
    const tensor = message.bytes(5);
    const type = message.integer(20); // 1 for a float, 2 for an integer: some writers leave out zeros
    const attribute: OnnxAttribute = {
      integer: message.integer(3) ?? (type === 2 ? 0 : undefined),
      float: message.float(2) ?? (type === 1 ? 0 : undefined),
      text: message.text(4),
      integers: message.integers(8, where),
      tensor: tensor && decodeTensor(new Message(tensor, where), where),
      isGraph: message.has(6),
    };
    return [message.text(1), attribute] as const;
  });
  return {
    name: node.text(3),
    type: node.text(4),
    domain: node.text(7),
    inputs: node.texts(1),
    outputs: node.texts(2),
    attributes: new Map(attributes),
  };
}

/** Codes of TensorProto's element types. */
const DTYPES: Readonly<Record<number, DType>> = {
  1: "float32",
  2: "uint8",
  6: "int32",
  7: "int64",
  9: "bool",
  11: "float64",
};

/** The dtype that values of an element type get in the graph. @throws DataError for one that it has not */
export function dtypeOf(code: number | undefined, where: string): DType {
  const dtype = DTYPES[code ?? 0];
  if (!dtype)
    throw new DataError(
      `${where}: expected elements of type float, double, uint8, int32, int64 or bool, found type ${code}. Export it in float32.`,
    );
  return dtype === "float64" ? "float32" : dtype;
}

function decodeTensor(tensor: Message, where: string): HostArray {
  const shape = tensor.integers(1, where);
  const own = `${where}: tensor ${tensor.text(8) || "of a constant"}`;
  const code = tensor.integer(2);
  const dtype = dtypeOf(code, own);
  const fail = (found: string) =>
    new DataError(`${own}: expected elements for ${formatShape(shape)}, found ${found}. Export it again.`);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw fail("a negative size");
  refuseExternal(tensor, where);
  const raw = tensor.bytes(9);
  const size = sizeOf(shape);
  if (raw) {
    const stored = DTYPES[code!]!; // known, as dtypeOf found it
    if (raw.byteLength !== size * bytesPerElement(stored)) throw fail(`${raw.byteLength} bytes`);
    const array = fromBytes(stored, shape, raw);
    return dtype === stored
      ? array
      : hostArray("float32", shape, Float32Array.from(array.data as Float64Array));
  }
  const values = code === 11 ? tensor.doubles(10) : listed(tensor, dtype, where);
  if (values.length !== size) throw fail(`${values.length}`);
  return fromNumbers(dtype, shape, values);
}

function listed(tensor: Message, dtype: DType, where: string): number[] {
  if (dtype === "float32") return tensor.floats(4);
  return tensor.integers(dtype === "int64" ? 7 : 5, where);
}

const wholeNumber = (value: number) => (Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n);

/** An array from numbers, converted as the dtype does. */
export function fromNumbers(dtype: DType, shape: readonly number[], values: readonly number[]): HostArray {
  switch (dtype) {
    case "float32":
      return hostArray(dtype, shape, Float32Array.from(values));
    case "float64":
      return hostArray(dtype, shape, Float64Array.from(values));
    case "int32":
      return hostArray(dtype, shape, Int32Array.from(values));
    case "int64":
      return hostArray(dtype, shape, BigInt64Array.from(values, wholeNumber));
    case "uint8":
    case "bool":
      return hostArray(dtype, shape, Uint8Array.from(values));
  }
}
