import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { readFileOrFail, writeFailure, writeFileAtomic } from "../core/files.ts";
import { isRecord } from "../core/json.ts";
import { type NpyWriter, writeNpy, writeNpyRows } from "../data/npy.ts";
import type { ObservationHeader } from "../data/observations.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { checkParameters, type Parameters } from "../nn/parameters.ts";
import { decodeSafetensors, encodeSafetensors } from "../nn/safetensors.ts";
import { buildNetwork, type TrainConfig } from "./config.ts";
import type { TrainingState } from "./m-step.ts";
import type { Model } from "./model.ts";

export const RUN_FORMAT = "diem-run";
export const RUN_VERSION = 1;

/** run.json: what a run is, written once. */
export interface RunInfo {
  readonly format: typeof RUN_FORMAT;
  readonly version: typeof RUN_VERSION;
  readonly name: string;
  readonly createdBy: string;
  readonly config: TrainConfig;
  readonly observations: {
    readonly path: string;
    readonly checksum: string;
    readonly count: number;
    readonly latentShape: readonly number[];
    readonly operator: string;
    readonly range?: readonly [number, number];
    readonly units?: string;
  };
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

/** figures.json of the start (iteration 0) or of an iteration; its presence says that the iteration is complete. */
export interface IterationFigures {
  readonly iteration: number;
  readonly seconds: Readonly<Record<string, number>>;
  readonly loss: readonly (readonly [number, number])[];
  readonly eStep: Readonly<Record<string, number>>;
  readonly mStep: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * A run on disk. Every file is written whole or not at all (temporary name, fsync, rename), and `figures.json` last,
 * so a kill at any moment leaves the iterations before it intact.
 *
 *   run.json                     configuration and observations
 *   gallery/                     observations (and truth, where known) that are shown
 *   start/                       gaussian.safetensors, samples, figures.json
 *   iterations/0001/             draws.npy, weights.safetensors, state.safetensors, samples, figures.json
 *   status.json, report.html
 */
export class RunFolder {
  readonly path: string;
  readonly info: RunInfo;

  private constructor(path: string, info: RunInfo) {
    this.path = path;
    this.info = info;
  }

  /** @throws DataError if the folder already holds a run or anything else */
  static async create(path: string, info: Omit<RunInfo, "format" | "version">): Promise<RunFolder> {
    const present = await readdir(path).catch(() => [] as string[]);
    if (present.includes("run.json"))
      throw new DataError(
        `${path}: expected no run there, found one. Continue it with --resume, or choose another folder.`,
      );
    const strangers = present.filter((name) => name !== "observations");
    if (strangers.length > 0)
      throw new DataError(
        `${path}: expected a new or empty folder, found ${strangers[0]}. Choose another folder.`,
      );
    const run = new RunFolder(path, { format: RUN_FORMAT, version: RUN_VERSION, ...info });
    await run.#makeFolder("");
    await run.#writeJson("run.json", run.info);
    return run;
  }

  /** @throws DataError if there is no run, or one of another version */
  static async open(path: string): Promise<RunFolder> {
    const file = join(path, "run.json");
    const info = parseJson(await readFileOrFail(file, 'a run of "diem train --out"'), file);
    if (info.format !== RUN_FORMAT || info.version !== RUN_VERSION)
      throw new DataError(
        `${file}: expected format "${RUN_FORMAT}", version ${RUN_VERSION}, found ${JSON.stringify(info.format)}, version ${JSON.stringify(info.version)}. Use the diem that wrote the run.`,
      );
    return new RunFolder(path, info as unknown as RunInfo);
  }

  /** Number of the last complete iteration; 0 if only the start is complete; -1 if not even that. */
  async lastIteration(): Promise<number> {
    const names = await readdir(join(this.path, "iterations")).catch(() => [] as string[]);
    for (const name of names.filter((n) => /^\d{4,}$/.test(n)).sort((a, b) => Number(b) - Number(a)))
      if ((await readdir(join(this.path, "iterations", name))).includes("figures.json")) return Number(name);
    const start = await readdir(join(this.path, "start")).catch(() => [] as string[]);
    return start.includes("figures.json") ? 0 : -1;
  }

  /** Path of a file of an iteration; 0 is the start. */
  file(iteration: number, name: string): string {
    return join(this.path, iterationFolder(iteration), name);
  }

  /** Makes an iteration's folder; 0 is the start's. */
  async beginIteration(iteration: number): Promise<void> {
    await this.#makeFolder(iterationFolder(iteration));
  }

