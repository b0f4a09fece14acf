/** Masks to simulate: entries, boxes, and columns of k-space. */
import { ConfigError } from "../../core/errors.ts";
import { GRIDS, gridOf } from "../../core/grid.ts";
import type { Rng } from "../../core/random.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import type { CorruptionPlan } from "../simulation.ts";
import { isMaskShape } from "./mask-shape.ts";
import { pickedPlaces, type Size, sizeOn } from "./places.ts";

/** The mask's shape, one for all channels, as [1, H, W] for images, unless it is given. @throws ConfigError */
export function maskShapeFor(given: Shape | undefined, latentShape: Shape): Shape {
  const grid = gridOf(latentShape);
  const shape = given ?? (grid ? [1, ...grid.lengths] : latentShape);
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

/** A box at a random place. @param size along each axis; one number holds for all @throws ConfigError if it does not fit */
export function planBox(given: Size, margin: number, latentShape: Shape): CorruptionPlan {
  const lengths = gridOf(latentShape)?.lengths ?? [];
  const grid = { channels: 1, lengths };
  const size = sizeOn(grid, given);
  const room = lengths.map((length, k) => length - 2 * margin - size[k]!);
  const isInside = [...size.map((n) => n - 1), margin, ...room].every(
    (n) => Number.isSafeInteger(n) && n >= 0,
  );
  if (size.length !== lengths.length || !isInside || lengths.every((length, k) => length === size[k]))
    throw new ConfigError(
      `corrupt: a box of ${given.join(" x ")} with a margin of ${margin} must leave something of ${GRIDS}, got ${formatShape(latentShape)}.`,
    );
  return {
    operator: { name: "mask", maskShape: [1, ...lengths] },
    draw: (rng) => {
      const start = room.map((places) => margin + rng.integer(places + 1));
      const mask = new Float32Array(sizeOf(lengths)).fill(1);
      for (const place of pickedPlaces(grid, start, 1, size)) mask[place] = 0;
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
