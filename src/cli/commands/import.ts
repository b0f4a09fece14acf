import { resolve } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson, show } from "../../core/json.ts";
import { arrayShape, finite, interval, oneOf } from "../../core/kinds.ts";
import { type ArrayRows, scalarOf } from "../../data/arrays/array-rows.ts";
import { openNpz } from "../../data/arrays/npz.ts";
import { openArray } from "../../data/arrays/open-array.ts";
import { adoptConventions, type Conventions, type NoiseMeans } from "../../data/observations/conventions.ts";
import { importObservations, takesArray } from "../../data/observations/observation-arrays.ts";
import { openObservations } from "../../data/observations/observations.ts";
import { readConfigFile } from "../../em/config/file.ts";
import { CODE_OPERATORS } from "../../operators/code.ts";
import { OPERATORS } from "../../operators/registry.ts";
import type { Arguments, Command } from "../arguments.ts";
import { latentsInWords } from "../latents-in-words.ts";
import { withSession } from "../session.ts";

/** Arrays of an archive that are not the operator's. */
const RESERVED = ["y", "noise_variance", "noise_factor"];
/** Options that state the noise, and what each means. */
const NOISE: Readonly<Record<string, NoiseMeans>> = {
  "noise-variance": "variance",
  "noise-std": "deviation",
  "inverse-variance": "inverse-variance",
};

export const importCommand: Command = {
  name: "import",
  summary:
    "Makes a folder of observations from arrays whose first axis counts observations. FILE is a .npy, ARCHIVE.npz:NAME, DATA.h5:/PATH, or the folder of a Zarr array.",
  positionals: [],
  options: {
    out: { value: "OBS", help: "folder to write", isRequired: true },
    y: { value: "FILE", help: "observations, [n, ...shape]" },
    operator: {
      value: "NAME",
      help: "mask, matrix, ..., onnx, module, or its specification as JSON or in a .json file",
      fallback: "what the arrays say",
    },
    mask: { value: "FILE", help: "masks, [n, ...shape], 1 where an entry is seen" },
    "mask-means": { value: "WHAT", help: "what a mask of 1 means: seen or hidden", fallback: "seen" },
    missing: { value: "WHAT", help: "nan: entries of y that are NaN were not measured; none: y is whole" },
    matrix: { value: "FILE", help: "matrices, [n, M, N]" },
    onnx: { value: "FILE.onnx", help: "the operator as an ONNX file, which is copied into the folder" },
    module: { value: "FILE.js", help: "the operator as a module, which is copied into the folder and run" },
    "allow-module": { help: "run a module that the specification names: code, with your rights" },
    data: { value: "NAME=FILE", help: "another array of the operator, e.g. kernel=k.npy", many: true },
    npz: { value: "FILE.npz", help: "archive with y, the operator's arrays, noise_variance, noise_factor" },
    "noise-variance": {
      value: "V",
      help: "variance of the noise, a number or a FILE that broadcasts to y; infinite where nothing was measured",
    },
    "noise-std": { value: "S", help: "instead: standard deviation of the noise" },
    "inverse-variance": { value: "W", help: "instead: inverse variance, 0 where nothing was measured" },
    "noise-factor": {
      value: "FILE",
      help: "patterns L [...shape, r] that the noise of all observations shares, beside its variance",
    },
    channels: {
      value: "WHERE",
      help: "first or last axis of each observation in y and mask",
      fallback: "first",
    },
    "latent-shape": {
      value: "SHAPE",
      help: "shape of one latent, e.g. 1,28,28",
      fallback: "where the arrays tell it",
    },
    range: { value: "LO,HI", help: "smallest and largest value of clean data" },
    units: { value: "TEXT", help: "units of the latents, for reports" },
  },
  run: (args) =>
    withSession(args, async ({ watch }) => {
      const out = resolve(args.required("out"));
      const conventions = conventionOptions(args);
      const operator = await operatorOption(args);
      const arrays: Record<string, ArrayRows> = {};
      try {
        await openArrays(args, operator, arrays);
        const { y, noise_variance: noise, noise_factor: noiseFactor, ...data } = arrays;
        if (!y)
          throw new ConfigError("diem import: --y is missing. Give --y FILE, or --npz FILE.npz with y.");
        const stated = {
          ...{ y, data, noiseFactor, operator },
          noiseVariance: await noiseOption(args, noise),
          latentShape: args.value("latent-shape", arrayShape),
          range: args.value("range", interval),
          units: args.text("units"),
        };
        const allowModules = args.text("module") !== undefined || args.flag("allow-module");
        const count = await importObservations(out, await adoptConventions(stated, conventions, out), {
          signal: watch.signal,
          allowModules,
        });
        const { header } = await openObservations(out, { allowModules });
        return {
          text: `Wrote ${count} observations of ${latentsInWords(header.latentShape)} to ${out}. Learn from them with: diem train ${out} --out run`,
          figures: { out, count },
        };
      } finally {
        for (const array of Object.values(arrays)) array.close();
      }
    }),
};

