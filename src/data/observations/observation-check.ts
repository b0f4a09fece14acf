/** What every batch of observations must satisfy, read or written. */

import { firstNonFinite, type HostArray, rows } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { formatShape, sameShape, sizeOf } from "../../core/shape.ts";
import type { OperatorFamily } from "../../operators/operator.ts";
import { ZERO_NOISE } from "./observation-header.ts";
import type { ObservationKind } from "./observation-kind.ts";

/** A batch of n observations. */
export interface ObservationBatch {
  /** Measurements, [n, ...observationShape]; 0 where a mask hides the entry. */
  readonly y: HostArray<"float32">;
  /** The operator's data by name, [n, ...shape]; masks as 0 and 1. */
  readonly data: Readonly<Record<string, HostArray<"float32">>>;
  /** Variances of the noise, [n, ...observationShape]; present exactly if the header's noiseVariance is "array". */
  readonly noiseVariance?: HostArray<"float32">;
}

/** The batch with each of its arrays mapped, for instance to some of its rows. */
export function mapBatch(
  { y, data, noiseVariance }: ObservationBatch,
  map: (array: HostArray<"float32">) => HostArray<"float32">,
): ObservationBatch {
  return {
    y: map(y),
    data: Object.fromEntries(Object.entries(data).map(([name, array]) => [name, map(array)])),
    ...(noiseVariance && { noiseVariance: map(noiseVariance) }),
  };
}

/**
 * Checks a batch, and sets y to 0 in place where a mask hides it: whatever was stored there was not observed.
 * @param first index of the batch's first observation, for messages
 * @throws DataError naming the observation and entry
 */
export function checkBatch(
  batch: ObservationBatch,
  { header, family }: ObservationKind,
  first: number,
  where: string,
): void {
  const count = batch.y.shape[0] ?? 0;
  expectArray(batch.y, "y", [count, ...header.observationShape], where);
  const at = (array: HostArray, flat: number) => {
    const size = sizeOf(array.shape.slice(1));
    return `${where}: observation ${first + Math.floor(flat / size)}, entry ${flat % size}`;
  };
  for (const [name, shape] of Object.entries(family.data)) {
    const array = batch.data[name];
    expectArray(array, name, [count, ...shape], where);
    if (name in family.masks) checkMask(array, name, at);
    else checkValues(array, name, at);
    if (!(name in family.masks) && !family.parameters?.includes(name)) refuseZeros(array, name, first, where);
  }
  hideUnobserved(batch, family, first, where);
  const wrong = firstNonFinite(batch.y.data);
  if (wrong >= 0)
    throw new DataError(
      `${at(batch.y, wrong)}: y is ${batch.y.data[wrong]}. Remove that observation, or hide the entry behind a mask: diem import takes NaN for missing with --missing nan.`,
    );
  checkNoise(batch, header, where, at);
}

type At = (array: HostArray, flat: number) => string;

function checkMask(mask: HostArray<"float32">, name: string, at: At): void {
  const wrong = mask.data.findIndex((value) => value !== 0 && value !== 1);
  if (wrong >= 0)
    throw new DataError(
      `${at(mask, wrong)}: expected a ${name} of 0 or 1, found ${mask.data[wrong]}. Correct the ${name}.`,
    );
}

function checkValues(array: HostArray<"float32">, name: string, at: At): void {
  const { data } = array;
  const wrong = firstNonFinite(data);
  if (wrong >= 0)
    throw new DataError(
      `${at(array, wrong)}: expected a finite ${name}, found ${data[wrong]}. Correct the ${name}.`,
    );
}

/** An operator whose weights are all zero measures nothing. */
function refuseZeros(
  { data, shape }: HostArray<"float32">,
  name: string,
  first: number,
  where: string,
): void {
  const size = sizeOf(shape.slice(1));
  for (let start = 0; start < data.length; start += size) {
    if (data.subarray(start, start + size).every((value) => value === 0))
      throw new DataError(
        `${where}: observation ${first + start / size}: expected something observed, found a ${name} of zeros. Remove that observation.`,
      );
  }
}

/** Sets y to 0 where a mask hides it. @throws DataError if nothing of an observation is left */
export function hideUnobserved(
  { y, data }: ObservationBatch,
  { masks, observationShape }: OperatorFamily,
  first: number,
  where: string,
): void {
  const hiding = Object.entries(masks).filter(([, covers]) => covers.some((index) => index >= 0));
  if (hiding.length === 0) return;
  const size = sizeOf(observationShape);
  for (let row = 0; row * size < y.data.length; row++) {
    const hidden = new Uint8Array(size);
    for (const [name, covers] of hiding) {
      const mask = rows(data[name]!, row, row + 1).data;
      // Where the mask does not cover an entry, the index -1 gives undefined.
      for (let entry = 0; entry < size; entry++) if (mask[covers[entry]!] === 0) hidden[entry] = 1;
    }
    for (let entry = 0; entry < size; entry++) if (hidden[entry]) y.data[row * size + entry] = 0;
    if (!hidden.includes(0))
      throw new DataError(
        `${where}: observation ${first + row}: expected something observed, found a mask of zeros. Remove that observation.`,
      );
  }
}

function checkNoise(batch: ObservationBatch, header: ObservationKind["header"], where: string, at: At): void {
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

/** @throws DataError unless the patterns of the noise are finite and fit the observations, naming the entry */
export function checkNoiseFactor(
  factor: HostArray<"float32"> | undefined,
  { noiseRank, observationShape }: Pick<ObservationKind["header"], "noiseRank" | "observationShape">,
  where: string,
): void {
  if (noiseRank === undefined) {
    if (factor)
      throw new DataError(
        `${where}: expected no noise_factor without noiseRank, found one. Set noiseRank to ${factor.shape.at(-1)}.`,
      );
    return;
  }
  expectArray(factor, "noise_factor", [...observationShape, noiseRank], where);
  const wrong = firstNonFinite(factor.data);
  if (wrong >= 0)
    throw new DataError(
      `${where}: noise_factor, entry ${Math.floor(wrong / noiseRank)}, column ${wrong % noiseRank}: expected a finite number, found ${factor.data[wrong]}. Correct it.`,
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
