import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { firstNonFinite, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import { readNpy } from "../../data/arrays/npy.ts";
import { readNpz } from "../../data/arrays/npz.ts";
import { VERSION_2 } from "../../data/arrays/zarr-store.ts";
import { openObservationSet } from "../../data/observations/merged-observations.ts";
import { kindsOf } from "../../data/observations/observation-set.ts";
import type { ObservationKind } from "../../data/observations/observations.ts";
import { defaultConfig, mergeConfig } from "../../em/config/config.ts";
import { readConfigFile } from "../../em/config/file.ts";
import { RunFolder } from "../../em/run/run-folder.ts";
import { decodeSafetensors } from "../../nn/safetensors.ts";
import { operatorLabel } from "../../operators/spec.ts";
import { count } from "../../report/format.ts";
import type { Command, Outcome } from "../arguments.ts";
import { DATA_OPTIONS } from "../data.ts";
import { stageText } from "../run-end.ts";

/** Files that folders of observations have, and those of Zarr's older format, which opening one explains. */
const ZARR = ["zarr.json", ...VERSION_2];

export const info: Command = {
  name: "info",
  summary: "Describes and checks a run, observations, a configuration, or a .npy, .npz or .safetensors file.",
  positionals: ["PATH"],
  options: DATA_OPTIONS,
  run: async (args) => {
    const path = resolve(args.positionals[0]!);
    if (existsSync(join(path, "run.json"))) return await describeRun(path);
    if (ZARR.some((name) => existsSync(join(path, name))))
      return await describeObservationFolder(path, args.flag("allow-module"));
    if (path.endsWith(".npy")) return describeArrays(path, { array: await readNpy(path) });
    if (path.endsWith(".npz")) return describeArrays(path, await readNpz(path));
    if (/\.(json|ya?ml)$/.test(path)) return await describeConfig(path);
    if (path.endsWith(".safetensors")) {
      const bytes = await readFileOrFail(path, "a safetensors file");
      return describeArrays(path, decodeSafetensors(bytes, path).tensors);
    }
    throw new DataError(
      `${path}: expected a run, a folder of observations, a configuration (.json, .yaml), or a .npy, .npz or .safetensors file, found ${existsSync(path) ? "something else" : "nothing"}. Check the path.`,
    );
  },
};

async function describeRun(path: string): Promise<Outcome> {
  const run = await RunFolder.open(path);
  const last = await run.lastIteration();
  const { config, observations, from, denoiser, name } = run.info;
  const best = await run.bestIteration();
  const figures = last >= 0 ? await run.readFigures(last) : undefined;
  const heldOut = best >= 0 ? (await run.readFigures(best)).heldOut : undefined;
  if (best >= 0) await run.readModel(best);
  const progress =
    last < 0 ? "the start is not finished" : `${last} of ${config.em.iterations} iterations are complete`;
  return {
    text: [
      `Run "${name}": ${progress}.`,
      ...(heldOut
        ? [`Result: ${stageText(best)}, held-out score ${heldOut.score} (standard error ${heldOut.error})`]
        : []),
      ...(from ? [`Began with: ${stageText(from.iteration)} of ${from.run}`] : []),
      ...(denoiser ? [`Began with: the denoiser in ${denoiser.file}`] : []),
      `Observations: ${observations.count} of ${observations.operator}, latents ${formatShape(observations.latentShape)}, from ${observations.path}`,
      ...Object.entries(figures?.metrics ?? {}).map(([metric, value]) => `${metric}: ${value}`),
    ].join("\n"),
    figures: {
      kind: "run",
      name,
      iterations: last,
      planned: config.em.iterations,
      result: best,
      ...(from && { from: { run: from.run, iteration: from.iteration } }),
      ...(denoiser && { from: { file: denoiser.file } }),
      ...(heldOut && { heldOut }),
      metrics: figures?.metrics ?? {},
    },
  };
}

async function describeObservationFolder(path: string, allowModules: boolean): Promise<Outcome> {
  const set = await openObservationSet(path, { allowModules });
  const kinds = kindsOf(set).map(({ observations }) => observations);
  const chunk = 256;
  for (const { count: n, read } of kinds)
    for (let first = 0; first < n; first += chunk) await read(first, Math.min(first + chunk, n));
  const [only, ...others] = kinds;
  const lines = kinds.map((kind, k) =>
    others.length > 0 ? `Kind ${k + 1}, of ${kind.count}: ${inWords(kind)}` : inWords(kind),
  );
  return {
    text: [`Observations: ${set.count}, all checked.`, ...lines].join("\n"),
    figures: {
      kind: "observations",
      count: set.count,
      ...(others.length > 0
        ? { ...set.header, kinds: kinds.map(({ count: n, header }) => ({ count: n, ...header })) }
        : only!.header),
    },
  };
}

/** What a kind of observations is. */
function inWords({ header, family }: ObservationKind): string {
  const arrays = Object.entries(family.data).map(([name, shape]) => `${name} ${formatShape(shape)}`);
  const data = arrays.length > 0 ? ` with ${arrays.join(", ")}` : "";
  const variance = header.noiseVariance === "array" ? "of each entry" : header.noiseVariance;
  const patterns = header.noiseRank ? ` and ${count(header.noiseRank, "shared pattern")}` : "";
  return `Operator ${operatorLabel(header.operator)}${data}, latents ${formatShape(header.latentShape)}, observations ${formatShape(header.observationShape)}, noise variance ${variance}${patterns}`;
}

/** Checks a configuration file against the fields there are; how it fits data shows with `diem config`. */
async function describeConfig(path: string): Promise<Outcome> {
  const changes = await readConfigFile(path);
  mergeConfig(defaultConfig([1, 4, 4], 1), changes, path);
  const fields = Object.keys(changes as object).filter((key) => key !== "$schema");
  return {
    text: `Configuration: sets ${fields.join(", ") || "nothing"}; every field is known and in range. See diem config for the rest.`,
    figures: { kind: "configuration", fields },
  };
}

function describeArrays(path: string, arrays: Readonly<Record<string, HostArray>>): Outcome {
  const rows = Object.entries(arrays).map(([name, array]) => {
    const bad = array.dtype.startsWith("float") ? firstNonFinite(array.data as Float32Array) : -1;
    return { name, dtype: array.dtype, shape: array.shape, finite: bad < 0 };
  });
  const total = rows.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    text: [
      `${path}: ${rows.length} array${rows.length === 1 ? "" : "s"}, ${total} elements`,
      ...rows.map(
        ({ name, dtype, shape, finite }) =>
          `  ${name} ${dtype} ${formatShape(shape)}${finite ? "" : " (not finite)"}`,
      ),
    ].join("\n"),
    figures: { kind: "arrays", arrays: rows },
  };
}
