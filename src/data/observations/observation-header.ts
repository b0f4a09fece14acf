/** What a folder of observations says about itself. */

import { DataError } from "../../core/errors.ts";
import { isRecord, show } from "../../core/json.ts";
import { didYouMean } from "../../core/nearest.ts";
import { expectedShape, isShape, type OperatorSpec } from "../../operators/spec.ts";

export const OBSERVATION_FORMAT = "diem-observations";
export const OBSERVATION_VERSION = 1;

/** The attribute "diem" of the Zarr group. */
export interface ObservationHeader {
  readonly format: typeof OBSERVATION_FORMAT;
  readonly version: typeof OBSERVATION_VERSION;
  /** How x became y; its data lie beside y. */
  readonly operator: OperatorSpec;
  /** Shape of one x. */
  readonly latentShape: readonly number[];
  /** Shape of one y, as the operator makes it from the latent shape. */
  readonly observationShape: readonly number[];
  /** Variance of the noise on every entry of y, in the squared units of y, or "array": one for each entry. */
  readonly noiseVariance: number | "array";
  /** Number of patterns that the noise of all observations shares besides: columns of L in Sigma_y = diag(d) + L L'. */
  readonly noiseRank?: number;
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
  "noiseRank",
  "units",
  "range",
];

/**
 * Checks a header, but for its operator: what that is made of is made when the observations are known to be there.
 * @param where the folder, for messages
 * @throws DataError naming the first field that is missing, unknown or wrong
 */
export function parseObservationHeader(value: unknown, where: string): ObservationHeader {
  const fail = (field: string, expected: string, found: unknown, remedy = "Correct the header.") =>
    new DataError(`${where}: ${field}: expected ${expected}, found ${show(found)}. ${remedy}`);
  if (!isRecord(value))
    throw fail("attribute diem", "a header", value, `Write it as format "${OBSERVATION_FORMAT}".`);
  const { format, version, latentShape, observationShape, noiseVariance, noiseRank, units, range } = value;
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
  if (!isShape(latentShape)) throw fail("latentShape", expectedShape(latentShape), latentShape);
  if (!isShape(observationShape))
    throw fail("observationShape", expectedShape(observationShape), observationShape);
  if (noiseVariance !== "array" && !(isFiniteNumber(noiseVariance) && noiseVariance > 0))
    throw fail("noiseVariance", 'a number above 0, or "array"', noiseVariance, ZERO_NOISE);
  if (noiseRank !== undefined && !isShape([noiseRank]))
    throw fail("noiseRank", "a positive integer", noiseRank);
  const factor = [...observationShape, noiseRank ?? 1];
  if (!isShape(factor)) throw fail("noiseRank", `${expectedShape(factor)} of noise_factor`, noiseRank);
  if (units !== undefined && typeof units !== "string") throw fail("units", "text", units);
  if (range !== undefined && !isRange(range)) throw fail("range", "[smallest, largest]", range);
  const operator = value.operator as OperatorSpec; // checked when its family is made
  return {
    format,
    version,
    operator,
    latentShape,
    observationShape,
    noiseVariance,
    ...(noiseRank === undefined ? {} : { noiseRank: noiseRank as number }),
    ...(units === undefined ? {} : { units }),
    ...(range === undefined ? {} : { range }),
  };
}

/** The remedy for a variance of zero: the likelihood would be a delta, which no posterior method accepts. */
export const ZERO_NOISE = "Use a small variance such as 1e-6 for observations without noise.";

function isFiniteNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isRange(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isFiniteNumber) && value[0]! < value[1]!;
}
