import type { HostArray } from "../../core/array.ts";
import { ShapeError, UnsupportedOpError } from "../../core/errors.ts";
import { constantValue, type Tensor } from "../tensor.ts";
import type { OnnxNode } from "./model.ts";

/** One node of a model with the tensors that its inputs are, read by what turns it into a graph. */
export class NodeReader {
  readonly type: string;
  readonly inputs: readonly (Tensor | undefined)[];
  /** Number of results that are asked for. */
  readonly outputs: number;
  /** Version of ONNX's operators that the model was written for. */
  readonly opset: number;
  readonly #node: OnnxNode;
  readonly #where: string;

  constructor(node: OnnxNode, inputs: readonly (Tensor | undefined)[], where: string, opset: number) {
    this.opset = opset;
    this.type = node.type;
    this.inputs = inputs;
    this.outputs = node.outputs.length;
    this.#node = node;
    this.#where = where;
  }

  /** @throws ShapeError if the input is left out */
  input(index: number): Tensor {
    const found = this.inputs[index];
    if (!found) throw new ShapeError(`${this.#where}: input ${index} is missing.`);
    return found;
  }

  has(index: number): boolean {
    return this.inputs[index] !== undefined;
  }

  /** The input as numbers. @throws UnsupportedOpError if it is not known before the graph runs */
  constants(index: number): number[] {
    const value = constantValue(this.input(index));
    if (!value) throw this.unsupported(`input ${index} is not a constant`);
    return Array.from(value.data as Float64Array, Number);
  }

  /** Axes, sizes or the like: input `index`, or else an attribute, as before opset 13. */
  list(index: number, name: string): number[] | undefined {
    if (this.has(index)) return this.constants(index);
    const { integers } = this.#node.attributes.get(name) ?? { integers: [] };
    return integers.length > 0 ? [...integers] : undefined;
  }

  integer(name: string, fallback: number): number {
    return this.#node.attributes.get(name)?.integer ?? fallback;
  }

  integers(name: string): readonly number[] | undefined {
    const found = this.#node.attributes.get(name)?.integers;
    return found && found.length > 0 ? found : undefined;
  }

  float(name: string, fallback: number): number {
    return this.#node.attributes.get(name)?.float ?? fallback;
  }

  text(name: string, fallback: string): string {
    return this.#node.attributes.get(name)?.text || fallback;
  }

  tensor(name: string): HostArray | undefined {
    return this.#node.attributes.get(name)?.tensor;
  }

  /** @throws UnsupportedOpError unless the attribute, or its default, has the value */
  only(name: string, value: number | string): void {
    const found = typeof value === "number" ? this.integer(name, value) : this.text(name, value);
    if (found !== value) throw this.unsupported(`${name} ${found} (only ${value} is)`);
  }

  /** @param what of the node has no counterpart */
  unsupported(what: string): UnsupportedOpError {
    return new UnsupportedOpError(`${this.#where}: ${what} is not supported. Export the model without it.`);
  }
}
