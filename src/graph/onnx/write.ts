import { type DType, type HostArray, hostArray, toBytes } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { isLoop, type LoopBody } from "../ops/loop.ts";
import { constantValue, inputOp, type Lowering, type Tensor } from "../tensor.ts";
import { reachable } from "../traverse.ts";
import { FreeBatch } from "./free-batch.ts";
import { ProtobufWriter } from "./protobuf.ts";

/** Element types of onnx.TensorProto. */
const ONNX_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

/** What runtimes of 2022 on read. */
const IR_VERSION = 8;
const OPSET = 17;

/** Tensors under the names that they have outside the model. */
export type Named = Readonly<Record<string, Tensor>>;

/** What a model may have besides its graph. */
export interface WriteOptions {
  /** A batch size that stands for any: sizes that are multiples of it are free in the model (see `writePortable`). */
  readonly freeBatch?: number;
  /** Texts by name, which runtimes hand to whoever loads the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Encodes the graph between inputs and outputs as an ONNX model. Inputs keep their names, also unused ones.
 *  @throws ShapeError if the outputs need an input without a name, or a name stands for two things */
export function writeOnnx(inputs: Named, outputs: Named, options: WriteOptions = {}): Uint8Array {
  const { freeBatch, metadata = {} } = options;
  const names = new Map<Tensor, string>();
  for (const [name, tensor] of Object.entries(inputs)) {
    if (tensor.op !== inputOp)
      throw new ShapeError(`compile: input ${name} is a computed tensor. Make it with input().`);
    if (names.has(tensor))
      throw new ShapeError(
        `compile: inputs ${names.get(tensor)} and ${name} are the same tensor. Give it one name.`,
      );
    if (name in outputs) throw new ShapeError(`compile: ${name} names an input and an output. Rename one.`);
    names.set(tensor, name);
  }
  const results = Object.entries(outputs);
  if ("" in inputs || "" in outputs)
    throw new ShapeError("compile: an input or output has an empty name. Name it.");
  const tensors = results.map(([, tensor]) => tensor);
  const domains = new Set<string>();
  const batch = freeBatch === undefined ? undefined : new FreeBatch(freeBatch);
  const scope = new GraphWriter({ names, domains, batch }, sharedResults(outputs, tensors));
  if (batch) scope.batchSize(batch, inputs);
  scope.nodes(tensors);
  for (const [name, tensor] of results) scope.rename(tensor, name);
  for (const [name, tensor] of Object.entries(inputs)) scope.valueInfo(GRAPH.input, name, tensor);
  for (const [name, tensor] of results) scope.valueInfo(GRAPH.output, name, tensor);
  const model = new ProtobufWriter()
    .integer(1, IR_VERSION)
    .text(2, "diem")
    .nested(7, scope.writer)
    .message(8, (opset) => opset.text(1, "").integer(2, OPSET));
  for (const domain of domains) model.message(8, (opset) => opset.text(1, domain).integer(2, 1));
  for (const [key, value] of Object.entries(metadata))
    model.message(14, (entry) => entry.text(1, key).text(2, value));
  return model.bytes;
}

/**
 * Names of results that other nodes read as well. They are written under that name at once: ONNX Runtime drops the
 * Identity that would give it only where nothing else reads what it copies.
 */
function sharedResults(outputs: Named, results: readonly Tensor[]): Map<Tensor, string> {
  const read = new Set(reachable(results).flatMap(({ inputs }) => inputs));
  const shared = Object.entries(outputs).filter(([, tensor]) => read.has(tensor));
  return new Map(shared.map(([name, tensor]) => [tensor, name]));
}

/** Field numbers of onnx.GraphProto. */
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;

/** What the model's own graph and the bodies of its loops have in common. */
interface Shared {
  readonly names: Map<Tensor, string>;
  /** Of the nodes, but for ONNX's own. */
  readonly domains: Set<string>;
  readonly batch: FreeBatch | undefined;
}

/** Writes one GraphProto: the model's own, or that of a loop's body, which sees the names outside it. */
class GraphWriter {
  readonly writer = new ProtobufWriter().text(GRAPH.name, "graph");
  readonly #shared: Shared;
  readonly #names: Map<Tensor, string>;
  readonly #outside: ReadonlyMap<Tensor, string>;
  readonly #root: GraphWriter;

