/** Files beside posterior draws that say what several draws of an observation say together. */

import { resolve } from "node:path";
import type { HostArray } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import { check, file, level, list, parse } from "../core/kinds.ts";
import type { Shape } from "../core/shape.ts";
import { createNpyWriter, type NpyWriter } from "../data/arrays/npy.ts";
import { drawMoments, drawQuantiles } from "../metrics/draws.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";

/** Options of `diem reconstruct` that ask for summaries. */
export const SUMMARY_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  mean: { value: "FILE.npy", help: "also write the mean of each observation's samples, [N, ...shape]" },
  std: { value: "FILE.npy", help: "also write their standard deviation, [N, ...shape]" },
  quantiles: {
    value: "LEVELS FILE.npy",
    help: "also write quantiles of them, e.g. 0.05,0.5,0.95 q.npy: [N, levels, ...shape]",
  },
};

/** Summaries that grow with the draws; their files appear together at the end. */
export interface DrawSummaries extends AsyncDisposable {
  /** @param draws of the next observations, [n, S, ...shape] */
  add(draws: HostArray<"float32">): Promise<void>;
  /** Gives the files their names; disposed of before that, nothing is left of them. */
  close(): Promise<void>;
}

interface Summary {
  readonly path: string;
  /** Axes between that of observations and those of latents. */
  readonly axes: Shape;
  readonly of: (draws: HostArray<"float32">) => HostArray<"float32">;
}

/** @param latentShape of draws that are to come, `count` times `samples` @throws ConfigError, DataError */
export async function openSummaries(
  args: Arguments,
  count: number,
  samples: number,
  latentShape: Shape,
): Promise<DrawSummaries> {
  const summaries = askedFor(args, samples);
  const writers: NpyWriter[] = [];
  const abort = async () => {
    for (const writer of writers) await writer.abort();
  };
  try {
    for (const { path, axes } of summaries)
      writers.push(await createNpyWriter(path, [count, ...axes, ...latentShape], "float32"));
  } catch (error) {
    await abort();
    throw error;
  }
  return {
    [Symbol.asyncDispose]: abort,
    add: async (draws) => {
      for (const [k, { of }] of summaries.entries()) await writers[k]!.append(of(draws));
    },
    close: async () => {
      for (const writer of writers) await writer.close();
    },
  };
}

function askedFor(args: Arguments, samples: number): Summary[] {
  const [mean, std] = [args.value("mean", file(".npy")), args.value("std", file(".npy"))];
  const quantiles = args.text("quantiles");
  if (samples === 1 && (std !== undefined || quantiles !== undefined))
    throw new ConfigError(
      "--std and --quantiles: expected several samples of each observation, got one. Give --samples.",
    );
  return [
    ...(mean === undefined ? [] : [summary(mean, (draws) => drawMoments(draws).mean)]),
    ...(std === undefined ? [] : [summary(std, (draws) => drawMoments(draws).deviation)]),
    ...(quantiles === undefined ? [] : [quantileSummary(quantiles)]),
  ];
}

function summary(path: string, of: Summary["of"], axes: Shape = []): Summary {
  return { path: resolve(path), axes, of };
}

/** @param text levels, a space, and the file */
function quantileSummary(text: string): Summary {
  const [levelText = "", ...words] = text.split(" ");
  const remedy = " Give --quantiles 0.05,0.5,0.95 q.npy.";
  const levels = parse(list(level, "numbers above 0 and below 1"), levelText, "--quantiles: levels", remedy);
  const path = check(file(".npy"), words.join(" "), "--quantiles: the file", remedy);
  return summary(path, (draws) => drawQuantiles(draws, levels), [levels.length]);
}
