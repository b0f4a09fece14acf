/** What a folder of observations says about itself. */

import { DataError } from "../core/errors.ts";
import { isRecord, show } from "../core/json.ts";
import { didYouMean } from "../core/nearest.ts";
import { sameShape, sizeOf } from "../core/shape.ts";
import { isMaskShape } from "../operators/mask.ts";

export const OBSERVATION_FORMAT = "diem-observations";
export const OBSERVATION_VERSION = 1;

/** Operators that can be stored, each with data of its own per observation. */
export const STORED_OPERATORS = ["mask", "matrix"] as const;

/** y = m * x with a mask m of 0 and 1, or y = M x with a matrix M over the flattened x. */
export type StoredOperator =
  | { readonly name: "mask" /** Broadcastable to the latent shape. */; readonly maskShape: readonly number[] }
  | { readonly name: "matrix" };

/** The attribute "diem" of the Zarr group. */
export interface ObservationHeader {
  readonly format: typeof OBSERVATION_FORMAT;
  readonly version: typeof OBSERVATION_VERSION;
  readonly operator: StoredOperator;
  /** Shape of one x. */
  readonly latentShape: readonly number[];
  /** Shape of one y; that of x where the operator is a mask. */
  readonly observationShape: readonly number[];
  /** Variance of the noise on every entry of y, in the squared units of y, or "array": one for each entry. */
  readonly noiseVariance: number | "array";
  /** Units of x, for reports. */
  readonly units?: string;
  /** Smallest and largest value that x is meant to take, for pictures. */
  readonly range?: readonly [number, number];
}

/** A header to be written; format and version are filled in. */
export type NewObservationHeader = Omit<ObservationHeader, "format" | "version"> &
  Partial<Pick<ObservationHeader, "format" | "version">>;

const FIELDS = [
  "format",
  "version",
  "operator",
  "latentShape",
  "observationShape",
  "noiseVariance",
  "units",
  "range",
];

/**
 * Checks a header.
 * @param where the folder, for messages
 * @throws DataError naming the first field that is missing, unknown or wrong
 */
export function parseObservationHeader(value: unknown, where: string): ObservationHeader {
  const fail = (field: string, expected: string, found: unknown, remedy = "Correct the header.") =>
    new DataError(`${where}: ${field}: expected ${expected}, found ${show(found)}. ${remedy}`);
  if (!isRecord(value))
    throw fail("attribute diem", "a header", value, `Write it as format "${OBSERVATION_FORMAT}".`);
  const { format, version, latentShape, observationShape, noiseVariance, units, range } = value;
  if (format !== OBSERVATION_FORMAT) throw fail("format", `"${OBSERVATION_FORMAT}"`, format);
  if (version !== OBSERVATION_VERSION)
    throw fail(
      "version",
      `${OBSERVATION_VERSION}`,
      version,
      "Write the folder again, or use a diem that knows this version.",
    );
  const unknown = Object.keys(value).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined)
    throw fail("header", `fields ${FIELDS.join(", ")}`, unknown, `Remove it.${didYouMean(unknown, FIELDS)}`);
  if (!isShape(latentShape)) throw fail("latentShape", "positive integers", latentShape);
  if (!isShape(observationShape)) throw fail("observationShape", "positive integers", observationShape);
  if (noiseVariance !== "array" && !(isFiniteNumber(noiseVariance) && noiseVariance > 0))
    throw fail("noiseVariance", 'a number above 0, or "array"', noiseVariance, ZERO_NOISE);
  if (units !== undefined && typeof units !== "string") throw fail("units", "text", units);
  if (range !== undefined && !isRange(range)) throw fail("range", "[smallest, largest]", range);
  const operator = parseOperator(value.operator, latentShape, observationShape, fail);
  return {
    format,
    version,
    operator,
    latentShape,
    observationShape,
    noiseVariance,
    ...(units === undefined ? {} : { units }),
    ...(range === undefined ? {} : { range }),
  };
}

/** The remedy for a variance of zero: the likelihood would be a delta, which no posterior method accepts. */
export const ZERO_NOISE = "Use a small variance such as 1e-6 for observations without noise.";

type Fail = (field: string, expected: string, found: unknown, remedy?: string) => DataError;

function parseOperator(
  value: unknown,
  latentShape: readonly number[],
  observationShape: readonly number[],
  fail: Fail,
): StoredOperator {
  const name = isRecord(value) ? value.name : undefined;
  if (!isRecord(value) || (name !== "mask" && name !== "matrix")) {
    const remedy = typeof name === "string" ? didYouMean(name, STORED_OPERATORS) : "";
    throw fail(
      "operator.name",
      `one of ${STORED_OPERATORS.join(", ")}`,
      name,
      `Correct the header.${remedy}`,
    );
  }
  if (name === "matrix") return { name };
  const { maskShape } = value;
  if (!isShape(maskShape)) throw fail("operator.maskShape", "positive integers", maskShape);
  if (!isMaskShape(maskShape, latentShape))
    throw fail("operator.maskShape", `a shape that broadcasts to [${latentShape}]`, maskShape);
  if (!sameShape(observationShape, latentShape))
    throw fail("observationShape", `the latent shape [${latentShape}] of a mask`, observationShape);
  return { name, maskShape };
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** At least one axis, and small enough that an index fits 32 bits. */
function isShape(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((size) => Number.isSafeInteger(size) && size > 0) && sizeOf(value) < 2 ** 31;
}

function isRange(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isFiniteNumber) && value[0]! < value[1]!;
}
