/** Figures of pairs: the i-th sample against the i-th reference. */
import { AbortedError, ConfigError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Watch } from "../em/events.ts";
import { imageQuality } from "../em/image-quality.ts";
import type { Lpips } from "../metrics/lpips.ts";
import { type EvaluatedImages, type Range, scaling } from "./evaluated-images.ts";

/** Means over pairs; LPIPS only with a network. */
export interface PairFigures {
  readonly psnr: number;
  readonly ssim: number;
  readonly lpips?: number;
}

/** @throws ConfigError unless both are files with as many images of the same shape */
export async function comparePairs(
  samples: EvaluatedImages,
  reference: EvaluatedImages,
  ranges: readonly [Range, Range],
  lpips: Lpips | undefined,
  batch: number,
  watch: Watch,
): Promise<{ readonly figures: PairFigures; readonly warnings: readonly string[] }> {
  if (!samples.read || !reference.read || !sameShape(samples.shape, reference.shape))
    throw new ConfigError(
      `--paired: expected two sets of files with as many images of one shape, found ${formatShape(samples.shape)} and ${formatShape(reference.shape)}. Pairs are the i-th images of both.`,
    );
  const [x, y] = [scaling(samples.name, ranges[0]), scaling(reference.name, ranges[1])];
  const n = samples.shape[0]!;
  const sums = { psnr: 0, ssim: 0, lpips: 0 };
  for (let start = 0; start < n; start += batch) {
    if (watch.signal?.aborted) throw new AbortedError("the evaluation was stopped.");
    const end = Math.min(start + batch, n);
    const clip = (value: number) => Math.min(1, Math.max(0, value));
    const [a, b] = [x.apply(await samples.read(start, end)), y.apply(await reference.read(start, end))].map(
      (images) => ({ ...images, data: images.data.map(clip) }),
    ) as [ReturnType<typeof x.apply>, ReturnType<typeof x.apply>];
    const quality = imageQuality(a, b, [0, 1]);
    if (quality.ssim === undefined)
      throw new ConfigError(
        `--paired: expected images of at least 11 x 11 pixels, which SSIM needs, found ${formatShape(samples.shape)}. Leave it out.`,
      );
    sums.psnr += (end - start) * quality.psnr;
    sums.ssim += (end - start) * quality.ssim;
    if (lpips) {
      const signed = (set: typeof a) => ({ ...set, data: set.data.map((value) => 2 * value - 1) });
      const { data } = await lpips.compare(signed(a), signed(b));
      sums.lpips += data.reduce((sum, value) => sum + value, 0);
    }
    watch.onEvent?.({ stage: "Pairs", iteration: 0, iterations: 0, done: end, total: n, unit: "images" });
  }
  const figures = { psnr: sums.psnr / n, ssim: sums.ssim / n, ...(lpips && { lpips: sums.lpips / n }) };
  return { figures, warnings: [x.verdict(), y.verdict()].filter((warning) => warning !== undefined) };
}
