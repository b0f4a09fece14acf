/** How defaults follow from the shape of the data. */

import { gridOf } from "../../core/grid.ts";
import { sizeOf } from "../../core/shape.ts";
import type { DataShape } from "./field.ts";

/** Volumes have so many places that a few fill an optimizer step and keep all cores busy. */
export const VOLUMES_AT_ONCE = 16;

export function isVolume({ latentShape }: DataShape): boolean {
  return gridOf(latentShape)?.lengths.length === 3;
}

/** Whether latents are vectors: their network is small, and whole steps of it cost less than one of an image's. */
export function isVector({ latentShape }: DataShape): boolean {
  return latentShape.length === 1;
}

/** A default that differs between vectors and everything else, with its words. */
export function byKind<T>(
  vectors: T | ((data: DataShape) => T),
  others: T | ((data: DataShape) => T),
  words: string,
) {
  const pick = (data: DataShape) => (isVector(data) ? vectors : others);
  const fallback = (data: DataShape): T => {
    const chosen = pick(data);
    return typeof chosen === "function" ? (chosen as (data: DataShape) => T)(data) : chosen;
  };
  return { fallback, fallbackText: words };
}

/** Numbers of the start's covariance up to which signals and volumes have more than 64 directions. */
const MOST_IN_DIRECTIONS = 2 ** 22;

/** Signals and volumes are smooth along long axes or many: some hundred directions take part in that. */
export function largestRank({ latentShape }: DataShape): number {
  const axes = gridOf(latentShape)?.lengths.length;
  if (axes !== 1 && axes !== 3) return 64;
  return Math.min(256, Math.max(64, Math.floor(MOST_IN_DIRECTIONS / sizeOf(latentShape))));
}

/** Draws per optimizer step of signals and images: so many that a step sees 8192 places, from 32 to 128. */
export function gridBatch(data: DataShape): number {
  if (isVolume(data)) return VOLUMES_AT_ONCE;
  const pixels = sizeOf(data.latentShape.slice(1));
  return Math.min(128, Math.max(32, 2 ** Math.ceil(Math.log2(8192 / pixels))));
}

/** Measurements of a vector up to which particles are weighed: each of them costs a product with the network's Jacobian. */
export const MOST_WEIGHED = 8;

/** Observations of one incremental iteration. */
export function increment(data: DataShape): number {
  return Math.min(data.count, Math.max(512, Math.ceil(data.count / (isVector(data) ? 4 : 8))));
}
