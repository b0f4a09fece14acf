/** Observations from arrays: in memory, or as a folder written from them. */

import { createHash } from "node:crypto";
import { type HostArray, toBytes } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { didYouMean } from "../../core/nearest.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import type { ArrayShapes } from "../../operators/operator-kind.ts";
import { latentShapeOf, operatorKind } from "../../operators/registry.ts";
import type { OperatorSpec } from "../../operators/spec.ts";
import { type ArrayRows, memoryRows, repeatedRows, scalarOf, toFloat32 } from "../arrays/array-rows.ts";
import { openNpz } from "../arrays/npz.ts";
import { openObservationSet } from "./merged-observations.ts";
import { checkBatch, checkNoiseFactor, type ObservationBatch } from "./observation-check.ts";
import {
  type NewObservationHeader,
  OBSERVATION_FORMAT,
  OBSERVATION_VERSION,
  type ObservationHeader,
  parseObservationHeader,
} from "./observation-header.ts";
import { observationKind } from "./observation-kind.ts";
import type { ObservationSet } from "./observation-set.ts";
import { createObservations, type Observations } from "./observations.ts";
import type { CodeOptions } from "./operator-code.ts";

/** Observations imported at a time. */
const CHUNK = 256;

/** The parts of observations, as arrays of type A. */
export interface ObservationParts<A> {
  /** [n, ...observationShape] */
  readonly y: A;
  /** Data of the operator by name (mask, matrix, kernel, ...): [n, ...], or [1, ...] if all observations share them. */
  readonly data: Readonly<Record<string, A>>;
  /** Variance of the noise: one number, or one for each entry of y. */
  readonly noiseVariance: number | A;
  /** L [...observationShape, r] of Sigma_y = diag(noiseVariance) + L L': patterns of the noise, the same for all observations. */
  readonly noiseFactor?: A | undefined;
  /** The operator, without sizes that the data tell. Default: the one that an array named mask or matrix implies. */
  readonly operator?: OperatorSpec | { readonly name: string } | undefined;
  /** Shape of one latent. Default: that of y for a mask, the number of columns for a matrix. */
  readonly latentShape?: Shape | undefined;
  readonly range?: readonly [number, number] | undefined;
  readonly units?: string | undefined;
}

/**
 * The header that arrays call for.
 * @param where named in messages
 * @throws DataError if the operator or the latents' shape cannot be told from the arrays
 */
export function inferHeader(
  parts: ObservationParts<{ readonly shape: Shape }>,
  where: string,
): NewObservationHeader {
  const { y, data, noiseVariance, noiseFactor, range, units } = parts;
  expectAxes(y.shape, where);
  const observationShape = y.shape.slice(1);
  const stated = parts.operator ?? inferOperator(data, where);
  // What is stated goes before what the arrays tell.
  const operator = { ...operatorKind(stated.name)?.fieldsOf?.(data, observationShape.length), ...stated };
  expectArrays(operator, data, where);
  const latentShape = parts.latentShape ?? inferLatentShape(operator, observationShape, data, where);
  return {
    operator: operator as NewObservationHeader["operator"], // checked where the header is
    latentShape,
    observationShape,
    noiseVariance: typeof noiseVariance === "number" ? noiseVariance : "array",
    ...(noiseFactor && { noiseRank: noiseFactor.shape.at(-1) ?? 0 }),
    ...(range && { range }),
    ...(units !== undefined && { units }),
  };
}

/** @throws DataError unless y has an axis of observations and one of numbers */
export function expectAxes(y: Shape, where: string): void {
  if (y.length < 2)
    throw new DataError(
      `${where}: expected y [n, ...shape], found ${formatShape(y)}. Give each observation an axis of its own: y[:, None] if it is one number.`,
    );
}

/** Whether an operator may need an array of that name; without an operator, whether the array says which one it is. */
export function takesArray(operator: { readonly name: string } | undefined, name: string): boolean {
  if (operator === undefined) return operatorKind(name)?.isImplied === true;
  if ("parts" in operator) return /^part\d+\./.test(name);
  return operatorKind(operator.name)?.arrays?.includes(name) ?? true; // of code anything
}

