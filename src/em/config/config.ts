/** The configuration of a run, which decides what it computes. Its fields are in config/fields.ts and config/network.ts. */
import { ConfigError } from "../../core/errors.ts";
import { check, record } from "../../core/kinds.ts";
import { didYouMean } from "../../core/nearest.ts";
import { divisorBelow, type Shape } from "../../core/shape.ts";
import { checkSchedule } from "../../diffusion/schedule.ts";
import { checkAugmentations } from "../m-step/augmentations.ts";
import type { DataShape, Field, Values } from "./field.ts";
import {
  E_STEP_FIELDS,
  EM_FIELDS,
  FIGURES_FIELDS,
  GROUPS,
  M_STEP_FIELDS,
  RUN_FIELDS,
  SCHEDULE_FIELDS,
  START_FIELDS,
} from "./fields.ts";
import { defaultNetworkType, NETWORK_TYPE, NETWORKS, type NetworkConfig } from "./network.ts";

export { buildNetwork, type NetworkConfig } from "./network.ts";

/** Noise levels. */
export interface ScheduleConfig extends Values<typeof SCHEDULE_FIELDS> {}
/** The Gaussian that EM starts from. */
export interface StartConfig extends Values<typeof START_FIELDS> {}
/** The course of EM. */
export interface EmConfig extends Values<typeof EM_FIELDS> {}
/** How posterior samples are drawn. */
export interface EStepConfig extends Values<typeof E_STEP_FIELDS> {}
/** How the network is trained on these samples. */
export interface MStepConfig extends Values<typeof M_STEP_FIELDS> {}
/** Samples that a run draws only to show them. */
export interface FiguresConfig extends Values<typeof FIGURES_FIELDS> {}

/** The configuration of a run. The run folder keeps it with every field. */
export interface TrainConfig extends Values<typeof RUN_FIELDS> {
  readonly network: NetworkConfig;
  readonly schedule: ScheduleConfig;
  readonly start: StartConfig;
  readonly em: EmConfig;
  readonly eStep: EStepConfig;
  readonly mStep: MStepConfig;
  readonly figures: FiguresConfig;
}

/** Objects as JSON gives them. */
type Json = Readonly<Record<string, unknown>>;

/** The default configuration for `count` observations with so many measurements each, of latents of one shape. */
export function defaultConfig(latentShape: Shape, count: number, measurements?: number): TrainConfig {
  const data = { latentShape, count, measurements };
  const type = defaultNetworkType(data);
  return {
    ...defaults(RUN_FIELDS, data),
    network: defaultNetwork(type, data),
    schedule: defaults(SCHEDULE_FIELDS, data),
    start: defaults(START_FIELDS, data),
    em: defaults(EM_FIELDS, data),
    eStep: defaults(E_STEP_FIELDS, data),
    mStep: defaults(M_STEP_FIELDS, data),
    figures: defaults(FIGURES_FIELDS, data),
  };
}

function defaultNetwork(type: NetworkConfig["type"], data: DataShape): NetworkConfig {
  return type === "unet"
    ? { type, ...defaults(NETWORKS.unet, data) }
    : { type, ...defaults(NETWORKS.mlp, data) };
}

function defaults<F extends object>(fields: F, data: DataShape): Values<F> {
  const entries = Object.entries(fields as Record<string, Field<unknown>>).map(([key, { fallback }]) => [
    key,
    typeof fallback === "function" ? fallback(data) : fallback,
  ]);
  return Object.fromEntries(entries) as Values<F>; // the fields give the keys and the types of the values
}

/**
 * Replaces some fields of a configuration.
 * @param changes nested objects with the fields to replace; a key `$schema`, which is for editors, does nothing
 * @param where the file or option that the changes come from, for messages
 * @throws ConfigError naming `where` and the field that does not exist (and the nearest) or whose value is refused
 */
export function mergeConfig(base: TrainConfig, changes: unknown, where = "configuration"): TrainConfig {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(check(record, changes, `${where}: the whole`))) {
    if (key === "$schema") continue;
    if (key in RUN_FIELDS) result[key] = checked(RUN_FIELDS, key, value, where, "");
    else if (key === "network") result[key] = mergeNetwork(base.network, value, where);
    else if (isGroup(key)) result[key] = mergeGroup(base[key], GROUPS[key], value, where, key);
    else throw unknownField(where, key, key, Object.keys(base));
  }
  const config = result as unknown as TrainConfig; // each value was checked by its field's kind
  const { sigmaMin, sigmaMax } = config.schedule;
  if (sigmaMin !== null && sigmaMax !== null) checkSchedule({ sigmaMin, sigmaMax }, `${where}: schedule`);
  return config;
}

/**
 * What the fields' own checks do not see of the M-step.
 * @throws ConfigError if the batch has no equal parts of `microBatch`, or an augmentation cannot change such latents
 */
export function checkMStep({ batch, microBatch, augment }: MStepConfig, latentShape: Shape): void {
  if (batch % (microBatch ?? batch) !== 0)
    throw new ConfigError(
      `mStep.microBatch must divide mStep.batch (${batch}), got ${microBatch}. Take ${divisorBelow(batch, microBatch!)}, or change the batch.`,
    );
  checkAugmentations(augment, latentShape);
}

function isGroup(key: string): key is keyof typeof GROUPS {
  return Object.hasOwn(GROUPS, key);
}

function mergeGroup(base: object, fields: object, changes: unknown, where: string, path: string): Json {
  const entries = Object.entries(check(record, changes, `${where}: ${path}`)).map(([key, value]) => [
    key,
    checked(fields, key, value, where, path),
  ]);
  return { ...base, ...Object.fromEntries(entries) };
}

/** A network of another type replaces the whole, beginning with that type's defaults. */
function mergeNetwork(base: NetworkConfig, changes: unknown, where: string): Json {
  const { type: given = base.type, ...rest } = check(record, changes, `${where}: network`);
  const type = check(NETWORK_TYPE, given, `${where}: network.type`);
  // Only the type changes here, so that defaults follow from a shape that any network of this type can have.
  const start = type === base.type ? base : defaultNetwork(type, { latentShape: [1, 4, 4], count: 1 });
  return mergeGroup(start, NETWORKS[type], rest, where, "network");
}

function checked(fields: object, key: string, value: unknown, where: string, group: string): unknown {
  const path = group === "" ? key : `${group}.${key}`;
  if (!Object.hasOwn(fields, key)) throw unknownField(where, path, key, Object.keys(fields));
  return check((fields as Record<string, Field<unknown>>)[key]!.kind, value, `${where}: ${path}`);
}

function unknownField(where: string, path: string, key: string, known: readonly string[]): ConfigError {
  return new ConfigError(
    `${where}: ${path} is no field of the configuration.${didYouMean(key, known)} There are ${known.join(", ")}.`,
  );
}
