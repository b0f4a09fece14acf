/** Operators to simulate measurements with, drawn at random for each observation where there is something to draw. */

import { ConfigError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import type { Rng } from "../core/random.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Size } from "../operators/images.ts";
import { isMaskShape } from "../operators/mask.ts";
import type { OperatorSpec } from "../operators/spec.ts";
import { gaussianKernel, motionKernel } from "./blur-kernels.ts";
import { randomColumns } from "./scans/kspace.ts";

/** A way to corrupt latents. */
export type Corruption =
  /** Deletes entries with probability `deleted` (0.75); `maskShape` as in `corruptMask`. */
  | { readonly name: "mask"; readonly deleted?: number; readonly maskShape?: Shape }
  /** Deletes a box at a random place, at least `margin` (0) pixels from the edges. */
  | { readonly name: "box"; readonly size: Size; readonly margin?: number }
  /** Projections on `measurements` directions, uniform on the unit sphere. */
  | { readonly name: "matrix"; readonly measurements: number }
  /** Keeps a window, the centred one unless `start` says where. */
  | { readonly name: "crop"; readonly size: Size; readonly start?: Size }
  | { readonly name: "subsample"; readonly step: number }
  | { readonly name: "average-pool"; readonly size: number }
  /** One Gaussian kernel of `size` x `size` pixels for all. */
  | { readonly name: "gaussian-blur"; readonly size: number; readonly deviation: number }
  /** A random path for each; `intensity` (0.5) from straight to scribbled. */
  | { readonly name: "motion-blur"; readonly size: number; readonly intensity?: number }
  /** Columns of k-space, 1 / acceleration of them on average. */
  | { readonly name: "fourier"; readonly acceleration: number };

/** Names of corruptions. */
export const CORRUPTIONS = [
  "mask",
  "box",
  "matrix",
  "crop",
  "subsample",
  "average-pool",
  "gaussian-blur",
  "motion-blur",
  "fourier",
] as const satisfies readonly Corruption["name"][];

/** The operator that a corruption stands for. */
export interface CorruptionPlan {
  readonly operator: OperatorSpec;
  /** Draws the operator's data for one observation, by name. */
  readonly draw: (rng: Rng) => Readonly<Record<string, Float32Array>>;
}

/** @throws ConfigError if the corruption does not fit the latents, or an option is out of range */
export function planCorruption(corruption: Corruption, latentShape: Shape): CorruptionPlan {
  const nothing = () => ({});
  switch (corruption.name) {
    case "mask":
      return planMask(corruption.deleted ?? 0.75, corruption.maskShape, latentShape);
    case "box":
      return planBox(corruption.size, corruption.margin ?? 0, latentShape);
    case "matrix": {
      const { measurements } = corruption;
      const N = sizeOf(latentShape);
      return {
        operator: { name: "matrix", measurements },
        draw: (rng) => ({ matrix: spherical(rng, measurements, N) }),
      };
    }
    case "gaussian-blur":
      return {
        operator: { name: "blur", kernel: gaussianKernel(corruption.size, corruption.deviation) },
        draw: nothing,
      };
    case "motion-blur": {
      const { size, intensity = 0.5 } = corruption;
      return {
        operator: { name: "blur", kernelShape: [size, size] },
        draw: (rng) => ({ kernel: motionKernel(size, intensity, rng) }),
      };
    }
    case "fourier": {
      const W = latentShape.at(-1)!;
      return {
        operator: { name: "fourier", maskShape: [1, 1, W] },
        draw: (rng) => ({ mask: randomColumns(W, corruption.acceleration, rng) }),
      };
    }
    case "crop":
    case "subsample":
    case "average-pool":
      return { operator: corruption, draw: nothing };
    default: {
      const { name } = corruption as { name: unknown };
      throw new ConfigError(
        `corrupt: operator must be one of ${CORRUPTIONS.join(", ")}, got ${name}.${didYouMean(String(name), CORRUPTIONS)}`,
      );
    }
  }
}

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

function planMask(deleted: number, given: Shape | undefined, latentShape: Shape): CorruptionPlan {
  const maskShape = maskShapeFor(given, latentShape);
  expectDeleted(deleted);
  const size = sizeOf(maskShape);
  return {
    operator: { name: "mask", maskShape },
    draw: (rng) => ({ mask: randomMask(size, deleted, rng) }),
  };
}

function planBox([h, w]: Size, margin: number, latentShape: Shape): CorruptionPlan {
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

/** Rows uniform on the unit sphere: normals, normalized. */
function spherical(rng: Rng, rows: number, width: number): Float32Array {
  const matrix = new Float32Array(rows * width);
  rng.fillNormal(matrix);
  for (let start = 0; start < matrix.length; start += width) {
    const row = matrix.subarray(start, start + width);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    row.forEach((value, i) => {
      row[i] = value / norm;
    });
  }
  return matrix;
}
