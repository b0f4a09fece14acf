/** Conventions of other software, for what diem states by masks, variances and the order of axes. */

import { DataError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { CODE_OPERATORS } from "../../operators/code.ts";
import { operatorKind } from "../../operators/registry.ts";
import type { ArrayRows } from "../arrays/array-rows.ts";
import { broadcastRows, mappedRows, movedRows, reshapedRows } from "../arrays/row-views.ts";
import { hideMissing, type Missing } from "./missing.ts";
import { expectAxes, type ObservationParts } from "./observation-arrays.ts";

/** What the numbers that describe the noise are. An inverse variance of 0 marks an entry that was not measured. */
export type NoiseMeans = "variance" | "deviation" | "inverse-variance";

/** Conventions of the arrays that `adoptConventions` takes. */
export interface Conventions {
  /** What the numbers of the noise are. An infinite variance marks an entry that was not measured. Default "variance". */
  readonly noise?: NoiseMeans;
  /**
   * What is missing of y: entries that are NaN, or none, which y alone does not tell. Default: what a mask or the noise says; NaN is an
   * error.
   */
  readonly missing?: Missing | undefined;
  /** What a mask of 1 means. Default "seen". */
  readonly maskMeans?: "seen" | "hidden" | undefined;
  /** Where the channels are: [n, C, ...] or [n, ..., C]. Default "first", with an error if y looks like "last". */
  readonly channels?: "first" | "last" | undefined;
}

type Parts = ObservationParts<ArrayRows>;

/**
 * Brings the parts of observations into diem's own conventions: real numbers, channels first, variances, and a mask that hides
 * what is missing.
 * @throws DataError if the arrays do not fit each other, or seem to follow another convention
 */
export async function adoptConventions(
  parts: Parts,
  { noise = "variance", missing, maskMeans = "seen", channels }: Conventions,
  where: string,
): Promise<Parts> {
  expectAxes(parts.y.shape, where);
  const channelled = orderChannels(parts, channels);
  const real = realParts(channelled, where);
  const { mask, ...data } = real.data;
  const seen = mask && (maskMeans === "hidden" ? mappedRows(mask, (value) => 1 - value) : mask);
  const stated = { ...real, data: { ...data, ...(seen && { mask: seen }) } };
  return await hideMissing({ ...stated, noiseVariance: variances(stated, noise) }, missing, where);
}

const TO_VARIANCE: Readonly<Record<NoiseMeans, (value: number) => number>> = {
  variance: (v) => v,
  deviation: (s) => s * Math.abs(s), // a negative one must not become a variance
  "inverse-variance": (w) => (w === 0 ? Number.POSITIVE_INFINITY : 1 / w),
};

/** The noise's variance, for each entry of y where it is an array. */
function variances({ y, noiseVariance: given }: Parts, noise: NoiseMeans): number | ArrayRows {
  const toVariance = TO_VARIANCE[noise];
  if (typeof given === "number")
    return noise === "variance" ? given : Number(toVariance(given).toPrecision(15));
  const spread = broadcastRows(given, y.shape as [number, ...number[]]);
  return noise === "variance" ? spread : mappedRows(spread, toVariance);
}

/** Moves the channels of what lies on y's axes in front of the others. */
function orderChannels(parts: Parts, channels: Conventions["channels"]): Parts {
  const { y, data, noiseVariance, operator } = parts;
  const rank = rankOf(y);
  if (channels === undefined) refuseChannelsLast(y, operator?.name);
  if (channels !== "last" || rank < 3) return parts;
  const move = (array: ArrayRows) => (rankOf(array) === rank ? movedRows(array, rank - 1, 1) : array);
  return {
    ...parts,
    y: move(y),
    data: { ...data, ...(data.mask && { mask: move(data.mask) }) },
    noiseVariance: typeof noiseVariance === "number" ? noiseVariance : move(noiseVariance),
  };
}

/** Axes without that of real and imaginary part. */
function rankOf({ shape, isComplex }: ArrayRows): number {
  return shape.length - (isComplex ? 1 : 0);
}

/** So few are channels, or real and imaginary part; so many, and more, are places. */
const MOST_CHANNELS = 4;

/** @throws DataError if the last of y's axes looks like the channels' */
function refuseChannelsLast(y: ArrayRows, operator: string | undefined): void {
  const isByPlace = operator !== undefined && operatorKind(operator)?.arrays?.includes("matrix");
  if (isByPlace || CODE_OPERATORS.some((code) => code === operator)) return;
  const shape = y.shape.slice(0, rankOf(y));
  const [, ...row] = shape;
  const places = row.slice(0, -1);
  if (places.length > 0 && row.at(-1)! <= MOST_CHANNELS && places.every((size) => size > MOST_CHANNELS))
    throw new DataError(
      `${y.name}: expected channels first, [n, C, ...], found ${formatShape(shape)}, which looks like channels last. Give --channels last; --channels first if that is not so.`,
    );
}

/** Complex y and sensitivity maps as real and imaginary part, along the axis that the operator has for them. */
function realParts(parts: Parts, where: string): Parts {
  const axis = 1 + (operatorKind(parts.operator?.name ?? "")?.complexAxis ?? 0);
  const others = { ...parts.data, noise: parts.noiseVariance };
  for (const [name, array] of Object.entries(others))
    if (typeof array !== "number" && array.isComplex && name !== "maps")
      throw new DataError(
        `${where}: expected real numbers, found complex ones in ${array.name}. Give real and imaginary part, e.g. numpy.stack([a.real, a.imag], axis=1).`,
      );
  const { maps } = parts.data;
  return {
    ...parts,
    y: partsAlong(parts.y, axis),
    data: { ...parts.data, ...(maps && { maps: partsAlong(maps, axis) }) },
  };
}

/** The last axis of complex numbers, that of their parts, in another place, where an axis of 1 makes room for it. */
function partsAlong(array: ArrayRows, axis: number): ArrayRows {
  if (!array.isComplex) return array;
  const last = array.shape.length - 1;
  const moved = movedRows(array, last, axis);
  const isSingle = last - 1 > axis && array.shape[axis] === 1;
  return {
    ...(isSingle ? reshapedRows(moved, moved.shape.slice(1).toSpliced(axis, 1)) : moved),
    isComplex: false,
  };
}
