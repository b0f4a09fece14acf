/** The header of a folder of observations. */

import { DataError } from "../../core/errors.ts";
import { isRecord, show } from "../../core/json.ts";
import { arrayShape, either, interval, type Kind, oneOf, positive, text, whole } from "../../core/kinds.ts";
import { didYouMean } from "../../core/nearest.ts";
import type { OperatorSpec } from "../../operators/spec.ts";

export const OBSERVATION_FORMAT = "diem-observations";
export const OBSERVATION_VERSION = 1;
/** The format of a folder with several kinds of observations. */
export const MERGED_FORMAT = "diem-merged-observations";

/** The header of a folder of observations: the attribute "diem" of the Zarr group. */
export interface ObservationHeader {
  readonly format: typeof OBSERVATION_FORMAT;
  readonly version: typeof OBSERVATION_VERSION;
  /** The operator that made y of x; its data are arrays beside y. */
  readonly operator: OperatorSpec;
  /** Shape of one x. */
  readonly latentShape: readonly number[];
  /** Shape of one y, as the operator makes it from the latent shape. */
  readonly observationShape: readonly number[];
  /** Variance of the noise on every entry of y, in the squared units of y, or "array": one for each entry. */
  readonly noiseVariance: number | "array";
  /** Columns of L in Sigma_y = diag(d) + L L': the number of patterns of the noise. */
  readonly noiseRank?: number;
  /** Units of x, for reports. */
  readonly units?: string;
  /** Smallest and largest value of clean x: draws are kept inside, and pictures use it. */
  readonly range?: readonly [number, number];
}

/** A header to be written; format and version are filled in. */
export type NewObservationHeader = Omit<ObservationHeader, "format" | "version"> &
  Partial<Pick<ObservationHeader, "format" | "version">>;

/** The remedy for a variance of zero: the likelihood would be a delta, which no posterior method accepts. */
export const ZERO_NOISE = "Use a small variance such as 1e-6 for observations without noise.";

const REMEDY = "Correct the header.";

/** Fields beside format, version and operator; those with a question mark may be left out. */
const FIELDS = {
  latentShape: { kind: arrayShape },
  observationShape: { kind: arrayShape },
  noiseVariance: { kind: either(positive, oneOf(["array"])), remedy: ZERO_NOISE },
  "noiseRank?": { kind: whole(1) },
  "units?": { kind: text },
  "range?": { kind: interval },
} satisfies Record<string, { kind: Kind<unknown>; remedy?: string }>;

const NAMES = ["format", "version", "operator", ...Object.keys(FIELDS).map((key) => key.replace("?", ""))];

/**
 * Checks a header, but for its operator: what that is made of is made when the observations are known to be there.
 * @param where the folder, for messages
 * @throws DataError naming the first field that is missing, unknown or wrong
 */
export function parseObservationHeader(value: unknown, where: string): ObservationHeader {
  const fail = (field: string, expected: string, found: unknown, remedy = REMEDY) =>
    new DataError(`${where}: ${field}: expected ${expected}, found ${show(found)}. ${remedy}`);
  if (!isRecord(value))
    throw fail("attribute diem", "a header", value, `Write it as format "${OBSERVATION_FORMAT}".`);
  const { format, version } = value;
  if (format === MERGED_FORMAT)
    throw new DataError(
      `${where}: expected observations of one kind, found a merged set. Give one of its parts, or open all of them with openObservationSet.`,
    );
  if (format !== OBSERVATION_FORMAT) throw fail("format", `"${OBSERVATION_FORMAT}"`, format);
  if (version !== OBSERVATION_VERSION)
    throw fail(
      "version",
      `${OBSERVATION_VERSION}`,
      version,
      "Write the folder again, or use a diem that knows this version.",
    );
  const unknown = Object.keys(value).find((key) => !NAMES.includes(key));
  if (unknown !== undefined)
    throw fail("header", `fields ${NAMES.join(", ")}`, unknown, `Remove it.${didYouMean(unknown, NAMES)}`);
  for (const [key, { kind, remedy = REMEDY }] of Object.entries<{ kind: Kind<unknown>; remedy?: string }>(
    FIELDS,
  )) {
    const field = key.replace("?", "");
    if (value[field] === undefined && key !== field) continue;
    if (!kind.accepts(value[field])) throw fail(field, kind.expected, value[field], remedy);
  }
  const header = value as unknown as ObservationHeader; // each field was checked by its kind, but for the operator
  const { observationShape, noiseRank } = header;
  if (!arrayShape.accepts([...observationShape, noiseRank ?? 1]))
    throw fail("noiseRank", `${arrayShape.expected}, of noise_factor`, noiseRank);
  return header;
}