  /** @param outside tensors that get the names they have outside the model    @param root the model's own graph; default: this one */
  constructor(shared: Shared, outside: ReadonlyMap<Tensor, string>, root?: GraphWriter) {
    this.#shared = shared;
    this.#names = shared.names;
    this.#outside = outside;
    this.#root = root ?? this;
  }

  /** Everything that the results need and that has no name yet. */
  nodes(results: readonly Tensor[]): void {
    const order = reachable(results);
    for (const tensor of order) {
      if (this.#names.has(tensor)) continue;
      const value = constantValue(tensor);
      if (value) this.#constant(tensor, value);
      else if (isLoop(tensor)) this.#loop(tensor);
      else if (tensor.op === inputOp)
        throw new ShapeError(
          `compile: the outputs need an input, ${tensor.dtype} ${formatShape(tensor.shape)}, that is not among the inputs. Add it.`,
        );
      else this.#node(tensor);
    }
  }

  /** Gives a result its outside name, unless it was written under it. */
  rename(tensor: Tensor, name: string): void {
    if (this.#names.get(tensor) === name) return;
    this.#emit("Identity", "", [this.#names.get(tensor)!], [name], {});
  }

  /** The number of samples, read from an input. @throws ShapeError if no input has an axis for them */
  batchSize(batch: FreeBatch, inputs: Named): void {
    const { input, axis } = batch.source(inputs);
    this.#emit("Shape", "", [input], [batch.name], { start: axis, end: axis + 1 });
  }

  valueInfo(field: number, name: string, tensor: { readonly dtype: DType; readonly shape: Shape }): void {
    const { batch } = this.#shared;
    this.writer.message(field, (info) =>
      info.text(1, name).message(2, (type) =>
        type.message(1, (tensorType) =>
          tensorType.integer(1, ONNX_TYPES[tensor.dtype]).message(2, (shape) => {
            for (const size of tensor.shape)
              shape.message(1, (dimension) => {
                if (batch?.isFree(size)) dimension.text(2, batch.label(size));
                else dimension.integer(1, size);
              });
          }),
        ),
      ),
    );
  }

  /** A name that no user's input or output has by accident; the same in every model of the same graph. */
  #fresh(tensor: Tensor): string {
    const name = `%${this.#names.size}`;
    this.#names.set(tensor, name);
    return name;
  }

  #constant(tensor: Tensor, value: HostArray): void {
    this.#shared.batch?.refuseArray(value);
    this.#initializer(this.#fresh(tensor), value);
  }

  #initializer(name: string, value: HostArray): void {
    this.writer.message(GRAPH.initializer, (proto) => writeTensor(proto.text(8, name), value));
  }

  #node(tensor: Tensor): void {
    const lowering: Lowering = tensor.op.lower?.(tensor) ?? {};
    const { type = tensor.op.name, domain = "", attributes = tensor.attributes } = lowering;
    const local = this.#fresh(tensor);
    const output = this.#outside.get(tensor) ?? local;
    this.#names.set(tensor, output);
    const inputs = tensor.inputs.map((from) => this.#names.get(from)!);
    lowering.extraInputs?.forEach((values, k) => {
      inputs.push(values ? this.#extraInput(`${local}.${k}`, type, values) : "");
    });
    this.#emit(type, domain, inputs, [output], attributes);
  }

  /** A vector of numbers as an input of a node. @returns its name */
  #extraInput(name: string, type: string, values: readonly number[] | HostArray): string {
    const { batch } = this.#shared;
    if (!("length" in values)) this.#initializer(name, values);
    else if (!batch?.hasFree(values)) this.#initializer(name, int64(values));
    else if (type === "Reshape") this.#initializer(name, int64(batch.forReshape(values)));
    else return this.#root.#sizes(batch, values);
    return name;
  }

