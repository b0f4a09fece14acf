import { type DataOf, type DType, type HostArray, hostArray, zeros } from "../core/array.ts";
import { EngineError, ShapeError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { flatten, type Mapped, mapTree, type Tree } from "../core/tree.ts";
import { type Named, writeOnnx } from "../graph/onnx/write.ts";
import { prepare } from "../graph/prepare.ts";
import type { Tensor } from "../graph/tensor.ts";
import { blockSizeOf } from "./block-size.ts";
import { createSession, type EngineOptions, type InferenceSession, loadEngine, message } from "./engine.ts";

/** Arrays under the names of a program's inputs, outputs or state. */
export type Arrays = Tree<HostArray>;

/** The arrays that tensors become, under the same names. */
export type ArraysOf<T> = Mapped<T, Tensor, HostArray>;

/** A tensor that a program keeps between runs: read as `current`, replaced by `next` at the end of each. */
export interface StateVariable {
  /** An input of the graph that holds the value. */
  readonly current: Tensor;
  /** The value after the run, of the same shape. */
  readonly next: Tensor;
}

/** What a program computes: named inputs and outputs, and the state that it keeps between runs. Names may nest. */
export interface ProgramSpec<Outputs extends Tree<Tensor> = Tree<Tensor>> {
  readonly inputs: Tree<Tensor>;
  readonly outputs: Outputs;
  readonly state?: Readonly<Record<string, StateVariable>>;
}

/**
 * Compiles the graph between inputs and outputs to a program.
 *   const program = await compile({ inputs: { x }, outputs: { y } });
 *   const { y } = await program.run({ x: float32([1, 2]) });
 * Names may nest, { x, measurement: { y, data: { mask } } }: a run takes and gives arrays in the same places.
 * @throws ShapeError if a state changes shape, the outputs need an input that is not listed, or names clash
 * @throws EngineError if ONNX Runtime refuses the graph
 */
export async function compile<Outputs extends Tree<Tensor>>(
  spec: ProgramSpec<Outputs>,
  options: EngineOptions = {},
): Promise<Program<Outputs>> {
  const state = Object.entries(spec.state ?? {});
  const [ownInputs, ownOutputs] = [flatten<Tensor>(spec.inputs), flatten<Tensor>(spec.outputs)];
  for (const [name, { current, next }] of state) {
    if (!sameShape(current.shape, next.shape) || current.dtype !== next.dtype)
      throw new ShapeError(
        `compile: state ${name} is ${formatTensor(current)} but becomes ${formatTensor(next)}.`,
      );
    if (ownInputs[name])
      throw new ShapeError(`compile: ${name} names an input and a state variable. Rename one.`);
    if (ownOutputs[nextName(name)])
      throw new ShapeError(
        `compile: ${nextName(name)} names an output and the next value of a state variable. Rename one.`,
      );
  }
  const inputs = {
    ...ownInputs,
    ...Object.fromEntries(state.map(([name, { current }]) => [name, current])),
  };
  const named = {
    ...ownOutputs,
    ...Object.fromEntries(state.map(([name, { next }]) => [nextName(name), next])),
  };
  const blockSize = await blockSizeOf(options);
  const prepared = prepare(Object.values(named), { blockSize });
  const outputs = Object.fromEntries(Object.keys(named).map((name, k) => [name, prepared[k]!]));
  const session = await createSession(writeOnnx(inputs, outputs), options);
  const { Tensor: EngineTensor } = await loadEngine();
  const currents = Object.fromEntries(state.map(([name, { current }]) => [name, current]));
  return new Program(session, EngineTensor, {
    inputs: signatureOf(ownInputs),
    outputs: mapTree<Tensor, Typed>(spec.outputs, typeOf),
    state: signatureOf(currents),
  });
}

/** What a program needs to know of a tensor. It does not keep the graph: that may hold hundreds of megabytes of weights. */
type Typed = { readonly dtype: DType; readonly shape: Shape };
type Signature = Readonly<Record<string, Typed>>;
type ProgramSignature = {
  readonly inputs: Signature;
  readonly outputs: Tree<Typed>;
  readonly state: Signature;
};

const typeOf = ({ dtype, shape }: Tensor): Typed => ({ dtype, shape });

function signatureOf(tensors: Named): Signature {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, typeOf(tensor)]));
}

/** Errors are thrown; the engine need not print them as well. */
const QUIET = { logSeverityLevel: 4 } as const;

const nextName = (name: string) => `${name}.next`;

type EngineTensorClass = Awaited<ReturnType<typeof loadEngine>>["Tensor"];
type EngineTensors = Record<string, InstanceType<EngineTensorClass>>;

