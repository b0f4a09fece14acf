import type { Shape } from "./shape.ts";

/** What latents with a grid are called, by the number of its axes. */
const KINDS = ["signals [C, L]", "images [C, H, W]", "volumes [C, D, H, W]"] as const;

/** The places that latents have a value at for each channel. */
export interface Grid {
  readonly channels: number;
  /** Places along each axis, 1 to 3 numbers. */
  readonly lengths: Shape;
}

/** The grid of signals [C, L], images [C, H, W] and volumes [C, D, H, W]; undefined for other shapes, as vectors [N]. */
export function gridOf([channels, ...lengths]: Shape): Grid | undefined {
  return lengths.length >= 1 && lengths.length <= KINDS.length ? { channels: channels!, lengths } : undefined;
}

/** Latents with a grid in words, for messages. */
export const GRIDS = `${KINDS.slice(0, -1).join(", ")} or ${KINDS.at(-1)}`;
