import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import { readConfigFile } from "../em/config/file.ts";
import { parseSettings } from "../em/config/settings.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../em/config.ts";
import { flatten } from "../report/configuration.ts";
import type { JsonObject } from "../report/fields.ts";
import type { Arguments, Command, OptionSpec } from "./arguments.ts";
import { DATA_OPTIONS, openData } from "./data.ts";

/** Options of the commands that resolve a configuration. */
export const CONFIG_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: {
    value: "FILE",
    help: "JSON or YAML file with fields of the configuration",
    fallback: "from the data's shape",
  },
  set: { value: "PATH=VALUE", help: "one field of the configuration, e.g. em.iterations=8", many: true },
  seed: { value: "N", help: "seed of all randomness", fallback: "0" },
};

/** Defaults for the observations, then --config, then --set, then --seed. @throws ConfigError naming file or option */
export async function resolveConfig(args: Arguments, observations: Observations): Promise<TrainConfig> {
  const { header, count } = observations;
  return await applyOptions(args, defaultConfig(header.latentShape, count, sizeOf(header.observationShape)));
}

/**
 * The configuration of a run that is continued: the one that it began with, whose options may be repeated.
 * @throws ConfigError if they ask for another one, which would otherwise be ignored
 */
export async function keepConfig(args: Arguments, own: TrainConfig): Promise<TrainConfig> {
  const fields = (config: TrainConfig) => flatten(config as unknown as JsonObject); // it is JSON
  const asked = new Map(fields(await applyOptions(args, own)));
  const changed = fields(own).filter(([path, value]) => asked.get(path) !== value);
  if (changed.length > 0)
    throw new ConfigError(
      `--resume: expected the configuration that the run began with, found another ${changed.map(([path]) => path).join(", ")}. Leave that out, or start a run in another folder.`,
    );
  return own;
}

async function applyOptions(args: Arguments, base: TrainConfig): Promise<TrainConfig> {
  const file = args.text("config");
  let config = base;
  if (file !== undefined) config = mergeConfig(config, await readConfigFile(resolve(file)), file);
  config = mergeConfig(config, parseSettings(args.texts("set")), "--set");
  const seed = args.whole("seed", 0);
  return seed === undefined ? config : mergeConfig(config, { seed }, "--seed");
}

export const config: Command = {
  name: "config",
  summary: "Prints the configuration that diem train would use: every field, as JSON.",
  positionals: ["OBS"],
  options: { ...CONFIG_OPTIONS, ...DATA_OPTIONS },
  run: async (args) => {
    const resolved = await resolveConfig(args, await openData(args, args.positionals[0]!));
    return { text: JSON.stringify(resolved, null, 2), figures: { ...resolved } };
  },
};