  /** Sizes that the number of samples decides, fixed + times n; computed once, outside loops. */
  #sizes(batch: FreeBatch, values: readonly number[]): string {
    return batch.once(values, (name, fixed, times) => {
      this.#initializer(`${name}.fixed`, int64(fixed));
      this.#initializer(`${name}.times`, int64(times));
      this.#emit("Mul", "", [`${name}.times`, batch.name], [`${name}.own`], {});
      this.#emit("Add", "", [`${name}.own`, `${name}.fixed`], [name], {});
    });
  }

  /** ONNX's Loop takes (turns, condition, states); its body maps (turn, condition, states) to (condition, results). */
  #loop(tensor: Tensor): void {
    const { turns, index, states, results } = tensor.attributes.body as LoopBody;
    const outputs = (tensor.attributes.outputs as Tensor[]).map((output) => this.#fresh(output));
    const prefix = outputs[0]!;
    const body = new GraphWriter(this.#shared, new Map(), this.#root);
    body.valueInfo(GRAPH.input, body.#fresh(index), index);
    body.valueInfo(GRAPH.input, `${prefix}.go`, { dtype: "bool", shape: [] });
    for (const state of states) body.valueInfo(GRAPH.input, body.#fresh(state), state);
    body.nodes(results);
    body.#emit("Identity", "", [`${prefix}.go`], [`${prefix}.go.next`], {});
    body.valueInfo(GRAPH.output, `${prefix}.go.next`, { dtype: "bool", shape: [] });
    results.forEach((result, k) => {
      body.#emit("Identity", "", [this.#names.get(result)!], [`${prefix}.result${k}`], {});
      body.valueInfo(GRAPH.output, `${prefix}.result${k}`, result);
    });
    const count = typeof turns === "number" ? `${prefix}.turns` : this.#names.get(turns)!;
    if (typeof turns === "number")
      this.#initializer(count, hostArray("int64", [], BigInt64Array.of(BigInt(turns))));
    const initial = tensor.inputs.slice(0, states.length).map((state) => this.#names.get(state)!);
    this.#emit("Loop", "", [count, "", ...initial], outputs, { body: body.writer.bytes });
  }

  #emit(
    type: string,
    domain: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, unknown>>,
  ): void {
    if (domain) this.#shared.domains.add(domain);
    this.writer.message(GRAPH.node, (proto) => {
      for (const name of inputs) proto.text(1, name);
      for (const name of outputs) proto.text(2, name);
      proto.text(4, type);
      for (const [name, value] of Object.entries(attributes))
        proto.message(5, (attribute) => writeAttribute(attribute.text(1, name), name, value));
      if (domain) proto.text(7, domain);
    });
  }
}

const int64 = (values: readonly number[]) =>
  hostArray("int64", [values.length], BigInt64Array.from(values, BigInt));

function writeTensor(proto: ProtobufWriter, value: HostArray): void {
  for (const size of value.shape) proto.integer(1, size);
  proto.integer(2, ONNX_TYPES[value.dtype]).raw(9, toBytes(value));
}

/** Field numbers and type codes of onnx.AttributeProto. */
const FLOAT_ATTRIBUTES = ["alpha", "epsilon"];
function writeAttribute(proto: ProtobufWriter, name: string, value: unknown): void {
  if (value instanceof Uint8Array) proto.raw(6, value).integer(20, 5);
  else if (name === "to") proto.integer(3, ONNX_TYPES[value as DType]).integer(20, 2);
  else if (typeof value === "string") proto.text(4, value).integer(20, 3);
  else if (typeof value === "number" && FLOAT_ATTRIBUTES.includes(name)) proto.float(2, value).integer(20, 1);
  else if (typeof value === "number") proto.integer(3, value).integer(20, 2);
  else {
    for (const item of value as number[]) proto.integer(8, item);
    proto.integer(20, 7);
  }
}
