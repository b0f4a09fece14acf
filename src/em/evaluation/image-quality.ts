import { float32, type HostArray, rows } from "../../core/array.ts";
import { psnr } from "../../metrics/psnr.ts";
import { ssim } from "../../metrics/ssim.ts";

/** Quality of one image against the truth. */
export interface ImageQuality {
  /** Decibels; infinite for an image that equals the truth. */
  readonly psnr: number;
  /** Absent for images smaller than 11 x 11. */
  readonly ssim?: number;
}

/** Means over images; what no image has is left out. */
export interface Quality {
  /** Of images that differ from the truth. */
  readonly psnr?: number;
  /** Images that equal the truth, whose PSNR is infinite. */
  readonly equalPairs: number;
  readonly ssim?: number;
}

/** SSIM's window has so many pixels a side. */
const WINDOW = 11;

/**
 * PSNR and SSIM of each image limited to the range of the data.
 * The range is mapped to [0, 1] first, because SSIM compares means by their ratio and so changes with a shift.
 * @param images [n, C, H, W]     @param truth of the same shape
 */
export function imageQualities(
  images: HostArray<"float32">,
  truth: HostArray<"float32">,
  [lo, hi]: readonly [number, number],
): ImageQuality[] {
  const [n, ...shape] = truth.shape as [number, ...number[]];
  const unit = (array: HostArray<"float32">, i: number) =>
    float32(
      rows(array, i, i + 1).data.map((value) => (Math.min(Math.max(value, lo), hi) - lo) / (hi - lo)),
      shape,
    );
  const isLarge = Math.min(...shape.slice(-2)) >= WINDOW;
  return Array.from({ length: n }, (_, i) => {
    const [x, y] = [unit(images, i), unit(truth, i)];
    return { psnr: psnr(x.data, y.data, 1), ...(isLarge && { ssim: ssim(x, y, 1) }) };
  });
}

/** Means over images, so that none that equals the truth makes PSNR infinite. */
export function meanQuality(qualities: readonly ImageQuality[]): Quality {
  const unequal = qualities.map(({ psnr }) => psnr).filter((psnr) => psnr !== Infinity);
  const similar = qualities.map(({ ssim }) => ssim).filter((ssim) => ssim !== undefined);
  return {
    ...(unequal.length > 0 && { psnr: mean(unequal) }),
    equalPairs: qualities.length - unequal.length,
    ...(similar.length > 0 && { ssim: mean(similar) }),
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