function inferOperator(data: ArrayShapes, where: string): { readonly name: string } {
  const names = Object.keys(data);
  const [name = ""] = names;
  if (names.length === 1 && operatorKind(name)?.isImplied) return { name };
  throw new DataError(
    `${where}: expected a mask or a matrix, or the operator's name, found arrays ${names.join(", ") || "none but y"}. Give --mask, --matrix or --operator; --missing nan where NaN stands for what is missing, --missing none where nothing is.`,
  );
}

/** @throws DataError naming an array that the operator needs, or one that it does not know */
function expectArrays(operator: { readonly name: string }, data: ArrayShapes, where: string): void {
  const known = operatorKind(operator.name)?.arrays;
  const option = (name: string) => (operatorKind(name)?.isImplied ? `--${name} FILE` : `--data ${name}=FILE`);
  const missing = known?.find((name) => !(name in data) && !(name in operator));
  if (missing !== undefined)
    throw new DataError(
      `${where}: expected an array ${missing} for operator ${operator.name}, found ${Object.keys(data).join(", ") || "none but y"}. Give ${option(missing)}.`,
    );
  const unknown = Object.keys(data).find((name) => !takesArray(operator, name));
  if (unknown !== undefined)
    throw new DataError(
      `${where}: expected arrays ${known?.join(", ") || "of parts, as part0.mask"} for operator ${operator.name}, found ${unknown}. Leave it out.${didYouMean(unknown, known ?? [])}`,
    );
}

function inferLatentShape(
  operator: { readonly name: string },
  observationShape: Shape,
  data: ArrayShapes,
  where: string,
): Shape {
  const found = latentShapeOf(operator, observationShape, data);
  if (found) return found;
  const example = operatorKind(operator.name)?.isComplex
    ? `1,${observationShape.slice(-2)} for real images, or 2,${observationShape.slice(-2)} for complex ones`
    : "for example as 1,28,28";
  throw new DataError(
    `${where}: expected the shape of the latents, found none; operator ${operator.name} does not tell it. Give it (--latent-shape), ${example}.`,
  );
}

/**
 * Makes observations of arrays in memory, for small sets and tests. It copies only arrays that are not float32.
 * @throws DataError naming the observation and entry that is wrong
 */
export function observationsInMemory(
  parts: ObservationParts<HostArray>,
  where = "observationsInMemory",
): Observations {
  const header: ObservationHeader = parseObservationHeader(
    { ...inferHeader(parts, where), format: OBSERVATION_FORMAT, version: OBSERVATION_VERSION },
    where,
  );
  const noiseFactor = parts.noiseFactor && toFloat32(parts.noiseFactor, `${where}: noise_factor`);
  checkNoiseFactor(noiseFactor, header, where);
  const kind = observationKind(header, noiseFactor, where);
  const count = parts.y.shape[0]!;
  const sources = openParts(parts, (array, name) => memoryRows(array, `${where}: ${name}`), count);
  checkCounts(sources, count, where);
  const arrays = [parts.y, ...Object.values(parts.data), ...(noiseFactor ? [noiseFactor] : [])];
  return {
    ...kind,
    isShared:
      header.noiseVariance !== "array" && Object.values(parts.data).every((array) => isShared(array, count)),
    path: where,
    count,
    async read(start, end) {
      if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > count || start >= end)
        throw new DataError(
          `${where}: expected a range within [0, ${count}], found [${start}, ${end}]. Correct the range.`,
        );
      const batch = await readParts(sources, start, end);
      const own = { ...batch, y: { ...batch.y, data: batch.y.data.slice() } }; // checkBatch sets hidden entries to 0
      checkBatch(own, kind, start, where);
      return own;
    },
    async checksum() {
      const hash = createHash("sha256").update(JSON.stringify(header));
      for (const array of arrays) hash.update(toBytes(array));
      if (typeof parts.noiseVariance !== "number") hash.update(toBytes(parts.noiseVariance));
      return hash.digest("hex");
    },
  };
}