/** A compiled graph. If it has state, start a run only when the one before has ended. Release it when done. */
export class Program<Outputs = Readonly<Record<string, Tensor>>> {
  readonly #session: InferenceSession;
  readonly #EngineTensor: EngineTensorClass;
  readonly #signature: ProgramSignature;
  /** Two buffers a state variable: one is read while the other is written, then they change places. */
  #current: Record<string, HostArray> = {};
  #spare: Record<string, HostArray> = {};
  #running = new Set<Promise<unknown>>();
  #released = false;

  /** Use `compile`. */
  constructor(session: InferenceSession, EngineTensor: EngineTensorClass, signature: ProgramSignature) {
    this.#session = session;
    this.#EngineTensor = EngineTensor;
    this.#signature = signature;
    for (const [name, { dtype, shape }] of Object.entries(signature.state)) {
      this.#current[name] = zeros(dtype, shape);
      this.#spare[name] = zeros(dtype, shape);
    }
  }

  /** Replaces state, all or nothing; the arrays are copied. Variables start at zero. @throws ShapeError, EngineError during a run */
  setState(values: Readonly<Record<string, HostArray>>): void {
    this.#expectReady("setState");
    const { state } = this.#signature;
    expectKnown("setState", "state", values, state);
    for (const [name, value] of Object.entries(values)) checkArray(`setState: ${name}`, value, state[name]!);
    for (const [name, value] of Object.entries(values)) {
      // Both have the dtype that was just checked.
      (this.#current[name]!.data as Float32Array).set(value.data as Float32Array);
    }
  }

  /** The state now. Copy the arrays to keep them, because the next run overwrites them. */
  state(): Readonly<Record<string, HostArray>> {
    return this.#current;
  }

  /**
   * Computes the outputs and replaces the state.
   * @param feeds one array per input, under its name; nothing is copied
   * @param into arrays to write outputs to, under their names; others are allocated. Must not be among the feeds.
   * @throws ShapeError if a feed or target is missing, unknown, or of the wrong shape or dtype
   * @throws EngineError if ONNX Runtime fails; the state is then what it was
   */
  async run(feeds: Arrays, into: Arrays = {}): Promise<ArraysOf<Outputs>> {
    this.#expectReady("run");
    const [given, targets] = [flatten<HostArray>(feeds), flatten<HostArray>(into)];
    expectKnown("run", "input", given, this.#signature.inputs);
    expectKnown("run", "output", targets, flatten<Typed>(this.#signature.outputs));
    const engineFeeds: EngineTensors = {};
    for (const [name, tensor] of Object.entries(this.#signature.inputs)) {
      const feed = given[name];
      if (!feed) throw new ShapeError(`run: input ${name}, ${formatTensor(tensor)}, is missing.`);
      checkArray(`run: ${name}`, feed, tensor);
      engineFeeds[name] = this.#wrap(feed);
    }
    const fetches: EngineTensors = {};
    const results = mapTree<Typed, HostArray>(this.#signature.outputs, (tensor, name) => {
      const target = targets[name] ?? zeros(tensor.dtype, tensor.shape);
      checkArray(`run: ${name}`, target, tensor);
      fetches[name] = this.#wrap(target);
      return target;
    });
    for (const name of Object.keys(this.#current)) {
      engineFeeds[name] = this.#wrap(this.#current[name]!);
      fetches[nextName(name)] = this.#wrap(this.#spare[name]!);
    }
    const running = this.#session.run(engineFeeds, fetches, QUIET);
    this.#running.add(running);
    try {
      await running;
    } catch (cause) {
      throw new EngineError(`run: ONNX Runtime failed: ${message(cause)}`, { cause });
    } finally {
      this.#running.delete(running);
    }
    [this.#current, this.#spare] = [this.#spare, this.#current];
    return results as ArraysOf<Outputs>;
  }

  /** Frees the engine's memory, once runs under way have ended. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await Promise.allSettled(this.#running);
    await this.#session.release();
  }

  #expectReady(where: string): void {
    if (this.#released) throw new EngineError(`${where}: the program was released. Compile it again.`);
    if (this.#running.size > 0 && Object.keys(this.#current).length > 0)
      throw new EngineError(
        `${where}: the program is running, and has state. Await one run before the next.`,
      );
  }

  #wrap(array: HostArray) {
    return new this.#EngineTensor(array.dtype, array.data as DataOf["float32"], array.shape);
  }
}

const formatTensor = ({ dtype, shape }: Typed) => `${dtype} ${formatShape(shape)}`;

function checkArray(where: string, array: HostArray, expected: Typed): void {
  if (array.dtype !== expected.dtype || !sameShape(array.shape, expected.shape))
    throw new ShapeError(`${where} must be ${formatTensor(expected)}, got ${formatTensor(array)}.`);
  hostArray(array.dtype, array.shape, array.data);
}

function expectKnown(where: string, kind: string, given: object, known: object): void {
  const names = Object.keys(known);
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw new ShapeError(
        `${where}: unknown ${kind} ${name}; known: ${names.join(", ") || "none"}.${didYouMean(name, names)}`,
      );
}
