/** What every batch of observations must satisfy, read or written. */

import { firstNonFinite, type HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { formatShape, sameShape, sizeOf } from "../core/shape.ts";
import { maskIndices } from "../operators/mask.ts";
import { type ObservationHeader, ZERO_NOISE } from "./observation-header.ts";

/** Observations side by side; n of them. */
export interface ObservationBatch {
  /** [n, ...observationShape]; 0 where a mask hides the entry. */
  readonly y: HostArray<"float32">;
  /** For "mask": mask, [n, ...maskShape] of 0 and 1. For "matrix": matrix, [n, M, N]. */
  readonly data: Readonly<Record<string, HostArray<"float32">>>;
  /** [n, ...observationShape]; present exactly if the header's noiseVariance is "array". */
  readonly noiseVariance?: HostArray<"float32">;
}

/** The operator's own data: their key in `ObservationBatch.data` and their shape for one observation. */
export function operatorData(header: ObservationHeader): { name: string; shape: readonly number[] } {
  const { operator, observationShape, latentShape } = header;
  if (operator.name === "mask") return { name: "mask", shape: operator.maskShape };
  return { name: "matrix", shape: [sizeOf(observationShape), sizeOf(latentShape)] };
}

/**
 * Checks a batch, and sets y to 0 in place where a mask hides it: whatever was stored there was not observed.
 * @param first index of the batch's first observation, for messages
 * @throws DataError naming the observation and entry
 */
export function checkBatch(
  batch: ObservationBatch,
  header: ObservationHeader,
  first: number,
  where: string,
): void {
  const count = batch.y.shape[0] ?? 0;
  const { name, shape } = operatorData(header);
  const operator = batch.data[name];
  expectArray(batch.y, "y", [count, ...header.observationShape], where);
  expectArray(operator, name, [count, ...shape], where);
  const at = (array: HostArray, flat: number) => {
    const size = sizeOf(array.shape.slice(1));
    return `${where}: observation ${first + Math.floor(flat / size)}, entry ${flat % size}`;
  };
  checkOperator(operator, name, first, where, at);
  if (header.operator.name === "mask") hideUnobserved(batch.y, operator, header);
  const wrong = firstNonFinite(batch.y.data);
  if (wrong >= 0)
    throw new DataError(
      `${at(batch.y, wrong)}: y is ${batch.y.data[wrong]}. Remove that observation, or mark the entry as not observed.`,
    );
  checkNoise(batch, header, where, at);
}

type At = (array: HostArray, flat: number) => string;

function checkOperator(
  operator: HostArray<"float32">,
  name: string,
  first: number,
  where: string,
  at: At,
): void {
  const { data, shape } = operator;
  const size = sizeOf(shape.slice(1));
  const isRight = name === "mask" ? (value: number) => value === 0 || value === 1 : Number.isFinite;
  const wrong = data.findIndex((value) => !isRight(value));
  if (wrong >= 0)
    throw new DataError(
      `${at(operator, wrong)}: expected ${name === "mask" ? "a mask of 0 or 1" : "a finite matrix"}, found ${data[wrong]}. Correct the ${name}.`,
    );
  for (let start = 0; start < data.length; start += size) {
    if (data.subarray(start, start + size).every((value) => value === 0))
      throw new DataError(
        `${where}: observation ${first + start / size}: expected something observed, found a ${name} of zeros. Remove that observation.`,
      );
  }
}

function hideUnobserved(
  y: HostArray<"float32">,
  mask: HostArray<"float32">,
  header: ObservationHeader,
): void {
  const maskShape = mask.shape.slice(1);
  const indices = maskIndices(maskShape, header.latentShape);
  const width = sizeOf(maskShape);
  for (let flat = 0; flat < y.data.length; flat++) {
    const entry = flat % indices.length;
    const row = (flat - entry) / indices.length;
    if (mask.data[row * width + indices[entry]!] === 0) y.data[flat] = 0;
  }
}

function checkNoise(batch: ObservationBatch, header: ObservationHeader, where: string, at: At): void {
  const { noiseVariance, y } = batch;
  if (header.noiseVariance !== "array") {
    if (noiseVariance !== undefined)
      throw new DataError(
        `${where}: expected no noise_variance beside noiseVariance ${header.noiseVariance}, found one. Set noiseVariance to "array".`,
      );
    return;
  }
  expectArray(noiseVariance, "noise_variance", y.shape, where);
  const { data } = noiseVariance;
  const wrong = data.findIndex((value) => !(Number.isFinite(value) && value > 0));
  if (wrong >= 0)
    throw new DataError(
      `${at(noiseVariance, wrong)}: expected a noise variance above 0 and finite, found ${data[wrong]}. ${ZERO_NOISE}`,
    );
}

function expectArray(
  array: HostArray<"float32"> | undefined,
  name: string,
  shape: readonly number[],
  where: string,
): asserts array is HostArray<"float32"> {
  if (array === undefined)
    throw new DataError(`${where}: expected an array ${name}, found none. Add it to the batch.`);
  if (array.dtype !== "float32" || !sameShape(array.shape, shape))
    throw new DataError(
      `${where}: expected ${name} float32 ${formatShape(shape)}, found ${array.dtype} ${formatShape(array.shape)}. Reshape or convert it first.`,
    );
}