/**
 * Opens observations in a .npz archive, or in a folder as `openObservations` does. An archive holds y, a mask or a matrix,
 * noise_variance (one number, or one for each entry of y), and noise_factor if the noise has patterns. It is held in memory.
 * @throws DataError if it is missing or damaged, or if the arrays do not fit each other
 */
export async function openObservationsOrArchive(
  path: string,
  options: CodeOptions = {},
): Promise<ObservationSet> {
  if (!path.endsWith(".npz")) return await openObservationSet(path, options);
  const { names, array } = await openNpz(path);
  const variance = array("noise_variance");
  const noiseVariance =
    variance.shape.length > 0 ? variance : await scalarOf(memoryRows(variance, `${path}: noise_variance`));
  const noiseFactor = names.includes("noise_factor") ? array("noise_factor") : undefined;
  const data = names
    .filter((name) => takesArray(undefined, name))
    .map((name) => [name, array(name)] as const);
  return observationsInMemory(
    { y: array("y"), data: Object.fromEntries(data), noiseVariance, noiseFactor },
    path,
  );
}

/** Options of `importObservations`. */
export interface ImportOptions extends CodeOptions {
  /** Stops the work; nothing is left then. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a folder of observations from arrays, a few observations at a time. Name an operator that is code by the path of its
 * file.
 * @returns the number of observations
 * @throws DataError naming the array, observation or entry that is wrong; nothing is left of the folder then
 */
export async function importObservations(
  path: string,
  parts: ObservationParts<ArrayRows>,
  options: ImportOptions = {},
): Promise<number> {
  const count = parts.y.shape[0] ?? 0;
  const header = inferHeader(parts, path);
  const sources = openParts(parts, (rows) => rows, count);
  checkCounts(sources, count, path);
  const rows = parts.noiseFactor;
  const noiseFactor = rows && toFloat32(await rows.read(0, rows.shape[0] ?? 0), rows.name);
  const shared = Object.keys(parts.data).filter((name) => isShared(parts.data[name]!, count));
  const writer = await createObservations(path, header, count, { noiseFactor, shared, ...options });
  try {
    for (let start = 0; start < count; start += CHUNK)
      await writer.append(await readParts(sources, start, Math.min(start + CHUNK, count)));
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return count;
}

interface Sources {
  readonly y: ArrayRows;
  readonly data: Readonly<Record<string, ArrayRows>>;
  readonly noiseVariance: ArrayRows | undefined;
}

/** Whether one row serves all observations. */
const isShared = ({ shape }: { readonly shape: Shape }, count: number) => shape[0] === 1 && count > 1;

function openParts<A>(
  parts: ObservationParts<A>,
  rowsOf: (array: A, name: string) => ArrayRows,
  count: number,
): Sources {
  const { y, data, noiseVariance } = parts;
  const each = (array: A, name: string) => {
    const found = rowsOf(array, name);
    return isShared(found, count) ? repeatedRows(found, count) : found;
  };
  return {
    y: rowsOf(y, "y"),
    data: Object.fromEntries(Object.entries(data).map(([name, array]) => [name, each(array, name)])),
    noiseVariance: typeof noiseVariance === "number" ? undefined : rowsOf(noiseVariance, "noise_variance"),
  };
}

function checkCounts({ y, data, noiseVariance }: Sources, count: number, where: string): void {
  for (const [name, { shape }] of Object.entries({ ...data, ...(noiseVariance && { noiseVariance }) }))
    if (shape[0] !== count)
      throw new DataError(
        `${where}: expected ${name} for each of the ${count} observations in y ${formatShape(y.shape)}, found ${formatShape(shape)}. Correct its first axis; a[None], of one row, is the same for all.`,
      );
}

async function readParts(
  { y, data, noiseVariance }: Sources,
  start: number,
  end: number,
): Promise<ObservationBatch> {
  const read = async (rows: ArrayRows) => toFloat32(await rows.read(start, end), rows.name);
  const own: Record<string, HostArray<"float32">> = {};
  for (const [name, rows] of Object.entries(data)) own[name] = await read(rows);
  return {
    y: await read(y),
    data: own,
    ...(noiseVariance && { noiseVariance: await read(noiseVariance) }),
  };
}
