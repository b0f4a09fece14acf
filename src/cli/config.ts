import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { whole } from "../core/kinds.ts";
import { mostEntries, type ObservationSet } from "../data/observations/observation-set.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../em/config/config.ts";
import { readConfigFile } from "../em/config/file.ts";
import { parseSettings } from "../em/config/settings.ts";
import { checkDecided, configFrom, type GivenPrior } from "../em/given-prior.ts";
import { bearable } from "../em/plan/bearable.ts";
import type { JsonObject } from "../report/fields.ts";
import { flatten } from "../report/pages/configuration.ts";
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

/** A configuration, and the fields in it that the user has set, as "em.iterations". */
export interface ResolvedConfig {
  readonly config: TrainConfig;
  readonly kept: ReadonlySet<string>;
}

/**
 * Defaults for the observations and the prior to begin with, then --config, then --set, then --seed.
 * @throws ConfigError naming file or option, or the field that contradicts the prior
 */
export async function resolveConfig(
  args: Arguments,
  observations: ObservationSet,
  from?: GivenPrior,
): Promise<ResolvedConfig> {
  const { header, count } = observations;
  const defaults = defaultConfig(header.latentShape, count, mostEntries(observations));
  const resolved = await applyOptions(args, from ? configFrom(from, defaults) : defaults);
  if (from) checkDecided(from, resolved.config);
  return resolved;
}

/**
 * The configuration of a run that is continued: the one that it began with, whose options may be repeated, with more
 * iterations if they ask for that.
 * @throws ConfigError if they ask for another one, which would otherwise be ignored
 */
export async function keepConfig(args: Arguments, own: TrainConfig): Promise<TrainConfig> {
  const fields = (config: TrainConfig) => flatten(config as unknown as JsonObject); // it is JSON
  const { config } = await applyOptions(args, own);
  const asked = new Map(fields(config));
  const isRaised = config.em.iterations > own.em.iterations;
  const changed = fields(own).filter(
    ([path, value]) => asked.get(path) !== value && !(isRaised && path === "em.iterations"),
  );
  if (changed.length > 0)
    throw new ConfigError(
      `--resume: expected the configuration that the run began with, or more em.iterations, found another ${changed.map(([path]) => path).join(", ")}. Leave that out, or start a run in another folder.`,
    );
  return config;
}

async function applyOptions(args: Arguments, base: TrainConfig): Promise<ResolvedConfig> {
  const file = args.text("config");
  const ofFile = file === undefined ? {} : await readConfigFile(resolve(file));
  const set = parseSettings(args.texts("set"));
  let config = mergeConfig(base, ofFile, file);
  config = mergeConfig(config, set, "--set");
  const seed = args.value("seed", whole(0));
  if (seed !== undefined) config = mergeConfig(config, { seed }, "--seed");
  const paths = [ofFile, set].flatMap((changes) => flatten(changes as JsonObject)).map(([path]) => path);
  return { config, kept: new Set(paths) };
}

export const config: Command = {
  name: "config",
  summary: "Prints the configuration that diem train would use: every field, as JSON.",
  positionals: ["OBS"],
  options: { ...CONFIG_OPTIONS, ...DATA_OPTIONS },
  run: async (args) => {
    const observations = await openData(args, args.positionals[0]!);
    const { config: own, kept } = await resolveConfig(args, observations);
    const resolved = bearable(own, observations, kept);
    return { text: JSON.stringify(resolved, null, 2), figures: { ...resolved } };
  },
};
