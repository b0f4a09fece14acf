import { ConfigError } from "../core/errors.ts";
import type { SamplerMethod } from "../diffusion/samplers/method.ts";
import type { Network } from "../nn/network.ts";
import type { MakePosterior } from "../posterior/methods.ts";
import type { EStepConfig } from "./config/config.ts";

/**
 * Parts of a run that are code, where a configuration would hold names. run.json keeps what each part is called, and you give
 * the parts again when you open the run.
 */
export interface OwnParts {
  /** In place of `network`; `network.base` still holds. */
  readonly network?: Network | undefined;
  /** In place of `eStep.method`. */
  readonly method?: MakePosterior | undefined;
  /** In place of `eStep.sampler`. */
  readonly sampler?: SamplerMethod | undefined;
}

export const OWN_PARTS: readonly (keyof OwnParts)[] = ["network", "method", "sampler"];

/** Names of such parts. */
export type OwnNames = { readonly [Part in keyof OwnParts]?: string };

/** Names of the parts that are there; undefined if none is. */
export function namesOf({ network, method, sampler }: OwnParts): OwnNames | undefined {
  if (!network && !method && !sampler) return undefined;
  return {
    ...(network && { network: network.name ?? "network" }),
    ...(method && { method: method.name || "method" }),
    ...(sampler && { sampler: sampler.name }),
  };
}

/** @param parts that matter @throws ConfigError unless those given are those that the run has */
export function checkOwnParts(
  own: OwnParts,
  names: OwnNames = {},
  where: string,
  parts: readonly (keyof OwnParts)[] = OWN_PARTS,
): void {
  const given: OwnNames = namesOf(own) ?? {};
  for (const part of parts)
    if (given[part] !== names[part])
      throw new ConfigError(
        names[part] === undefined
          ? `${where}: expected no ${part} of one's own, for the run began without, found "${given[part]}". Leave it out.`
          : `${where}: expected the ${part} "${names[part]}" that the run began with, which is code, found ${given[part] === undefined ? "none" : `"${given[part]}"`}. Give it in code: openRun(path, { ${part} }), or train with resume.`,
      );
}

/** How the draws of a run are made. */
export function drawChoice(eStep: EStepConfig, { method, sampler }: OwnParts) {
  return { ...eStep, ...(method && { method }), ...(sampler && { sampler }) };
}
