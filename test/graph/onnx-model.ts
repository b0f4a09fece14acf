/** Models of a few nodes. */
import { ProtobufWriter } from "../../src/graph/onnx/protobuf.ts";

export interface Node {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integers, lists of them, and texts; floats are put in an array of their own type. */
  readonly attributes?: Readonly<Record<string, number | readonly number[] | string | Float32Array>>;
}
type Values = Float32Array | BigInt64Array;
type Constants = Readonly<Record<string, readonly [Values, ...sizes: number[]]>>;

const FLOAT = 1;
const INTEGER = 2;
const INTEGERS = 7;
const TEXT = 3;

/** A model from x to y. @param omitZeros leaves out integers that are 0, as writers of Protocol Buffers 3 do */
export function model(
  nodes: readonly Node[],
  constants: Constants = {},
  omitZeros = false,
  opset = 18,
): Uint8Array {
  const graph = new ProtobufWriter().text(2, "graph");
  for (const { type, inputs, output, attributes = {} } of nodes)
    graph.message(1, (node) => {
      for (const name of inputs) node.text(1, name);
      node.text(2, output).text(4, type);
      for (const [name, value] of Object.entries(attributes))
        node.message(5, (attribute) => {
          attribute.text(1, name);
          if (value instanceof Float32Array) attribute.float(2, value[0]!).integer(20, FLOAT);
          else if (typeof value === "string") attribute.text(4, value).integer(20, TEXT);
          else if (typeof value !== "number") {
            for (const item of value) attribute.integer(8, item);
            attribute.integer(20, INTEGERS);
          } else {
            if (value !== 0 || !omitZeros) attribute.integer(3, value);
            attribute.integer(20, INTEGER);
          }
        });
    });
  for (const [name, [values, ...sizes]] of Object.entries(constants))
    graph.message(5, (tensor) => {
      for (const size of sizes) tensor.integer(1, size);
      tensor.integer(2, values instanceof Float32Array ? 1 : 7).text(8, name);
      tensor.raw(9, new Uint8Array(values.buffer));
    });
  const port = (field: number, name: string) =>
    graph.message(field, (value) =>
      value.text(1, name).message(2, (type) => type.message(1, (tensor) => tensor.integer(1, 1))),
    );
  port(11, "x");
  port(12, "y");
  return new ProtobufWriter()
    .integer(1, 8)
    .nested(7, graph)
    .message(8, (set) => set.text(1, "").integer(2, opset)).bytes;
}
