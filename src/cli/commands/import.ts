import { resolve } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson, show } from "../../core/json.ts";
import { type ArrayRows, memoryRows, npyRows, scalarOf } from "../../data/arrays/array-rows.ts";
import { readNpz } from "../../data/arrays/npz.ts";
import { importObservations } from "../../data/observations/observation-arrays.ts";
import { oneOf } from "../../em/config/config.ts";
import { readConfigFile } from "../../em/config/file.ts";
import { CODE_OPERATORS } from "../../operators/code.ts";
import { OPERATORS } from "../../operators/registry.ts";
import type { Arguments, Command } from "../arguments.ts";
import { withSession } from "../session.ts";
import { rangeOption, shapeOption } from "../values.ts";

/** Arrays of an archive that are not the operator's. */
const RESERVED = ["y", "noise_variance", "noise_factor"];

export const importCommand: Command = {
  name: "import",
  summary: "Makes a folder of observations from arrays whose first axis counts observations.",
  positionals: [],
  options: {
    out: { value: "OBS", help: "folder to write", isRequired: true },
    y: { value: "FILE.npy", help: "observations, [n, ...shape]" },
    operator: {
      value: "NAME",
      help: "mask, matrix, ..., onnx, module, or its specification as JSON or in a .json file",
      fallback: "what the arrays say",
    },
    mask: { value: "FILE.npy", help: "masks, [n, ...shape], 1 where an entry is seen" },
    matrix: { value: "FILE.npy", help: "matrices, [n, M, N]" },
    onnx: { value: "FILE.onnx", help: "the operator as an ONNX file, which is copied into the folder" },
    module: { value: "FILE.js", help: "the operator as a module, which is copied into the folder and run" },
    "allow-module": { help: "run a module that the specification names: code, with your rights" },
    data: { value: "NAME=FILE.npy", help: "another array of the operator, e.g. kernel=k.npy", many: true },
    npz: { value: "FILE.npz", help: "archive with y, the operator's arrays, noise_variance, noise_factor" },
    "noise-variance": {
      value: "V",
      help: "variance of the noise, or a .npy file with one for each entry of y",
    },
    "noise-factor": {
      value: "FILE.npy",
      help: "patterns L [...shape, r] that the noise of all observations shares, beside its variance",
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
      const arrays = await openArrays(args);
      try {
        const { y, noise_variance, noise_factor: noiseFactor, ...data } = arrays;
        if (!y)
          throw new ConfigError("diem import: --y is missing. Give --y FILE.npy, or --npz FILE.npz with y.");
        const count = await importObservations(
          out,
          {
            y,
            data,
            noiseVariance: noiseVariance(args, noise_variance),
            noiseFactor,
            operator: await operatorOption(args),
            latentShape: shapeOption(args, "latent-shape"),
            range: rangeOption(args),
            units: args.text("units"),
          },
          {
            signal: watch.signal,
            allowModules: args.text("module") !== undefined || args.flag("allow-module"),
          },
        );
        return {
          text: `Wrote ${count} observations to ${out}. Learn from them with: diem train ${out} --out run`,
          figures: { out, count },
        };
      } finally {
        for (const array of Object.values(arrays)) array.close();
      }
    }),
};

/** Every array that the options name, by its name in observations. */
async function openArrays(args: Arguments): Promise<Record<string, ArrayRows>> {
  const archive = args.text("npz");
  const arrays: Record<string, ArrayRows> = {};
  for (const [name, array] of Object.entries(archive === undefined ? {} : await readNpz(resolve(archive))))
    arrays[name] = memoryRows(array, `${resolve(archive!)}: ${name}`);
  const files = args.texts("data").map(namedFile);
  for (const name of ["y", "mask", "matrix"]) {
    const file = args.text(name);
    if (file !== undefined) files.push([name, file]);
  }
  const variance = args.text("noise-variance");
  if (variance?.endsWith(".npy")) files.push(["noise_variance", variance]);
  const factor = args.text("noise-factor");
  if (factor !== undefined) files.push(["noise_factor", factor]);
  for (const [name, file] of files) arrays[name] = npyRows(resolve(file));
  return arrays;
}

function namedFile(text: string): [name: string, file: string] {
  const [, name, file] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined || RESERVED.includes(name))
    throw new ConfigError(
      `--data: expected NAME=FILE.npy with the name of an operator's array, got "${text}".`,
    );
  return [name, file];
}

/** One number, from the option or as an array of one element; else an array as long as y. */
function noiseVariance(args: Arguments, array: ArrayRows | undefined): number | ArrayRows {
  const text = args.text("noise-variance");
  if (text !== undefined && !text.endsWith(".npy")) return args.number("noise-variance")!;
  if (!array)
    throw new ConfigError(
      "diem import: --noise-variance is missing. Give the variance of the noise; 1e-6 for observations without noise.",
    );
  return array.shape.length === 0 ? scalarOf(array) : array;
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
    oneOf("--operator", text, [...OPERATORS.map(({ name }) => name), ...CODE_OPERATORS]);
    return { name: text };
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
