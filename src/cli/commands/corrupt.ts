import { resolve } from "node:path";
import { type HostArray, hostArray, rows } from "../../core/array.ts";
import { ConfigError, DataError } from "../../core/errors.ts";
import { finite, interval, oneOf, whole } from "../../core/kinds.ts";
import { Rng } from "../../core/random.ts";
import { formatShape } from "../../core/shape.ts";
import { toFloat32 } from "../../data/arrays/array-rows.ts";
import { readNpy } from "../../data/arrays/npy.ts";
import { corruptor } from "../../data/corrupt.ts";
import { createObservations } from "../../data/observations/observations.ts";
import { CORRUPTIONS, SIMULATIONS } from "../../operators/registry.ts";
import type { Corruption } from "../../operators/simulation.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import type { Arguments, Command } from "../arguments.ts";
import { latentsInWords } from "../latents-in-words.ts";
import { withSession } from "../session.ts";

const CHUNK = 256;

/** Writes observations of clean arrays, each corrupted by its own stream of the seed. */
export async function corruptArrays(
  clean: HostArray<"float32">,
  out: string,
  options: {
    readonly corruption: Corruption;
    readonly noiseVariance: number;
    readonly noiseFactor?: HostArray<"float32"> | undefined;
    readonly seed: number;
    readonly range?: readonly [number, number];
    readonly engine?: EngineOptions;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const [count, ...latentShape] = clean.shape as [number, ...number[]];
  const { corruption, noiseVariance, noiseFactor, seed, range, engine = {}, signal } = options;
  const { header, make, release } = corruptor(corruption, latentShape, {
    noiseVariance,
    noiseFactor,
    rng: new Rng(seed),
    engine,
  });
  try {
    const writer = await createObservations(out, { ...header, ...(range && { range }) }, count, {
      noiseFactor,
      signal,
    });
    try {
      for (let start = 0; start < count; start += CHUNK)
        await writer.append(await make(rows(clean, start, Math.min(start + CHUNK, count)), start));
      await writer.close();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  } finally {
    await release();
  }
}

export const corrupt: Command = {
  name: "corrupt",
  summary:
    "Makes observations from a clean .npy array [N, ...shape]: applies an operator, by default a random mask, and adds noise.",
  positionals: ["CLEAN.npy", "OBS"],
  options: {
    operator: { value: "NAME", help: CORRUPTIONS.join(", "), fallback: "mask" },
    deleted: { value: "SHARE", help: "mask: share of entries deleted", fallback: "0.75" },
    size: {
      value: "H,W",
      help: "box, crop: a size for each axis, or one for all; blurs: side of the kernel, odd; average-pool: side of the blocks",
    },
    margin: { value: "N", help: "box: least distance to the edges, in places", fallback: "0" },
    measurements: { value: "M", help: "matrix: random projections of each latent" },
    step: { value: "N", help: "subsample: keeps every N-th place" },
    deviation: { value: "PLACES", help: "gaussian-blur: standard deviation of the kernel" },
    intensity: {
      value: "I",
      help: "motion-blur: how crooked the path is, from 0 (straight) to 1",
      fallback: "0.5",
    },
    acceleration: { value: "R", help: "fourier: keeps 1 / R of the columns of k-space, at random" },
    "noise-variance": { value: "V", help: "variance of the noise", fallback: "1e-6" },
    "noise-factor": {
      value: "FILE.npy",
      help: "patterns L [...shape of y, r] of noise that entries share: L w with normal w",
    },
    range: { value: "LO,HI", help: "smallest and largest value of clean data" },
    seed: { value: "N", help: "seed", fallback: "0" },
  },
  run: (args) =>
    withSession(args, async ({ engine, watch }) => {
      const [input, out] = args.positionals.map((path) => resolve(path)) as [string, string];
      const corruption = parseCorruption(args);
      const clean = await readNpy(input);
      if (clean.shape.length < 2 || (clean.dtype !== "float32" && clean.dtype !== "float64"))
        throw new DataError(
          `${input}: expected float32 or float64 [N, ...shape], found ${clean.dtype} ${formatShape(clean.shape)}. Scale it to order one and save it as float32.`,
        );
      const values = hostArray("float32", clean.shape, Float32Array.from(clean.data as Float32Array));
      const range = args.value("range", interval);
      if (range) checkRange(values.data, range);
      const factor = args.text("noise-factor");
      await corruptArrays(values, out, {
        corruption,
        noiseVariance: args.value("noise-variance", finite) ?? 1e-6,
        noiseFactor:
          factor === undefined ? undefined : toFloat32(await readNpy(resolve(factor)), resolve(factor)),
        seed: args.value("seed", whole(0)) ?? 0,
        engine,
        signal: watch.signal,
        ...(range && { range }),
      });
      return {
        text: `Wrote ${clean.shape[0]} observations of ${latentsInWords(clean.shape.slice(1))} to ${out}`,
        figures: { out, count: clean.shape[0] },
      };
    }),
};

/** Draws are kept inside the range, so a wrong one would spoil them all. @throws ConfigError if values exceed it */
function checkRange(values: Float32Array, [lo, hi]: readonly [number, number]): void {
  const rounding = 0.01 * (hi - lo);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least < lo - rounding || most > hi + rounding)
    throw new ConfigError(
      `--range: expected clean values in [${lo}, ${hi}], found values from ${least} to ${most}. Give the range that they have.`,
    );
}

/** @throws ConfigError for an option that is missing, wrong or of another operator */
function parseCorruption(args: Arguments): Corruption {
  const operator = args.value("operator", oneOf(CORRUPTIONS)) ?? "mask";
  const { options } = SIMULATIONS.find((simulation) => simulation.name === operator)!; // one of them
  for (const option of SIMULATIONS.flatMap((simulation) => Object.keys(simulation.options)).map(plain))
    if (args.text(option) !== undefined && !(option in options) && !(`${option}?` in options))
      throw new ConfigError(`diem corrupt: --${option} is no option of operator ${operator}. Leave it out.`);
  const values = Object.entries(options).map(([key, kind]) => {
    const option = plain(key);
    return [option, key === option ? args.required(option, kind) : args.value(option, kind)];
  });
  return {
    name: operator,
    ...Object.fromEntries(values.filter(([, value]) => value !== undefined)),
  } as Corruption;
}

/** The name of an option that may or may not be left out. */
const plain = (key: string) => key.replace("?", "");
