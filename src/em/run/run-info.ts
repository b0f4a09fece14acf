import { createHash } from "node:crypto";
import { DataError } from "../../core/errors.ts";
import { isRecord, parseJson as readJson, show } from "../../core/json.ts";
import { kindsOf, type ObservationSet } from "../../data/observations/observation-set.ts";
import type { TrainConfig } from "../config/config.ts";
import type { GivenDenoiser } from "../given-denoiser.ts";
import type { OwnNames } from "../own-parts.ts";

export const RUN_FORMAT = "diem-run";
/** 2: networks see images less one number for each channel. */
export const RUN_VERSION = 2;

/** A file that is copied: name in `start/`, where from, and checksum. */
export interface GivenFile {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
}

/** The prior that a run began with: that of another run after an iteration, copied into `start/`. */
export interface GivenInfo {
  /** Folder of that run; once the files are copied, it may go. */
  readonly run: string;
  readonly iteration: number;
  readonly files: readonly GivenFile[];
}

/** run.json: what a run is; only another number of iterations changes it. */
export interface RunInfo {
  readonly format: typeof RUN_FORMAT;
  readonly version: typeof RUN_VERSION;
  readonly name: string;
  readonly createdBy: string;
  readonly config: TrainConfig;
  /** Iterations up to `until` were computed while em.iterations was `iterations`. */
  readonly earlier?: readonly { readonly until: number; readonly iterations: number }[];
  readonly observations: {
    readonly path: string;
    readonly checksum: string;
    readonly count: number;
    readonly latentShape: readonly number[];
    readonly operator: string;
    readonly range?: readonly [number, number];
    readonly units?: string;
  };
  /** What it began with, if that is no Gaussian of its own. */
  readonly from?: GivenInfo;
  /** The denoiser that the first E-step draws with, if one was given. */
  readonly denoiser?: GivenDenoiser;
  /** Names of the parts that are code. */
  readonly own?: OwnNames;
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

/** The configuration that iteration k was, or will be, computed with. */
export function configAt(
  { config, earlier = [] }: Pick<RunInfo, "config" | "earlier">,
  k: number,
): TrainConfig {
  const iterations = earlier.find(({ until }) => k <= until)?.iterations ?? config.em.iterations;
  return { ...config, em: { ...config.em, iterations } };
}

/** The text of run.json: the fields and their checksum. */
export function encodeRunInfo(info: RunInfo): string {
  return `${JSON.stringify({ ...info, checksum: checksumOf(info) }, null, 2)}\n`;
}

/**
 * What run.json says.
 * @throws DataError if it is no run.json, one of another version, or one that was changed
 */
export function parseRunInfo(bytes: Uint8Array, path: string): RunInfo {
  const { checksum, ...info } = parseJson(bytes, path);
  if (info.format !== RUN_FORMAT || info.version !== RUN_VERSION)
    throw new DataError(
      `${path}: expected format "${RUN_FORMAT}", version ${RUN_VERSION}, found ${show(info.format)}, version ${show(info.version)}. Use the diem that wrote the run.`,
    );
  if (checksum !== checksumOf(info))
    throw new DataError(
      `${path}: expected the fields that the run began with, found others. Restore the file; what a run computes cannot be changed after its beginning, so start a new one for that.`,
    );
  return info as unknown as RunInfo; // written by encodeRunInfo, as the checksum says
}

/** SHA-256 of the fields in their order; JSON keeps both the order and all digits of numbers. */
function checksumOf(info: object): string {
  return createHash("sha256").update(JSON.stringify(info)).digest("hex");
}

/** @param remedy what to do about a damaged file @throws DataError if the bytes are not a JSON object */
export function parseJson(
  bytes: Uint8Array,
  path: string,
  remedy = "Restore it from a copy.",
): Record<string, unknown> {
  let value: unknown;
  try {
    value = readJson(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new DataError(`${path}: expected JSON, found something else. ${remedy}`, { cause });
  }
  if (!isRecord(value))
    throw new DataError(`${path}: expected a JSON object, found ${show(value)}. ${remedy}`);
  return value;
}

/** What run.json keeps of the observations. */
export async function describeObservations(observations: ObservationSet): Promise<RunInfo["observations"]> {
  const { path, count, header } = observations;
  const { latentShape, range, units } = header;
  const operators = kindsOf(observations).map((kind) => kind.observations.header.operator.name);
  return {
    path,
    checksum: await observations.checksum(),
    count,
    latentShape,
    operator: [...new Set(operators)].join(" and "),
    ...(range && { range }),
    ...(units && { units }),
  };
}