  async writeFigures(figures: IterationFigures): Promise<void> {
    await this.#writeJson(join(iterationFolder(figures.iteration), "figures.json"), figures);
  }

  async readFigures(iteration: number): Promise<IterationFigures> {
    const path = this.file(iteration, "figures.json");
    return parseJson(
      await readFileOrFail(path, "an iteration's figures"),
      path,
    ) as unknown as IterationFigures;
  }

  async writeArray(iteration: number, name: string, array: HostArray): Promise<void> {
    await writeNpy(this.file(iteration, name), array);
  }

  async writeGallery(name: string, array: HostArray): Promise<void> {
    await this.#makeFolder("gallery");
    await writeNpy(join(this.path, "gallery", name), array);
  }

  /** Streams the E-step's draws. */
  async writeDraws(
    iteration: number,
    count: number,
    produce: (append: NpyWriter["append"]) => Promise<void>,
  ): Promise<void> {
    const shape = [count, ...this.info.observations.latentShape];
    await writeNpyRows(this.file(iteration, "draws.npy"), shape, "float32", produce);
  }

  async writeGaussian(gaussian: Gaussian): Promise<void> {
    await writeFileAtomic(this.file(0, "gaussian.safetensors"), encodeSafetensors({ ...gaussian }));
  }

  async writeWeights(iteration: number, parameters: Parameters): Promise<void> {
    await writeFileAtomic(this.file(iteration, "weights.safetensors"), encodeSafetensors(parameters));
  }

  async writeState(iteration: number, { step, ...vectors }: TrainingState): Promise<void> {
    const bytes = encodeSafetensors(vectors, { step: String(step) });
    await writeFileAtomic(this.file(iteration, "state.safetensors"), bytes);
  }

  async readState(iteration: number): Promise<TrainingState> {
    const path = this.file(iteration, "state.safetensors");
    const { tensors, metadata } = decodeSafetensors(
      await readFileOrFail(path, "the optimizer's state"),
      path,
    );
    return { ...(tensors as unknown as Omit<TrainingState, "step">), step: Number(metadata.step) };
  }

  /** The prior after an iteration; 0 is the Gaussian start. */
  async readModel(iteration: number): Promise<Model> {
    const { config, observations } = this.info;
    const network = buildNetwork(config.network, observations.latentShape);
    const start = this.file(0, "gaussian.safetensors");
    const gaussian = decodeSafetensors(await readFileOrFail(start, "the Gaussian start"), start).tensors;
    let parameters: Parameters | undefined;
    if (iteration > 0) {
      const path = this.file(iteration, "weights.safetensors");
      parameters = decodeSafetensors(await readFileOrFail(path, "the network's weights"), path)
        .tensors as Parameters;
      checkParameters(network.parameters, parameters, path);
    }
    const { base } = config.network;
    return {
      network,
      parameters,
      gaussian: gaussian as unknown as Gaussian,
      base,
      schedule: config.schedule,
    };
  }

  async writeStatus(state: "running" | "done" | "interrupted" | "failed", message?: string): Promise<void> {
    const updatedAt = new Date().toISOString();
    await this.#writeJson("status.json", { state, updatedAt, ...(message && { message }) });
  }

  /** The latents' range, if the observations state one. */
  get range(): readonly [number, number] | undefined {
    return this.info.observations.range;
  }

  async #makeFolder(name: string): Promise<void> {
    const path = join(this.path, name);
    try {
      await mkdir(path, { recursive: true });
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  async #writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(join(this.path, name), `${JSON.stringify(value, null, 2)}\n`);
  }
}

function iterationFolder(iteration: number): string {
  return iteration === 0 ? "start" : join("iterations", String(iteration).padStart(4, "0"));
}

function parseJson(bytes: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new DataError(`${path}: expected JSON, found something else. The file is damaged.`, { cause });
  }
  if (!isRecord(value)) throw new DataError(`${path}: expected a JSON object. The file is damaged.`);
  return value;
}

/** What run.json keeps of the observations. */
export function describeObservations(
  path: string,
  checksum: string,
  count: number,
  header: ObservationHeader,
): RunInfo["observations"] {
  const { latentShape, operator, range, units } = header;
  return {
    path,
    checksum,
    count,
    latentShape,
    operator: operator.name,
    ...(range && { range }),
    ...(units && { units }),
  };
}
