import type { Session } from "../../src/cli/session.ts";
import { type HostArray, rows } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { fromUser } from "../../src/data/observations/coordinates.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import type { TrainConfig } from "../../src/em/config/config.ts";
import type { GaussianSampler } from "../../src/gaussian/sampler.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import type { Model } from "../../src/inference/model.ts";
import { compileGuided } from "../../src/inference/posterior.ts";
import { compilePrior } from "../../src/inference/prior.ts";
import { type Levels, levelsOf } from "./settings.ts";

/** What draws are made with. */
export interface DrawRequest {
  readonly model: Model;
  readonly config: Pick<TrainConfig, "schedule" | "eStep">;
  /** For progress. */
  readonly name: string;
  readonly rng: Rng;
  readonly session: Session;
}

/**
 * One posterior draw for each of the first `count` observations.
 * @param restart draws of the same observations and the level to which they are taken back
 */
export async function drawWay(
  { model, config, name, rng, session }: DrawRequest,
  observations: Observations,
  count: number,
  restart?: { readonly draws: HostArray<"float32">; readonly sigma: number },
): Promise<HostArray<"float32">> {
  const { eStep } = config;
  const levels = levelsWith(model, config);
  const scheduled = { ...model, schedule: levels.schedule };
  const choice = {
    ...eStep,
    batch: Math.min(eStep.batch, count),
    ...(restart && { begin: taking(restart.draws, model) }),
  };
  await using source = await compileGuided(scheduled, observations, choice, session.engine);
  return await drawAll(source, [0, count], {
    ...session.watch,
    ...(restart && { levels: levelsOf(levels, eStep, restart.sigma) }),
    stream: (index) => rng.split(index),
    stage: { name, iteration: 0, iterations: 0 },
  });
}

/** The model's noise levels and their unit, spaced as a configuration says. */
export function levelsWith({ schedule, coordinates }: Model, config: Pick<TrainConfig, "schedule">): Levels {
  return { schedule: { ...schedule, spacing: config.schedule.spacing }, unit: coordinates?.unit };
}

/** Hands out draws in order, as a sampler would. @param draws in the user's units */
function taking(draws: HostArray<"float32">, { coordinates }: Model): GaussianSampler {
  const inside = fromUser(coordinates, draws);
  let next = 0;
  const take = (count: number) => {
    next += count;
    return Promise.resolve(rows(inside, next - count, next));
  };
  return {
    batch: inside.shape[0]!,
    draw: (_batch, streams) => take(streams.length),
    mean: ({ y }) => take(y.shape[0]!),
    release: () => Promise.resolve(),
  };
}

/** Ancestral samples of a prior, on geometric levels whatever the run's. */
export async function drawPriorSamples(
  { model, config, name, rng, session }: DrawRequest,
  count: number,
  steps: number,
): Promise<HostArray<"float32">> {
  const batch = Math.min(config.eStep.batch, count);
  const geometric = { ...model, schedule: { ...model.schedule, spacing: "geometric" as const } };
  await using source = await compilePrior(geometric, { sampler: "ddpm", batch, steps }, session.engine);
  return await drawAll(source, [0, count], {
    ...session.watch,
    stream: (index) => rng.split(index),
    stage: { name, iteration: 0, iterations: 0 },
  });
}
