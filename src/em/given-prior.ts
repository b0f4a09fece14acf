/** The prior of another run, which a run begins with in place of a Gaussian that is fitted to its own observations. */
import { ConfigError, DataError } from "../core/errors.ts";
import { checksum, readFileOrFail } from "../core/files.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import type { Model } from "../inference/model.ts";
import type { TrainConfig } from "./config/config.ts";
import type { GivenDenoiser } from "./given-denoiser.ts";
import type { OwnParts } from "./own-parts.ts";
import type { RunFolder } from "./run/run-folder.ts";
import type { GivenFile, GivenInfo } from "./run/run-info.ts";

/** A prior to begin with. */
export interface GivenPrior {
  /** What run.json keeps of it. */
  readonly info: GivenInfo;
  readonly model: Model;
  /** That of its run. */
  readonly config: TrainConfig;
}

/** What a run is made of besides its configuration. */
export interface RunParts extends OwnParts {
  /** What it begins with. Default: a Gaussian fitted to its observations. */
  readonly from?: GivenPrior | undefined;
  /** A denoiser whose posterior the first E-step draws from, in place of the Gaussian's. */
  readonly denoiser?: GivenDenoiser | undefined;
}

/**
 * The prior of a run after an iteration.
 * @param latentShape that of the observations that the new run learns from
 * @throws DataError if it is a prior of other latents, or one of its files is damaged
 */
export async function givenPrior(run: RunFolder, iteration: number, latentShape: Shape): Promise<GivenPrior> {
  const { config, observations } = run.info;
  if (!sameShape(observations.latentShape, latentShape))
    throw new DataError(
      `${run.path}: expected a prior of latents ${formatShape(latentShape)}, as the observations have, found one of ${formatShape(observations.latentShape)}. Give another run.`,
    );
  const model = await run.readModel(iteration);
  const files: GivenFile[] = [];
  for (const [name, path] of run.priorFiles(iteration))
    files.push({ name, path, sha256: await checksum(path) });
  return { info: { run: run.path, iteration, files }, model, config };
}

/** Copies what a run begins with into its start: files that are there stay. @throws DataError if they are no longer what they were */
export async function copyGiven(run: RunFolder, files: readonly GivenFile[]): Promise<void> {
  for (const { name, path, sha256 } of files) {
    if (await run.has(0, name)) continue;
    const bytes = await readFileOrFail(path, "the prior that the run began with");
    if ((await checksum(bytes)) !== sha256)
      throw new DataError(
        `${path}: expected the prior that the run began with, found another. Restore it, or start a new run.`,
      );
    await run.writeBytes(0, name, bytes);
  }
}

/** What a prior decides: its network, the noise levels that this was trained for, and how the Gaussian below it was fitted. */
const DECIDED = ["network", "schedule", "start"] as const;

/** Defaults for a run that begins with a given prior. */
export function configFrom({ config }: GivenPrior, defaults: TrainConfig): TrainConfig {
  const { network, schedule, start } = config;
  return { ...defaults, network, schedule, start };
}

/** @throws ConfigError if a configuration contradicts the prior that its run begins with */
export function checkDecided({ config: own, info }: GivenPrior, config: TrainConfig): void {
  if (config.em.noise === "estimate")
    throw new ConfigError(
      `em.noise: expected "stated", for the fit of a Gaussian would find the noise and the prior of ${info.run} takes its place, got "estimate". State the noise's variance with the observations.`,
    );
  for (const section of DECIDED) {
    const expected: Readonly<Record<string, unknown>> = { ...own[section] };
    for (const [field, value] of Object.entries(config[section]))
      if (JSON.stringify(value) !== JSON.stringify(expected[field]))
        throw new ConfigError(
          `${section}.${field}: expected ${JSON.stringify(expected[field])}, for the prior of ${info.run} has that, got ${JSON.stringify(value)}. Leave it out, or begin without that prior.`,
        );
  }
}

/** The first iteration that draws by diffusion: while the prior is a Gaussian, draws are exact. */
export function firstGuided({ from, denoiser }: RunParts): 1 | 2 {
  return from?.model.parameters || denoiser ? 1 : 2;
}

/** @param from the folder of a run, or a file @throws ConfigError if a run did not begin with the prior of that */
export function checkSameFrom({ info }: RunFolder, from: string | undefined): void {
  const own = info.from?.run ?? info.denoiser?.file;
  if (from !== undefined && from !== own)
    throw new ConfigError(
      `from: expected the prior that the run began with, ${own ? `that of ${own}` : "its own Gaussian"}, got that of ${from}. Leave it out, or start a run in another folder.`,
    );
}
