import { type DataOf, type DType, type HostArray, hostArray, zeros } from "../core/array.ts";
import { EngineError, ShapeError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { type Named, writeOnnx } from "../graph/onnx/write.ts";
import { simplify } from "../graph/simplify.ts";
import type { Tensor } from "../graph/tensor.ts";
import { createSession, type EngineOptions, type InferenceSession, loadEngine, message } from "./engine.ts";

/** Arrays under the names of a program's inputs, outputs or state. */
export type Arrays = Readonly<Record<string, HostArray>>;

/** A tensor that a program keeps between runs: read as `current`, replaced by `next` at the end of each. */
export interface StateVariable {
  /** An input of the graph that holds the value. */
  readonly current: Tensor;
  /** The value after the run, of the same shape. */
  readonly next: Tensor;
}

export interface ProgramSpec {
  readonly inputs: Named;
  readonly outputs: Named;
  readonly state?: Readonly<Record<string, StateVariable>>;
}

/**
 * Turns the graph between inputs and outputs into something that runs.
 *   const program = await compile({ inputs: { x }, outputs: { y } });
 *   const { y } = await program.run({ x: float32([1, 2]) });
 * @throws EngineError if ONNX Runtime refuses the graph
 */
export async function compile(spec: ProgramSpec, options: EngineOptions = {}): Promise<Program> {
  const state = Object.entries(spec.state ?? {});
  for (const [name, { current, next }] of state) {
    if (!sameShape(current.shape, next.shape) || current.dtype !== next.dtype)
      throw new ShapeError(
        `compile: state ${name} is ${formatShape(current.shape)} but becomes ${formatShape(next.shape)}.`,
      );
  }
  const inputs = {
    ...spec.inputs,
    ...Object.fromEntries(state.map(([name, { current }]) => [name, current])),
  };
  const named = {
    ...spec.outputs,
    ...Object.fromEntries(state.map(([name, { next }]) => [nextName(name), next])),
  };
  const simplified = simplify(Object.values(named));
  const outputs = Object.fromEntries(Object.keys(named).map((name, k) => [name, simplified[k]!]));
  const session = await createSession(writeOnnx(inputs, outputs), options);
  const { Tensor: EngineTensor } = await loadEngine();
  return new Program(session, EngineTensor, spec);
}

const nextName = (name: string) => `${name}.next`;

type EngineTensorClass = Awaited<ReturnType<typeof loadEngine>>["Tensor"];
type EngineTensors = Record<string, InstanceType<EngineTensorClass>>;

/** A compiled graph. Runs one at a time; release it when done. */
export class Program {
  readonly #session: InferenceSession;
  readonly #EngineTensor: EngineTensorClass;
  readonly #spec: ProgramSpec;
  /** Two buffers a state variable: one is read while the other is written, then they change places. */
  #current: Record<string, HostArray> = {};
  #spare: Record<string, HostArray> = {};

  /** Use `compile`. */
  constructor(session: InferenceSession, EngineTensor: EngineTensorClass, spec: ProgramSpec) {
    this.#session = session;
    this.#EngineTensor = EngineTensor;
    this.#spec = spec;
    for (const [name, { current }] of Object.entries(spec.state ?? {})) {
      this.#current[name] = zeros(current.dtype, current.shape);
      this.#spare[name] = zeros(current.dtype, current.shape);
    }
  }

  /** Replaces state; the arrays are copied. Variables start at zero. @throws ShapeError */
  setState(values: Arrays): void {
    for (const [name, value] of Object.entries(values)) {
      const variable = this.#spec.state?.[name];
      if (!variable) throw unknownName("state", name, Object.keys(this.#spec.state ?? {}));
      checkArray(name, value, variable.current);
      (this.#current[name]!.data as Float32Array).set(value.data as Float32Array);
    }
  }

  /** The state now. The arrays are the program's own: copy them to keep them over the next run. */
  state(): Arrays {
    return this.#current;
  }

  /**
   * Computes the outputs and replaces the state.
   * @param feeds one array per input; nothing is copied
   * @param into arrays to write outputs to, by name; others are allocated. Must not be among the feeds.
   * @throws ShapeError if a feed is missing, unknown, or of the wrong shape or dtype
   */
  async run(feeds: Arrays, into: Arrays = {}): Promise<Record<string, HostArray>> {
    const engineFeeds: EngineTensors = {};
    for (const [name, tensor] of Object.entries(this.#spec.inputs)) {
      const feed = feeds[name];
      if (!feed) throw new ShapeError(`run: input ${name} ${formatShape(tensor.shape)} is missing.`);
      checkArray(name, feed, tensor);
      engineFeeds[name] = this.#wrap(feed);
    }
    for (const name of Object.keys(feeds))
      if (!this.#spec.inputs[name]) throw unknownName("input", name, Object.keys(this.#spec.inputs));
    const results: Record<string, HostArray> = {};
    const fetches: EngineTensors = {};
    for (const [name, tensor] of Object.entries(this.#spec.outputs)) {
      const target = into[name] ?? zeros(tensor.dtype, tensor.shape);
      checkArray(name, target, tensor);
      results[name] = target;
      fetches[name] = this.#wrap(target);
    }
    for (const name of Object.keys(this.#current)) {
      engineFeeds[name] = this.#wrap(this.#current[name]!);
      fetches[nextName(name)] = this.#wrap(this.#spare[name]!);
    }
    try {
      await this.#session.run(engineFeeds, fetches);
    } catch (cause) {
      throw new EngineError(`ONNX Runtime failed: ${message(cause)}`, { cause });
    }
    [this.#current, this.#spare] = [this.#spare, this.#current];
    return results;
  }

  /** Frees the engine's memory. */
  async release(): Promise<void> {
    await this.#session.release();
  }

  #wrap(array: HostArray) {
    return new this.#EngineTensor(array.dtype, array.data as DataOf["float32"], array.shape);
  }
}

function checkArray(
  name: string,
  array: HostArray,
  expected: { dtype: DType; shape: readonly number[] },
): void {
  if (array.dtype !== expected.dtype || !sameShape(array.shape, expected.shape))
    throw new ShapeError(
      `run: ${name} must be ${expected.dtype} ${formatShape(expected.shape)}, got ${array.dtype} ${formatShape(array.shape)}.`,
    );
  hostArray(array.dtype, array.shape, array.data);
}

function unknownName(kind: string, name: string, known: readonly string[]): ShapeError {
  return new ShapeError(
    `run: unknown ${kind} ${name}; known are ${known.join(", ")}.${didYouMean(name, known)}`,
  );
}
