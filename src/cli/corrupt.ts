import { resolve } from "node:path";
import { type HostArray, hostArray, rows } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { Rng } from "../core/random.ts";
import { formatShape } from "../core/shape.ts";
import { corruptMask } from "../data/corrupt.ts";
import { readNpy } from "../data/npy.ts";
import { createObservations } from "../data/observations.ts";
import type { Command } from "./arguments.ts";

const CHUNK = 256;

/** Deletes entries of clean arrays and adds noise, each observation from its own stream of the seed. */
export async function corruptArrays(
  clean: HostArray<"float32">,
  out: string,
  options: {
    readonly deleted: number;
    readonly noiseVariance: number;
    readonly seed: number;
    readonly range?: readonly [number, number];
  },
): Promise<void> {
  const [count, ...latentShape] = clean.shape as [number, ...number[]];
  const { deleted, noiseVariance, seed, range } = options;
  const rng = new Rng(seed);
  const make = (start: number, end: number) =>
    corruptMask(rows(clean, start, end), { rng, deleted, noiseVariance, startIndex: start });
  const maskShape = make(0, 1).data.mask!.shape.slice(1);
  const header = {
    operator: { name: "mask" as const, maskShape },
    latentShape,
    observationShape: latentShape,
    noiseVariance,
    ...(range && { range }),
  };
  const writer = await createObservations(out, header, count);
  for (let start = 0; start < count; start += CHUNK)
    await writer.append(make(start, Math.min(start + CHUNK, count)));
  await writer.close();
}

export const corrupt: Command = {
  name: "corrupt",
  summary:
    "Makes observations from a clean .npy array [N, ...shape]: deletes entries at random and adds noise.",
  positionals: ["CLEAN.npy", "OBS"],
  options: {
    deleted: { value: "SHARE", help: "share of entries deleted", fallback: "0.75" },
    "noise-variance": { value: "V", help: "variance of the noise", fallback: "1e-6" },
    range: { value: "LO,HI", help: "smallest and largest value of clean data" },
    seed: { value: "N", help: "seed", fallback: "0" },
  },
  run: async (args) => {
    const [input, out] = args.positionals.map((path) => resolve(path)) as [string, string];
    const clean = await readNpy(input);
    if (clean.shape.length < 2 || (clean.dtype !== "float32" && clean.dtype !== "float64"))
      throw new DataError(
        `${input}: expected float32 or float64 [N, ...shape], found ${clean.dtype} ${formatShape(clean.shape)}.`,
      );
    const values = hostArray("float32", clean.shape, Float32Array.from(clean.data as Float32Array));
    const range = parseRange(args.text("range"));
    await corruptArrays(values, out, {
      deleted: args.number("deleted") ?? 0.75,
      noiseVariance: args.number("noise-variance") ?? 1e-6,
      seed: args.whole("seed", 0) ?? 0,
      ...(range && { range }),
    });
    return {
      text: `Wrote ${clean.shape[0]} observations to ${out}`,
      figures: { out, count: clean.shape[0] },
    };
  },
};

function parseRange(text: string | undefined): [number, number] | undefined {
  if (text === undefined) return undefined;
  const [lo, hi, ...rest] = text.split(",").map(Number);
  if (rest.length > 0 || !(lo! < hi!))
    throw new ConfigError(`--range: expected LO,HI with LO < HI, got "${text}".`);
  return [lo!, hi!];
}
