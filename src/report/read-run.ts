/** Reads a run folder through its files alone. What a run in progress has not written yet is simply absent. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { readNpy } from "../data/arrays/npy.ts";
import { RUN_FORMAT, RUN_VERSION } from "../em/run/run-info.ts";
import { exists, type Fields, type Json, type JsonObject, readJson } from "./fields.ts";
import type { Range } from "./png.ts";
import { readStatus, type Status } from "./read-status.ts";

/** The figures of the start (iteration 0) or of one EM iteration; null stands for a number that was not finite. */
export interface Figures {
  readonly iteration: number;
  readonly seconds: Readonly<Record<string, number | null>>;
  readonly loss: readonly (readonly [step: number, value: number | null])[];
  readonly eStep: Readonly<Record<string, number | null>>;
  readonly mStep: Readonly<Record<string, number | null>>;
  readonly metrics: Readonly<Record<string, number | null>>;
  /** How well held-out numbers are predicted, smaller is better; empty if none are. */
  readonly heldOut: Readonly<Record<string, number | null>>;
  /** ln q(y) of held-out observations per measured number, larger is better; empty if it is not known. */
  readonly evidence: Readonly<Record<string, number | null>>;
  /** The noise's variance over the stated one; empty unless it is estimated. */
  readonly noise: Readonly<Record<string, number | null>>;
  /** What the draws gave to worry about. */
  readonly warnings: readonly string[];
}

/** What the denoiser of an iteration draws: [g, ...latent] for the gallery, [p, ...latent] from the prior. */
export interface Pictures {
  readonly iteration: number;
  readonly posterior?: HostArray<"float32"> | undefined;
  readonly prior?: HostArray<"float32"> | undefined;
}

export interface RunData {
  readonly folder: string;
  readonly name: string;
  readonly createdBy: string;
  readonly config: JsonObject;
  readonly observations: {
    /** The name of their folder; where it lies is the machine's affair. */
    readonly folder: string;
    readonly count: number;
    readonly latentShape: Shape;
    readonly operator: string;
    readonly range?: Range | undefined;
    readonly units?: string | undefined;
  };
  /** The prior that it began with, if that is another run's: the name of its folder. */
  readonly from?: { readonly run: string; readonly iteration: number } | undefined;
  readonly notes: readonly string[];
  readonly status?: Status | undefined;
  readonly gallery: {
    readonly observations?: HostArray<"float32"> | undefined;
    readonly mask?: HostArray<"float32"> | undefined;
    readonly truth?: HostArray<"float32"> | undefined;
  };
  /** The start, if it is there, and all finished iterations, in order. */
  readonly figures: readonly Figures[];
  /** The iteration whose prior is the result: it predicts held-out numbers best; the last one if none are held out. */
  readonly result: number | undefined;
  /** Pictures of some of them: the start, the last, the result, and some between. */
  readonly pictures: readonly Pictures[];
}

/** Pictures of at most this many iterations are read, the start not counted. */
export const MAX_PICTURED = 5;

/** @throws DataError naming the file that is damaged, or the folder if it is no run */
export async function readRun(folder: string): Promise<RunData> {
  const path = join(folder, "run.json");
  const run = await readJson(path);
  if (run === undefined)
    throw new DataError(
      `${folder}: expected a run folder, found no run.json. Give the folder of "diem train --out".`,
    );
  if (run.values.format !== RUN_FORMAT || run.values.version !== RUN_VERSION)
    throw new DataError(
      `${path}: expected format "${RUN_FORMAT}", version ${RUN_VERSION}, got ${JSON.stringify(run.values.format)}, version ${JSON.stringify(run.values.version)}. Use the diem that wrote the run.`,
    );
  const observations = readObservations(run.object("observations"), path);
  const array = (name: string, shape?: Shape) => readArray(join(folder, name), shape);
  const latents = (name: string) => array(name, observations.latentShape);
  const status = await readStatus(folder);
  const figures = await readFigures(folder);
  const drawn = await Promise.all(
    figures.map(
      ({ iteration }) => iteration === 0 || exists(join(folder, at(iteration, "gallery-prior.npy"))),
    ),
  );
  const result = resultOf(figures);
  const pictured = choosePictured(
    figures.filter((_, k) => drawn[k]).map(({ iteration }) => iteration),
    result,
  );
  return {
    folder,
    name: run.string("name"),
    createdBy: run.optionalString("createdBy") ?? "diem",
    config: run.object("config").values,
    observations,
    from: run.values.from === undefined ? undefined : readFrom(run.object("from")),
    notes: run.optionalList("notes", isSentence, "sentences") ?? [],
    status,
    gallery: {
      observations: await array("gallery/observations.npy"),
      mask: await array("gallery/mask.npy"),
      truth: await latents("gallery/truth.npy"),
    },
    figures,
    result,
    pictures: await Promise.all(
      pictured.map(async (iteration) => ({
        iteration,
        posterior: await latents(
          iteration === 0 ? "start/posterior.npy" : at(iteration, "gallery-posterior.npy"),
        ),
        prior: await latents(iteration === 0 ? "start/prior.npy" : at(iteration, "gallery-prior.npy")),
      })),
    ),
  };
}

