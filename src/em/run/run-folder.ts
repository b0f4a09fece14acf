import { access, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import {
  isTemporaryName,
  makeFolder,
  readFileOrFail,
  removeStaleTemporaries,
  syncFolder,
  writeFailure,
  writeFileAtomic,
} from "../../core/files.ts";
import { writeNpy } from "../../data/arrays/npy.ts";
import type { Coordinates } from "../../data/observations/coordinates.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { scaleNoise } from "../../data/observations/scaled-noise.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import type { Model } from "../../inference/model.ts";
import type { Network } from "../../nn/network.ts";
import { checkParameters, type Parameters } from "../../nn/parameters.ts";
import { buildNetwork, type TrainConfig } from "../config/config.ts";
import { resolveSchedule } from "../levels.ts";
import type { TrainingProgress } from "../m-step/state.ts";
import { checkOwnParts, drawChoice, namesOf, OWN_PARTS, type OwnParts } from "../own-parts.ts";
import type { DrawPaths } from "./draw-journal.ts";
import type { IterationFigures, NoiseFigures } from "./iteration-figures.ts";
import {
  configAt,
  encodeRunInfo,
  parseJson,
  parseRunInfo,
  RUN_FORMAT,
  RUN_VERSION,
  type RunInfo,
} from "./run-info.ts";
import { isLockName } from "./run-lock.ts";
import { readSealed, writeSealed } from "./sealed.ts";
import { decodeProgress, decodeStart, encodeProgress } from "./state-files.ts";

/** An iteration's files of draws: those that are trained on, and those that M-steps are judged by. */
export type DrawsName = "draws" | "held-out-draws";

/**
 * A run on disk. Every file is written whole or not at all, and `figures.json` of an iteration comes last. So a kill at any
 * moment leaves the iterations before it intact, and the one under way at its last checkpoint. Files that a resumed run builds
 * on carry a checksum. Files that are missing are computed again.
 *
 *   run.json                     configuration and observations
 *   gallery/                     observations (and truth, where known) that are shown
 *   start/                       gaussian.safetensors (and weights.safetensors, if a prior was given), samples, figures.json
 *   iterations/0001/             draws.npy (draws.partial during the E-step) with draws.json, weights.safetensors,
 *                                state.safetensors (during the M-step too), samples, figures.json; shards/ during the E-step
 *   status.json, progress.json, report.html
 *   .lock-1                      while a process works on the run
 */
export class RunFolder {
  readonly path: string;
  readonly info: RunInfo;

  readonly #own: OwnParts;

  private constructor(path: string, info: RunInfo, own: OwnParts) {
    this.path = path;
    this.info = info;
    this.#own = own;
  }

  /** @throws DataError if the folder already holds a run or anything else */
  static async create(
    path: string,
    info: Omit<RunInfo, "format" | "version" | "own">,
    own: OwnParts = {},
  ): Promise<RunFolder> {
    await removeStaleTemporaries(path);
    const present = await readdir(path);
    if (present.includes("run.json"))
      throw new DataError(
        `${path}: expected no run there, found one. Continue it with --resume, or choose another folder.`,
      );
    // A temporary is that of another process: one that wants the lock, too.
    const isOurs = (name: string) => name === "observations" || isLockName(name) || isTemporaryName(name);
    const stranger = present.find((name) => !isOurs(name));
    if (stranger !== undefined)
      throw new DataError(
        `${path}: expected a new or empty folder, found ${stranger}. Choose another folder.`,
      );
    const names = namesOf(own);
    const whole = {
      format: RUN_FORMAT,
      version: RUN_VERSION,
      ...info,
      ...(names && { own: names }),
    } as const;
    const run = new RunFolder(path, whole, own);
    await writeFileAtomic(join(path, "run.json"), encodeRunInfo(run.info));
    return run;
  }

  /**
   * @param own the run's parts that are code
   * @param parts those of them that matter
   * @throws DataError if there is no run, one of another version, or one whose run.json was changed; ConfigError unless its
   *   own parts are given
   */
  static async open(path: string, own: OwnParts = {}, parts = OWN_PARTS): Promise<RunFolder> {
    const file = join(path, "run.json");
    const info = parseRunInfo(await readFileOrFail(file, 'a run of "diem train --out"'), file);
    checkOwnParts(own, info.own, path, parts);
    return new RunFolder(path, info, own);
  }

  /** The network of the run. */
  get network(): Network {
    const { config, observations } = this.info;
    return this.#own.network ?? buildNetwork(config.network, observations.latentShape);
  }

  /** How its posterior draws are made. */
  get eStep() {
    return drawChoice(this.info.config.eStep, this.#own);
  }

  /**
   * The same run with another number of iterations. Iterations that were begun stay as they are: one that was the last keeps its
   * longer M-step and its learning rates. Later ones follow the new number.
   */
  async withIterations(iterations: number): Promise<RunFolder> {
    const { config, earlier = [], ...rest } = this.info;
    const last = Math.max(await this.lastIteration(), 0);
    const until = (await this.has(last + 1, "")) ? last + 1 : last;
    const history = until > 0 ? [...earlier, { until, iterations: config.em.iterations }] : earlier;
    const changed = {
      ...rest,
      config: { ...config, em: { ...config.em, iterations } },
      ...(history.length > 0 && { earlier: history }),
    };
    await writeFileAtomic(join(this.path, "run.json"), encodeRunInfo(changed));
    return new RunFolder(this.path, changed, this.#own);
  }

  /** The most iterations that the run was asked for: held-out numbers may have ended it before. */
  get askedIterations(): number {
    const { config, earlier = [] } = this.info;
    return Math.max(config.em.iterations, ...earlier.map(({ iterations }) => iterations));
  }

  /** The configuration of iteration k, see `withIterations`. */
  configAt(k: number): TrainConfig {
    return configAt(this.info, k);
  }

  /** Removes what killed processes left half written. */
  async removeLeftovers(): Promise<void> {
    for (const entry of await readdir(this.path, { recursive: true, withFileTypes: true }))
      if (entry.isDirectory()) await removeStaleTemporaries(join(entry.parentPath, entry.name));
    await removeStaleTemporaries(this.path);
  }

  /** Number of the last complete iteration; 0 if only the start is complete; -1 if not even that. */
  async lastIteration(): Promise<number> {
    const names = await readdir(join(this.path, "iterations")).catch(() => [] as string[]);
    for (const name of names.filter((n) => /^\d{4,}$/.test(n)).sort((a, b) => Number(b) - Number(a)))
      if ((await readdir(join(this.path, "iterations", name))).includes("figures.json")) return Number(name);
    const start = await readdir(join(this.path, "start")).catch(() => [] as string[]);
    return start.includes("figures.json") ? 0 : -1;
  }

  /** Number of the last complete iteration whose training state is there, as `lastIteration`. */
  async lastTrained(): Promise<number> {
    let last = await this.lastIteration();
    while (last > 0 && !((await this.has(last, STATE)) && (await this.has(last, "figures.json")))) last--;
    return last;
  }

  /** Whether all iterations are complete. */
  async isDone(): Promise<boolean> {
    return (await this.lastTrained()) >= this.info.config.em.iterations;
  }

  /** Number of the last iteration whose prior can draw. @throws DataError if not even the start is complete */
  async lastPrior(): Promise<number> {
    const last = await this.lastIteration();
    if (last < 0)
      throw new DataError(
        `${this.path}: expected a prior, found a run whose start is not finished. Continue it with --resume.`,
      );
    return last;
  }

  /**
   * The iteration whose prior is the result of the run so far; 0 is the start. Held-out numbers choose it. If none are held out it
   * is the last complete one. -1 if not even the start is complete.
   */
  async bestIteration(): Promise<number> {
    const last = await this.lastIteration();
    if (last < 0) return last;
    return (await this.readFigures(last)).heldOut?.result ?? last;
  }

  /** Path of a file of an iteration; 0 is the start. */
  file(iteration: number, name: string): string {
    return join(this.path, iterationFolder(iteration), name);
  }

  /** Whether a file of an iteration is there. */
  async has(iteration: number, name: string): Promise<boolean> {
    return await access(this.file(iteration, name)).then(
      () => true,
      () => false,
    );
  }

  /** Paths of an iteration's draws: those that are trained on, or those that M-steps are judged by. */
  drawPaths(iteration: number, name: DrawsName = "draws"): DrawPaths {
    return {
      draws: this.file(iteration, `${name}.npy`),
      partial: this.file(iteration, `${name}.partial`),
      journal: this.file(iteration, `${name}.json`),
    };
  }

  /** Folder of an iteration's draws that other processes made; there until all are drawn. */
  shardsPath(iteration: number): string {
    return this.file(iteration, "shards");
  }

  /** Makes an iteration's folder; 0 is the start's. */
  async beginIteration(iteration: number): Promise<void> {
    await this.#makeFolder(iterationFolder(iteration));
  }

  /** Writes figures.json, which says that the iteration is complete. */
  async writeFigures(figures: IterationFigures): Promise<void> {
    await this.#writeJson(join(iterationFolder(figures.iteration), "figures.json"), figures);
  }

  /** Reads the figures of an iteration; 0 is the start. */
  async readFigures(iteration: number): Promise<IterationFigures> {
    const path = this.file(iteration, "figures.json");
    const bytes = await readFileOrFail(path, "an iteration's figures");
    return parseJson(bytes, path, "Delete it and continue with --resume.") as unknown as IterationFigures;
  }

  /** Writes an array of an iteration as .npy. */
  async writeArray(iteration: number, name: string, array: HostArray): Promise<void> {
    await writeNpy(this.file(iteration, name), array);
  }

  /** Writes an array that reports show beside the samples. */
  async writeGallery(name: string, array: HostArray): Promise<void> {
    await this.#makeFolder("gallery");
    await writeNpy(join(this.path, "gallery", name), array);
  }

  /** Keeps the Gaussian start, and the coordinates that it and the network are in. */
  async writeGaussian(gaussian: Gaussian, { shift, scale, unit, noise }: Coordinates): Promise<void> {
    const metadata = { numbers: JSON.stringify({ unit, noise }) };
    await writeSealed(this.file(0, GAUSSIAN), { ...gaussian, shift, scale }, metadata);
  }

  /** Keeps the noise that an iteration found, or the start. */
  async writeNoise(iteration: number, { scale, error }: NoiseFigures): Promise<void> {
    const values = hostArray("float64", [2], Float64Array.from([scale, error]));
    await writeSealed(this.noisePath(iteration), { noise: values });
  }

  /** Whether it is there. */
  async hasNoise(iteration: number): Promise<boolean> {
    return await this.has(iteration, NOISE);
  }

  /** What `writeNoise` kept. @throws DataError if it is missing or damaged */
  async readNoise(iteration: number): Promise<NoiseFigures> {
    const { tensors } = await readSealed(this.noisePath(iteration), "the estimated noise");
    const [scale, error] = tensors.noise!.data as Float64Array; // as written above
    return { scale: scale!, error: error! };
  }

  /**
   * Observations with the noise that is used for them: the run's own with what it had found after an iteration, if it estimates
   * it; others, and those of any other run, with what they state.
   */
  async withNoise(observations: ObservationSet, iteration: number): Promise<ObservationSet> {
    const { config, observations: own } = this.info;
    if (config.em.noise !== "estimate" || (await observations.checksum()) !== own.checksum)
      return observations;
    return scaleNoise(observations, (await this.readNoise(iteration)).scale);
  }

  /** Writes the network's weights. */
  async writeWeights(iteration: number, parameters: Parameters): Promise<void> {
    await writeSealed(this.file(iteration, WEIGHTS), parameters);
  }

  /** Keeps the M-step, under way or complete. */
  async writeProgress(iteration: number, progress: TrainingProgress): Promise<void> {
    const { tensors, metadata } = encodeProgress(progress);
    await writeSealed(this.file(iteration, STATE), tensors, metadata);
  }

  /** How far the M-step of an iteration came; undefined before its first checkpoint. @throws DataError if damaged */
  async readProgress(iteration: number): Promise<TrainingProgress | undefined> {
    if (!(await this.has(iteration, STATE))) return undefined;
    const path = this.file(iteration, STATE);
    return decodeProgress(await readSealed(path, "the optimizer's state"), path);
  }

  /** Whether the start is a network's prior, not a Gaussian. */
  get beginsWithNetwork(): boolean {
    return this.info.from?.files.some(({ name }) => name === WEIGHTS) ?? false;
  }

  /** Path of the noise that an iteration found. */
  noisePath(iteration: number): string {
    return this.file(iteration, NOISE);
  }

  /** Names in a start, and paths here, of the files that hold the prior after an iteration. */
  priorFiles(iteration: number): (readonly [name: string, path: string])[] {
    const names = iteration > 0 || this.beginsWithNetwork ? [WEIGHTS] : [];
    return [
      [GAUSSIAN, this.file(0, GAUSSIAN)],
      ...names.map((name) => [name, this.file(iteration, name)] as const),
    ];
  }

  /** Writes a file of an iteration. */
  async writeBytes(iteration: number, name: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(this.file(iteration, name), bytes);
  }

  /** Reads the prior of an iteration; 0 is the start. */
  async readModel(iteration: number): Promise<Model> {
    const { config, observations } = this.info;
    const { network } = this;
    const path = this.file(0, GAUSSIAN);
    const { gaussian, coordinates } = decodeStart(await readSealed(path, "the Gaussian start"), path);
    let parameters: Parameters | undefined;
    if (iteration > 0 || this.beginsWithNetwork) {
      const weights = this.file(iteration, WEIGHTS);
      parameters = (await readSealed(weights, "the network's weights")).tensors as Parameters;
      checkParameters(network.parameters, parameters, weights);
    }
    const { base } = config.network;
    return {
      network,
      parameters,
      gaussian,
      coordinates,
      base,
      schedule: resolveSchedule(config.schedule, gaussian, coordinates),
      limits: config.eStep.clip ? observations.range : undefined,
    };
  }

  /** Says in status.json what the run is doing. */
  async writeStatus(state: "running" | "done" | "interrupted" | "failed", message?: string): Promise<void> {
    const updatedAt = new Date().toISOString();
    await this.#writeJson("status.json", { state, updatedAt, ...(message && { message }) });
  }

  async #makeFolder(name: string): Promise<void> {
    const path = join(this.path, name);
    await makeFolder(path);
    try {
      await syncFolder(dirname(path));
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  async #writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(join(this.path, name), `${JSON.stringify(value, null, 2)}\n`);
  }
}

const GAUSSIAN = "gaussian.safetensors";
const STATE = "state.safetensors";
const WEIGHTS = "weights.safetensors";
const NOISE = "noise.safetensors";

function iterationFolder(iteration: number): string {
  return iteration === 0 ? "start" : join("iterations", String(iteration).padStart(4, "0"));
}
