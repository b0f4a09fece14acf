/** Masks to simulate: entries, boxes, and columns of k-space. */
import { ConfigError } from "../../core/errors.ts";
import type { Rng } from "../../core/random.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import type { CorruptionPlan } from "../simulation.ts";
import type { Size } from "./images.ts";
import { isMaskShape } from "./mask-shape.ts";

/** The mask's shape, [1, H, W] for images [C, H, W] unless it is given. @throws ConfigError */
export function maskShapeFor(given: Shape | undefined, latentShape: Shape): Shape {
  const shape = given ?? (latentShape.length === 3 ? [1, ...latentShape.slice(1)] : latentShape);
  if (!isMaskShape(shape, latentShape))
    throw new ConfigError(
      `corrupt: maskShape must broadcast to ${formatShape(latentShape)}, got ${formatShape(shape)}.`,
    );
  return shape;
}

/** Independent entries, 0 with probability `deleted`; drawn again while all are 0. */
export function randomMask(size: number, deleted: number, rng: Rng): Float32Array {
  for (;;) {
    const mask = Float32Array.from({ length: size }, () => (rng.uniform() < deleted ? 0 : 1));
    if (mask.includes(1)) return mask;
  }
}

/** @throws ConfigError unless the share lies in [0, 1): a mask of nothing would be drawn for ever */
export function expectDeleted(deleted: number): void {
  if (!(deleted >= 0 && deleted < 1))
    throw new ConfigError(
      `corrupt: deleted must be a share in [0, 1), got ${deleted}. 0.75 deletes three quarters.`,
    );
}

/** A mask of its own for each observation. @throws ConfigError if it does not fit */
export function planMask(deleted: number, given: Shape | undefined, latentShape: Shape): CorruptionPlan {
  const maskShape = maskShapeFor(given, latentShape);
  expectDeleted(deleted);
  const size = sizeOf(maskShape);
  return {
    operator: { name: "mask", maskShape },
    draw: (rng) => ({ mask: randomMask(size, deleted, rng) }),
  };
}

/** A box at a random place. @throws ConfigError if it does not fit */
export function planBox([h, w]: Size, margin: number, latentShape: Shape): CorruptionPlan {
  const [, H, W] = latentShape as [number, number, number];
  const [rows, columns] = [H - 2 * margin - h, W - 2 * margin - w];
  const sizes = [h - 1, w - 1, margin, rows, columns];
  const isInside = sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (latentShape.length !== 3 || !isInside || (h === H && w === W))
    throw new ConfigError(
      `corrupt: a box of ${h} x ${w} with a margin of ${margin} must leave something of images [C, H, W], got ${formatShape(latentShape)}.`,
    );
  return {
    operator: { name: "mask", maskShape: [1, H, W] },
    draw: (rng) => {
      const top = margin + rng.integer(rows + 1);
      const left = margin + rng.integer(columns + 1);
      const mask = new Float32Array(H * W).fill(1);
      for (let i = top; i < top + h; i++) mask.fill(0, i * W + left, i * W + left + w);
      return { mask };
    },
  };
}

/**
 * Columns of k-space that a scan accelerated R times measures: those around the centre, and others at random, 1 / R of
 * all on average [Rozet24, section 5.3; the split between both is that of its code].
 *   centre: columns W/2 - c ... W/2 + c - 1 with c = ceil(60 / R W / 320)
 *   others: each with probability 200 / (320 R - 120)
 * @param W number of columns     @param R acceleration, at least 1     @returns [W] of 0 and 1
 */
export function randomColumns(W: number, R: number, rng: Rng): Float32Array {
  if (!(R >= 1)) throw new ConfigError(`randomColumns: acceleration must be at least 1, got ${R}.`);
  const share = 200 / (320 * R - 120);
  const half = Math.ceil((60 * W) / (320 * R));
  const centre = Math.floor(W / 2);
  return Float32Array.from({ length: W }, (_, column) => {
    const isKept = rng.uniform() < share; // drawn for central columns too, so that R alone changes no stream
    return isKept || (column >= centre - half && column < centre + half) ? 1 : 0;
  });
}