/** Opens every array that the options name, by its name in observations. An archive's are opened if there is use for them. */
async function openArrays(
  args: Arguments,
  operator: { readonly name: string } | undefined,
  arrays: Record<string, ArrayRows>,
): Promise<void> {
  const archive = args.text("npz");
  if (archive !== undefined) {
    const { names, rows, holdsNumbers } = await openNpz(resolve(archive));
    for (const name of names)
      if (RESERVED.includes(name) || (takesArray(operator, name) && holdsNumbers(name)))
        arrays[name] = rows(name);
  }
  const files = args.texts("data").map(namedFile);
  for (const name of ["y", "mask", "matrix"]) files.push([name, args.text(name)]);
  files.push(["noise_factor", args.text("noise-factor")]);
  const [noise] = noiseOptions(args);
  if (noise && isFile(noise.text)) files.push(["noise_variance", noise.text]);
  for (const [name, file] of files) if (file !== undefined) arrays[name] = await openArray(resolve(file));
}

function namedFile(text: string): [name: string, file: string | undefined] {
  const [, name, file] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined || RESERVED.includes(name))
    throw new ConfigError(`--data: expected NAME=FILE with the name of an operator's array, got "${text}".`);
  return [name, file];
}

/** @throws ConfigError for what is no convention */
function conventionOptions(args: Arguments): Conventions {
  const [noise] = noiseOptions(args);
  return {
    ...(noise && { noise: NOISE[noise.name]! }),
    missing: args.value("missing", oneOf(["nan", "none"])),
    maskMeans: args.value("mask-means", oneOf(["seen", "hidden"])),
    channels: args.value("channels", oneOf(["first", "last"])),
  };
}

/** How the noise is stated, at most one. @throws ConfigError for more than one */
function noiseOptions(args: Arguments): { readonly name: string; readonly text: string }[] {
  const found = Object.keys(NOISE).flatMap((name) => {
    const text = args.text(name);
    return text === undefined ? [] : [{ name, text }];
  });
  if (found.length > 1)
    throw new ConfigError(
      `diem import: expected one of ${Object.keys(NOISE)
        .map((name) => `--${name}`)
        .join(", ")}, got ${found.length}. Leave the others out.`,
    );
  return found;
}

/** Whether a text is a file and not a number: numbers have no letters but that of the exponent. */
const isFile = (text: string) => Number.isNaN(Number(text)) && /[./\\:]/.test(text);

/** One number, from the option or as an array of one element; else an array that broadcasts to y. */
async function noiseOption(args: Arguments, array: ArrayRows | undefined): Promise<number | ArrayRows> {
  const [noise] = noiseOptions(args);
  if (noise && !isFile(noise.text)) return args.required(noise.name, finite);
  if (!array)
    throw new ConfigError(
      "diem import: --noise-variance is missing. Give the variance of the noise (or --noise-std, --inverse-variance); 1e-6 for observations without noise.",
    );
  return array.shape.length === 0 ? await scalarOf(array) : array;
}

async function operatorOption(args: Arguments): Promise<{ readonly name: string } | undefined> {
  const text = args.text("operator");
  for (const name of CODE_OPERATORS) {
    const path = args.text(name);
    if (path === undefined) continue;
    if (text !== undefined && text !== name)
      throw new ConfigError(
        `diem import: --${name} is no option of operator ${text}. Leave one of them out.`,
      );
    return { name, path: resolve(path) } as { readonly name: string };
  }
  if (text === undefined) return undefined;
  if (!text.endsWith(".json") && !text.startsWith("{")) {
    const names = [...OPERATORS.map((operator) => operator.name), ...CODE_OPERATORS];
    return { name: args.required("operator", oneOf(names)) };
  }
  const value: unknown = text.startsWith("{") ? parseSpec(text) : await readConfigFile(resolve(text));
  if (typeof value !== "object" || value === null || !("name" in value) || typeof value.name !== "string")
    throw new DataError(
      `--operator: expected a specification with a name, found ${show(value)}. Give one as {"name": "mask"}.`,
    );
  return { ...value, name: value.name };
}

function parseSpec(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new ConfigError(
      `--operator: expected a name or JSON, got ${show(text)}: ${(cause as Error).message}.`,
      { cause },
    );
  }
}
