import { float32, toBytes } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { isRecord, parseJson, show } from "../../core/json.ts";
import { isBearable } from "../../core/limits.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import type { Spacing } from "../../diffusion/schedule.ts";
import type { Model } from "../model.ts";
import { noiseScaleOf } from "./border.ts";

/** Name and version of what exported files say of themselves. */
export const EXPORT_FORMAT = "diem-onnx";
export const EXPORT_VERSION = 1;
/** The entry of the model's metadata that holds it, as JSON. */
export const EXPORT_KEY = "diem";

/** What can be exported. */
export const EXPORTS = ["denoiser", "posterior", "sampler"] as const;
export type ExportName = (typeof EXPORTS)[number];

/** What an exported file says of itself; all in the user's units. */
export interface ExportDescription {
  readonly format: typeof EXPORT_FORMAT;
  readonly version: typeof EXPORT_VERSION;
  readonly createdBy: string;
  readonly what: ExportName;
  readonly run: string;
  /** EM iteration, 0 for the Gaussian start. */
  readonly iteration: number;
  readonly latentShape: readonly number[];
  readonly schedule: { readonly sigmaMin: number; readonly sigmaMax: number; readonly spacing: Spacing };
  /** Deviation of the noise on each entry at sigma = 1, for each index of the latent's first axis. */
  readonly noiseScale: readonly number[];
  /** Limits of clean data, inside which samplers keep means; left out where there are none. */
  readonly range?: readonly [number, number];
  /** What samplers begin at: the Gaussian start, or (base "normal") its mean. */
  readonly start: GaussianText;
  /** How the run draws for observations: its configuration's `eStep`. */
  readonly eStep: unknown;
  /** Steps of its samplers of the prior. */
  readonly priorSteps: number;
}

/** A Gaussian N(mean, diag(diagonal) + factor factor') in text. */
export interface GaussianText {
  readonly base: Model["base"];
  readonly rank: number;
  /** mean [N], diagonal [N], factor [N, rank], one after the other: float32, little-endian, base64. */
  readonly base64: string;
}

/** What is known of a model without its run. */
export function describeModel(
  model: Model,
): Pick<ExportDescription, "latentShape" | "schedule" | "noiseScale" | "range" | "start"> {
  const { coordinates, limits, network, schedule } = model;
  const { sigmaMin, sigmaMax, spacing = "geometric" } = schedule;
  const unit = coordinates?.unit ?? 1;
  return {
    latentShape: network.shape,
    schedule: { sigmaMin: sigmaMin * unit, sigmaMax: sigmaMax * unit, spacing },
    noiseScale: noiseScaleOf(coordinates, network.shape),
    ...(limits && { range: limits }),
    start: startOf(model),
  };
}

function startOf({ gaussian, coordinates, base }: Model): GaussianText {
  const { mean, diagonal, factor } = gaussian;
  const rank = factor.shape[1]!;
  const scale = (i: number) => coordinates?.scale.data[i] ?? 1;
  const shift = (i: number) => coordinates?.shift.data[i] ?? 0;
  const numbers = [
    ...mean.data.map((value, i) => shift(i) + scale(i) * value),
    ...diagonal.data.map((value, i) => scale(i) ** 2 * value),
    ...factor.data.map((value, at) => scale(Math.floor(at / rank)) * value),
  ];
  return { base, rank, base64: base64Of(toBytes(float32(numbers))) };
}

/** Bytes in pieces, for arguments of a call are limited. */
function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/**
 * What the metadata of a file say, if diem wrote it.
 * @throws DataError if they are of another version, or damaged
 */
export function readDescription(
  metadata: Readonly<Record<string, string>>,
  where: string,
): ExportDescription | undefined {
  const text = metadata[EXPORT_KEY];
  if (text === undefined) return undefined;
  const fail = (expected: string, found: unknown) =>
    new DataError(
      `${where}: metadata "${EXPORT_KEY}": expected ${expected}, found ${show(found)}. Export the file again with this diem.`,
    );
  let found: unknown;
  try {
    found = parseJson(text);
  } catch {
    throw fail("JSON", text.slice(0, 40));
  }
  if (!isRecord(found)) throw fail("a JSON object", found);
  const { format, version, latentShape, noiseScale, schedule, start, range } = found;
  if (format !== EXPORT_FORMAT || version !== EXPORT_VERSION)
    throw fail(`format "${EXPORT_FORMAT}", version ${EXPORT_VERSION}`, `${format}, ${version}`);
  if (!isNumbers(latentShape) || !latentShape.every(isSize) || !isBearable(latentShape))
    throw fail("a latentShape", latentShape);
  if (!isNumbers(noiseScale) || noiseScale.length !== latentShape[0] || !noiseScale.every((each) => each > 0))
    throw fail(`a noiseScale of ${latentShape[0]} positive numbers`, noiseScale);
  if (!isRecord(schedule) || !isNumbers([schedule.sigmaMin, schedule.sigmaMax]))
    throw fail("a schedule with sigmaMin and sigmaMax", schedule);
  if (!isRecord(start) || typeof start.base64 !== "string" || !isSize(start.rank, 0))
    throw fail("a start with rank and base64", start);
  if (!isSize(found.priorSteps)) throw fail("priorSteps, a whole number >= 1", found.priorSteps);
  if (range !== undefined && !(isNumbers(range) && range.length === 2))
    throw fail("a range of two numbers", range);
  return found as unknown as ExportDescription; // checked as far as it is used
}

const isSize = (value: unknown, least = 1) => Number.isSafeInteger(value) && (value as number) >= least;

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isFinite);
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
    diagonal: float32(numbers.subarray(N, 2 * N).map((value, i) => value / scale[i]! ** 2)),
    factor: float32(
      numbers.subarray(2 * N).map((value, at) => value / scale[Math.floor(at / rank)]!),
      [N, rank],
    ),
  };
}

/** undefined if the text is no base64. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
