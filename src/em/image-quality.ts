import { float32, type HostArray, rows } from "../core/array.ts";
import { psnr } from "../metrics/psnr.ts";
import { ssim } from "../metrics/ssim.ts";

/** Quality of images against the truth, means over images. SSIM needs 11 x 11 pixels. */
export interface Quality {
  readonly psnr: number;
  readonly ssim?: number;
}

/** SSIM's window has so many pixels a side. */
const WINDOW = 11;

/**
 * PSNR and SSIM of images limited to the range of the data, means over images; SSIM for 11 x 11 pixels and more.
 * The range is mapped to [0, 1] first, because SSIM compares means by their ratio and so changes with a shift.
 * @param images [n, C, H, W]     @param truth of the same shape
 */
export function imageQuality(
  images: HostArray<"float32">,
  truth: HostArray<"float32">,
  [lo, hi]: readonly [number, number],
): Quality {
  const [n, ...shape] = truth.shape as [number, ...number[]];
  const unit = (array: HostArray<"float32">, i: number) =>
    float32(
      rows(array, i, i + 1).data.map((value) => (Math.min(Math.max(value, lo), hi) - lo) / (hi - lo)),
      shape,
    );
  const pairs = Array.from({ length: n }, (_, i) => [unit(images, i), unit(truth, i)] as const);
  const mean = (of: (x: HostArray<"float32">, y: HostArray<"float32">) => number) =>
    pairs.reduce((sum, [x, y]) => sum + of(x, y), 0) / n;
  const isLarge = Math.min(...shape.slice(-2)) >= WINDOW;
  return {
    psnr: mean((x, y) => psnr(x.data, y.data, 1)),
    ...(isLarge && { ssim: mean((x, y) => ssim(x, y, 1)) }),
  };
}
