import { float32 } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { isRecord, parseJson, show } from "../../core/json.ts";
import { arrayShape, interval, type Kind, list, oneOf, positive, text, whole } from "../../core/kinds.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import { SPACINGS } from "../../diffusion/schedule.ts";
import { BASES } from "../model.ts";
import {
  EXPORT_FORMAT,
  EXPORT_KEY,
  EXPORT_VERSION,
  EXPORTS,
  type ExportDescription,
  type GaussianText,
} from "./description.ts";

type Kinds = Readonly<Record<string, Kind<unknown>>>;

/** Fields that are used; those with a question mark may be left out. */
const FIELDS: Kinds = {
  what: oneOf(EXPORTS),
  latentShape: arrayShape,
  noiseScale: list(positive, "numbers above 0", 1),
  priorSteps: whole(1),
  "range?": interval,
};
const SCHEDULE: Kinds = { sigmaMin: positive, sigmaMax: positive, spacing: oneOf(SPACINGS) };
const START: Kinds = { base: oneOf(BASES), rank: whole(0), base64: text };

/**
 * What the metadata of a file say, if diem wrote it.
 * @throws DataError if they are of another version, or damaged
 */
export function readDescription(
  metadata: Readonly<Record<string, string>>,
  where: string,
): ExportDescription | undefined {
  const written = metadata[EXPORT_KEY];
  if (written === undefined) return undefined;
  const fail = (field: string, expected: string, found: unknown) =>
    new DataError(
      `${where}: metadata ${EXPORT_KEY}${field}: expected ${expected}, found ${show(found)}. Export the file again with this diem.`,
    );
  const check = (value: unknown, kinds: Kinds, path: string) => {
    if (!isRecord(value)) throw fail(path, "an object", value);
    for (const [key, kind] of Object.entries(kinds)) {
      const field = key.replace("?", "");
      if (value[field] === undefined && key !== field) continue;
      if (!kind.accepts(value[field])) throw fail(`${path}.${field}`, kind.expected, value[field]);
    }
  };
  const found = jsonOf(written);
  if (!isRecord(found)) throw fail("", "a JSON object", written);
  check(found, { format: oneOf([EXPORT_FORMAT]), version: exactly(EXPORT_VERSION) }, "");
  check(found, FIELDS, "");
  check(found.schedule, SCHEDULE, ".schedule");
  check(found.start, START, ".start");
  const description = found as unknown as ExportDescription; // its fields were checked by their kinds
  const [C] = description.latentShape;
  if (description.noiseScale.length !== C) throw fail(".noiseScale", `${C} numbers`, description.noiseScale);
  return description;
}

function exactly(version: number): Kind<number> {
  return {
    ...whole(version),
    expected: `${version}`,
    accepts: (value): value is number => value === version,
  };
}

function jsonOf(written: string): unknown {
  try {
    return parseJson(written);
  } catch {
    return undefined;
  }
}

/** The start, in coordinates x / scale. @param scale [N] @throws DataError if it has another size */
export function startGaussian({ rank, base64 }: GaussianText, scale: Float64Array, where: string): Gaussian {
  const N = scale.length;
  const bytes = bytesOf(base64);
  if (bytes?.length !== 4 * N * (rank + 2))
    throw new DataError(
      `${where}: expected a start of ${N * (rank + 2)} numbers, found ${bytes ? `${bytes.length} bytes` : "no base64"}. Export the file again.`,
    );
  const numbers = new Float32Array(bytes.buffer);
  return {
    mean: float32(numbers.subarray(0, N).map((value, i) => value / scale[i]!)),
    diagonal: float32(withoutRounding(numbers.subarray(N, 2 * N), scale)),
    factor: float32(
      numbers.subarray(2 * N).map((value, at) => value / scale[Math.floor(at / rank)]!),
      [N, rank],
    ),
  };
}

/** How far variances may be from their mean and be one: that of float32 in the data's units, twice rounded. */
const ROUNDING = 4 * 2 ** -23;

/** Variances over scale^2. Those of a start of diem's are one variance, but for the rounding of each in the data's units. */
function withoutRounding(variances: Float32Array, scale: Float64Array): Float32Array {
  const own = Float64Array.from(variances, (value, i) => value / scale[i]! ** 2);
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  const isOne = own.every((value) => Math.abs(value - mean) <= ROUNDING * mean);
  return isOne ? new Float32Array(own.length).fill(mean) : Float32Array.from(own);
}

/** undefined if the text is no base64. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
