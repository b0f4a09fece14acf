import { gridOf } from "../../core/grid.ts";
import { mergeConfig, type TrainConfig } from "../config/config.ts";
import type { RunParts } from "../given-prior.ts";
import { ALLOCATED } from "./allocate.ts";

/** Places along the longest axis that the finest level sees at least. */
const LEAST_PLACES = 8;

/**
 * The configuration with a network of about a quarter of the work: patches of twice the side take the place of the finest level.
 * It learns the large early and fine texture hardly, so it is for where the finer network has no time to learn either.
 * Digits of 28 x 28 pixels, 6 minutes: held-out scores fell by a fifth in the 4 iterations that the finer network had time
 * for, by a third in the 10 of this one.
 * @param kept paths of fields that stay as they are
 * @returns undefined if there is none: the user chose the network or how long a run is, it has one level, or latents are small
 */
export function coarser(
  config: TrainConfig,
  latentShape: readonly number[],
  kept: ReadonlySet<string>,
  parts: RunParts,
): TrainConfig | undefined {
  const { network } = config;
  if (network.type !== "unet" || network.channels.length < 2) return undefined;
  const isChosen = (path: string) => path.startsWith("network") || ALLOCATED.some((field) => field === path);
  if (parts.network || parts.from || [...kept].some(isChosen)) return undefined;
  const { channels, blocks, heads } = network;
  const patch = 2 * network.patch;
  if (Math.max(...(gridOf(latentShape)?.lengths ?? [])) < LEAST_PLACES * patch) return undefined;
  const [, ...rest] = channels;
  return mergeConfig(config, {
    network: { channels: rest, blocks: blocks.slice(1), heads: heads.slice(1), patch },
  });
}
