import { float32, type HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import { concat, constant, reshape, slice, type Tensor } from "../graph/index.ts";

/** A parameter of a network: its name, shape and how it starts. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Initial values are uniform in [-bound, bound]; 0 means zeros. */
  readonly bound: number;
}

/** Values of parameters by name, on the host. */
export type Parameters = Readonly<Record<string, HostArray<"float32">>>;
/** Parameters by name, as tensors of a graph: constants when sampling, parts of the state when training. */
export type Weights = Readonly<Record<string, Tensor>>;

/** Number of values of all parameters. */
export function countParameters(specs: readonly ParameterSpec[]): number {
  return specs.reduce((total, { shape }) => total + sizeOf(shape), 0);
}

/** Draws initial values. Each parameter has its own stream, so adding one leaves the others as they were. */
export function initialize(specs: readonly ParameterSpec[], rng: Rng): Parameters {
  return Object.fromEntries(
    specs.map(({ name, shape, bound }) => {
      const stream = rng.split("parameter", name);
      const values = Float32Array.from({ length: sizeOf(shape) }, () =>
        bound === 0 ? 0 : bound * (2 * stream.uniform() - 1),
      );
      return [name, float32(values, shape)];
    }),
  );
}

/** The parameters as constants of a graph: what sampling wants (constant weights run 1.5 times as fast). */
export function constantWeights(parameters: Parameters): Weights {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, constant(value)]));
}

/** Checks that the parameters are those of the network. @throws DataError naming the first that is not */
export function checkParameters(
  specs: readonly ParameterSpec[],
  parameters: Parameters,
  where: string,
): void {
  for (const { name, shape } of specs) {
    const found = parameters[name];
    if (!found || !sameShape(found.shape, shape))
      throw new DataError(
        `${where}: parameter ${name} must be ${formatShape(shape)}, got ${found ? formatShape(found.shape) : "none"}. The weights belong to another network.`,
      );
  }
}

/**
 * All parameters as one vector, in the order of the specs. Training keeps them so: one optimizer step is then a
 * dozen operators on one tensor instead of a dozen for each of a hundred parameters.
 */
export function flatten(specs: readonly ParameterSpec[], parameters: Parameters): HostArray<"float32"> {
  const flat = new Float32Array(countParameters(specs));
  let offset = 0;
  for (const { name, shape } of specs) {
    flat.set(parameters[name]!.data, offset);
    offset += sizeOf(shape);
  }
  return float32(flat);
}

/** The inverse of `flatten`; the arrays are copies. */
export function unflatten(specs: readonly ParameterSpec[], flat: HostArray<"float32">): Parameters {
  let offset = 0;
  return Object.fromEntries(
    specs.map(({ name, shape }) => {
      offset += sizeOf(shape);
      return [name, float32(flat.data.slice(offset - sizeOf(shape), offset), shape)];
    }),
  );
}

/** The tensors of the parameters inside a flat vector. */
export function sliceWeights(specs: readonly ParameterSpec[], flat: Tensor): Weights {
  let offset = 0;
  return Object.fromEntries(
    specs.map(({ name, shape }) => {
      offset += sizeOf(shape);
      return [name, reshape(slice(flat, 0, offset - sizeOf(shape), offset), shape)];
    }),
  );
}

/** One vector of tensors in the order of the specs: gradients next to `sliceWeights`. */
export function joinWeights(specs: readonly ParameterSpec[], weights: Weights): Tensor {
  return concat(
    specs.map(({ name }) => reshape(weights[name]!, [-1])),
    0,
  );
}