/** See `RunFolder.bestIteration`. */
function resultOf(figures: readonly Figures[]): number | undefined {
  const last = figures.at(-1);
  return last?.heldOut.result ?? last?.iteration;
}

/** The start, then about evenly spaced on a logarithmic scale, since EM changes most in its first iterations; and the result. */
export function choosePictured(
  iterations: readonly number[],
  result?: number,
  most = MAX_PICTURED,
): number[] {
  const chosen = evenlyChosen(iterations, most);
  const isMissing = result !== undefined && iterations.includes(result) && !chosen.includes(result);
  return isMissing ? [...chosen, result].sort((a, b) => a - b) : chosen;
}

function evenlyChosen(iterations: readonly number[], most: number): number[] {
  const start = iterations.filter((iteration) => iteration === 0);
  const rest = iterations.filter((iteration) => iteration !== 0);
  if (rest.length <= most) return [...start, ...rest];
  const places = Array.from({ length: most }, (_, i) => Math.round(rest.length ** (i / (most - 1))) - 1);
  for (let i = 1; i < most; i++) places[i] = Math.max(places[i]!, places[i - 1]! + 1);
  return [...start, ...places.map((place) => rest[place]!)];
}

const at = (iteration: number, name: string) => join("iterations", String(iteration).padStart(4, "0"), name);

function readObservations(fields: Fields, path: string): RunData["observations"] {
  const isNumber = (item: Json): item is number => typeof item === "number";
  const range = fields.optionalList("range", isNumber, "numbers");
  const latentShape = fields.optionalList("latentShape", isNumber, "numbers");
  if (latentShape === undefined || (range !== undefined && !(range.length === 2 && range[0]! < range[1]!)))
    throw new DataError(
      `${path}: "observations" must hold latentShape and, if any, range [lo, hi] with lo < hi.`,
    );
  return {
    folder: basename(fields.string("path")),
    count: fields.number("count"),
    operator: fields.string("operator"),
    units: fields.optionalString("units"),
    latentShape,
    range: range && [range[0]!, range[1]!],
  };
}

function readFrom(fields: Fields): RunData["from"] {
  return { run: basename(fields.string("run")), iteration: fields.number("iteration") };
}

/** Figures of the start and of every iteration that has them; the one being written has none yet. */
async function readFigures(folder: string): Promise<Figures[]> {
  const names = await readdir(join(folder, "iterations")).catch(() => []);
  const iterations = names.filter((name) => /^\d{4,}$/.test(name)).map(Number);
  const read: Figures[] = [];
  for (const iteration of [0, ...iterations.sort((a, b) => a - b)]) {
    const path = join(folder, iteration === 0 ? "start/figures.json" : at(iteration, "figures.json"));
    const fields = await readJson(path);
    if (fields !== undefined) read.push(figuresOf(fields, path, iteration));
  }
  return read;
}

function figuresOf(fields: Fields, path: string, iteration: number): Figures {
  if (fields.number("iteration") !== iteration)
    throw new DataError(`${path}: "iteration" must be ${iteration}, got ${fields.number("iteration")}.`);
  const isPair = (item: Json): item is [number, number | null] =>
    Array.isArray(item) && typeof item[0] === "number" && (item[1] === null || typeof item[1] === "number");
  return {
    iteration,
    seconds: fields.numbers("seconds"),
    loss: fields.optionalList("loss", isPair, "[step, value]") ?? [],
    eStep: fields.numbers("eStep"),
    mStep: fields.numbers("mStep"),
    metrics: fields.numbers("metrics"),
    heldOut: fields.numbers("heldOut"),
    evidence: fields.numbers("evidence"),
    noise: fields.numbers("noise"),
    warnings: fields.optionalList("warnings", isSentence, "sentences") ?? [],
  };
}

const isSentence = (item: Json): item is string => typeof item === "string";

/** An array in float32, or undefined where there is no such file. */
async function readArray(path: string, rowShape?: Shape): Promise<HostArray<"float32"> | undefined> {
  if (!(await exists(path))) return undefined;
  const { dtype, shape, data } = await readNpy(path);
  if (rowShape !== undefined && !sameShape(shape.slice(1), rowShape))
    throw new DataError(`${path}: expected [n, ...${formatShape(rowShape)}], got ${formatShape(shape)}.`);
  if (dtype === "float32") return { dtype, shape, data: data as Float32Array };
  return { dtype: "float32", shape, data: Float32Array.from(data as ArrayLike<number | bigint>, Number) };
}
