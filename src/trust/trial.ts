import { float32, type HostArray } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { fromUser, inCoordinates } from "../data/observations/coordinates.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import { drawAll } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compileGuided, type DrawChoice } from "../inference/posterior.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type Answers, answersOf } from "./held-out/answers.ts";
import { compilePredictor } from "./held-out/predictor.ts";
import { hideSome } from "./held-out/split.ts";
import { compileMisfits } from "./misfits.ts";
import { type Ranks, rankOf } from "./ranks.ts";
import { normalRows } from "./twins.ts";

/** What a check draws with. */
export interface TrialOptions extends Watch {
  readonly model: Model;
  /** How the run draws. */
  readonly choice: DrawChoice;
  /** Draws for each observation. */
  readonly draws: number;
  readonly engine: EngineOptions;
}

/** What S draws for each observation, given all of its numbers but a fifth, say of it. */
export interface Trial {
  /** The hidden numbers and S predictions of each. */
  readonly answers: readonly Answers[];
  /** (y - A x)' Sigma_y^-1 (y - A x) over the numbers that were shown, [n][S]. */
  readonly misfits: readonly (readonly number[])[];
  /** How many were shown. */
  readonly shown: Float64Array;
  /** Squares of the residuals of shown entries over their noise, mean over the draws, by the entry of y. */
  readonly residuals: readonly ReadonlyMap<number, number>[];
  /** Of what was measured, where that is known. */
  readonly truth?: {
    /** Its misfits, [n]. */
    readonly misfits: Float64Array;
    /** Ranks of its projections among those of the draws. */
    readonly ranks: Ranks;
  };
}

/**
 * Draws S times for each of a few observations of which a fifth of the numbers is hidden. Draws and truth are compared at the
 * resolution of the smallest noise level, x + sigma_min z: below it a prior knows nothing.
 * @param observations in memory
 * @param latents what was measured, in the user's units, if it is known
 * @param rng the same for observations and their twins, so that the same numbers are hidden
 */
export async function tryObservations(
  observations: ObservationSet,
  { model, choice, draws, engine, ...watch }: TrialOptions,
  rng: Rng,
  name: string,
  latents?: HostArray<"float32">,
): Promise<Trial> {
  const { count } = observations;
  const { coordinates } = model;
  const own = inCoordinates(observations, coordinates);
  const hidden = hideSome(observations, rng.split("hide"));
  await using predictor = await compilePredictor(own, engine);
  await using misfits = await compileMisfits(hideSome(own, rng.split("hide")), count, engine);
  await using source = await compileGuided(
    model,
    hidden,
    { ...choice, batch: Math.min(choice.batch, count) },
    engine,
  );
  const answers: Answers[] = [];
  const squares: number[][] = Array.from({ length: count }, () => []);
  const each: Float64Array[] = [];
  const places: Float64Array[][] = Array.from({ length: count }, () => []);
  const look = directionsOf(sizeOf(source.shape), count, rng.split("directions"));
  const streamsOf = (key: string | number) =>
    Array.from({ length: count }, (_, i) => rng.split("resolution", key, i));
  const blurred = (x: HostArray<"float32">, key: string | number) =>
    blur(x, model.schedule.sigmaMin, normalRows(streamsOf(key), "z", x.shape.slice(1)));
  for (let s = 0; s < draws; s++) {
    const drawn = await drawAll(source, [0, count], {
      ...watch,
      stage: { name: `${name}, draws ${s + 1} of ${draws}`, iteration: 0, iterations: 0 },
      stream: (index) => rng.split("draw", index, s),
    });
    const x = fromUser(coordinates, drawn);
    const more = await answersOf(predictor, hidden, x, rng.split("predictions", s));
    const coarse = blurred(x, s);
    const found = await misfits.of(coarse, 0);
    for (let i = 0; i < count; i++) {
      const own = found.each[i]!;
      each[i] ??= new Float64Array(own.length);
      for (let m = 0; m < own.length; m++) each[i]![m]! += own[m]! / draws;
      answers[i] = {
        ...more[i]!,
        predictions: [...(answers[i]?.predictions ?? []), ...more[i]!.predictions],
      };
      squares[i]!.push(found.squares[i]!);
      if (latents) places[i]!.push(look(coarse, i));
    }
  }
  const known = latents && blurred(fromUser(coordinates, latents), "truth");
  const given = await misfits.of(
    known ?? float32(new Float32Array(count * sizeOf(source.shape)), [count, ...source.shape]),
    0,
  );
  return {
    answers,
    misfits: squares,
    shown: given.measured,
    residuals: each.map((values, i) => shownEntries(values, given.seen[i]!)),
    ...(known && {
      truth: {
        misfits: given.squares,
        ranks: {
          S: draws,
          each: places.map((own, i) => ranksAmong(look(known, i), own, rng.split("ties", i))),
        },
      },
    }),
  };
}

/** Values of the entries that were seen. */
function shownEntries(values: Float64Array, seen: Float32Array): Map<number, number> {
  const own = new Map<number, number>();
  for (const [m, value] of values.entries()) if (seen[m] === 1) own.set(m, value);
  return own;
}

/** The trial of some of its observations. */
export function trialOf({ answers, misfits, shown, residuals, truth }: Trial, numbers: Int32Array): Trial {
  const pick = <T>(all: readonly T[]) => Array.from(numbers, (number) => all[number]!);
  return {
    answers: pick(answers),
    misfits: pick(misfits),
    shown: Float64Array.from(pick([...shown])),
    residuals: pick(residuals),
    ...(truth && {
      truth: {
        misfits: Float64Array.from(pick([...truth.misfits])),
        ranks: { ...truth.ranks, each: pick(truth.ranks.each) },
      },
    }),
  };
}

/** Ranks of each projection. */
function ranksAmong(truth: Float64Array, draws: readonly Float64Array[], rng: Rng): number[] {
  return Array.from(truth, (value, d) =>
    rankOf(
      value,
      draws.map((own) => own[d]!),
      rng,
    ),
  );
}

/** x + sigma z. */
function blur(x: HostArray<"float32">, sigma: number, z: HostArray<"float32">): HostArray<"float32"> {
  return float32(
    x.data.map((value, at) => value + sigma * z.data[at]!),
    x.shape,
  );
}

/** Entries and random directions that latents are looked at along, other ones for each observation. */
const LOOKS = { entries: 8, directions: 8 } as const;

function directionsOf(N: number, count: number, rng: Rng) {
  const each = Array.from({ length: count }, (_, i) => {
    const stream = rng.split(i);
    return {
      entries: stream.permutation(N).subarray(0, LOOKS.entries),
      signs: Array.from({ length: N > 1 ? LOOKS.directions : 0 }, () =>
        Int8Array.from({ length: N }, () => (stream.uniform() < 0.5 ? -1 : 1)),
      ),
    };
  });
  return (x: HostArray<"float32">, i: number): Float64Array => {
    const { entries, signs } = each[i]!;
    const own = x.data.subarray(i * N, (i + 1) * N);
    const along = signs.map((sign) => own.reduce((sum, value, j) => sum + sign[j]! * value, 0));
    return Float64Array.from([...Array.from(entries, (j) => own[j]!), ...along]);
  };
}
