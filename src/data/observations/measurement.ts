/** How programs take observations: what they are fed, and the measurement that the inputs stand for. */
import { float32, type HostArray } from "../../core/array.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { add, constant, expand, input, mul, reshape, sub, type Tensor } from "../../graph/index.ts";
import { seenEntries } from "../../operators/measured.ts";
import type { Measurement } from "../../posterior/posterior.ts";
import type { ObservationBatch } from "./observation-check.ts";
import type { ObservationKind } from "./observation-kind.ts";

/** The operator's data among a program's inputs; they are named by users, and must not meet other inputs' names. */
const inputName = (data: string) => `data.${data}`;

function underInputNames<T>(data: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [inputName(name), value]));
}

/** What of an observation a program takes as inputs: y, the operator's data and, if it varies, the noise variance. */
export function conditionShapes({ header, family }: ObservationKind): Record<string, Shape> {
  return {
    y: header.observationShape,
    ...underInputNames(family.data),
    ...(header.noiseVariance === "array" && { noiseVariance: header.observationShape }),
  };
}

/** The inputs of a program for n observations. */
export function conditionInputs(kind: ObservationKind, n: number): Record<string, Tensor> {
  const inputs = Object.entries(conditionShapes(kind)).map(([name, shape]) => [name, input([n, ...shape])]);
  return Object.fromEntries(inputs);
}

/** The arrays of a batch under the names of `conditionShapes`. */
export function conditionArrays(batch: ObservationBatch): Record<string, HostArray<"float32">> {
  return {
    y: batch.y,
    ...underInputNames(batch.data),
    ...(batch.noiseVariance && { noiseVariance: batch.noiseVariance }),
  };
}

/** The operator's data among such inputs, under the names that the operator knows. */
export function operatorData(
  { family }: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return Object.fromEntries(Object.keys(family.data).map((name) => [name, conditions[inputName(name)]!]));
}

/**
 * The measurement that such inputs stand for. In coordinates x = shift + scale z of unit u (y is then y / u already)
 *   y - A(shift) / u = A(scale z) / u + n  if A is linear, else  y = A(shift + scale z) / u + n.
 */
export function bindMeasurement(
  kind: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Measurement {
  const { header, family, coordinates } = kind;
  const diagonal = header.noiseVariance === "array" ? conditions.noiseVariance! : header.noiseVariance;
  const factor = noiseFactor(kind, conditions);
  const own = family.bind(operatorData(kind, conditions));
  const y = conditions.y!;
  const linear = family.linear ?? true;
  const common = { variance: factor ? { diagonal, factor } : diagonal, linear };
  if (!coordinates) return { operator: own, y, ...common };
  const { shift, scale, unit } = coordinates;
  const latent = (values: Float64Array, over: number) =>
    constant(
      float32(
        Float32Array.from(values, (value) => value / over),
        [1, ...header.latentShape],
      ),
    );
  if (!linear) {
    const place = (z: Tensor) => add(latent(shift.data, 1), mul(latent(scale.data, 1), z));
    return { operator: (z) => mul(own(place(z)), 1 / unit), y, ...common };
  }
  const [gains, centre] = [latent(scale.data, unit), latent(shift.data, unit)];
  const isPlain = scale.data.every((value) => value === unit);
  return {
    operator: isPlain ? own : (z) => own(mul(gains, z)),
    y: sub(y, own(expand(centre, [y.shape[0]!, ...header.latentShape]))),
    ...common,
  };
}

/**
 * The patterns of the noise, [1 or B, M, r]. Where a mask hides y its rows are zero: the 0 that stands there was not
 * measured, and tells nothing of the noise that it would share with others.
 */
function noiseFactor(
  kind: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Tensor | undefined {
  const { family, noiseFactor: shared } = kind;
  if (!shared) return undefined;
  const M = sizeOf(family.observationShape);
  const L = constant(float32(shared.data, [1, M, shared.shape.at(-1)!]));
  const B = conditions.y!.shape[0]!;
  const seen = seenEntries(family, operatorData(kind, conditions), B);
  return seen ? mul(L, reshape(seen, [B, M, 1])) : L;
}

/** Shape of the normal numbers that a draw of the noise takes for its patterns, if there are any. */
export function patternShape({ noiseFactor }: ObservationKind): { readonly patterns?: Shape } {
  return noiseFactor ? { patterns: [noiseFactor.shape.at(-1)!] } : {};
}
