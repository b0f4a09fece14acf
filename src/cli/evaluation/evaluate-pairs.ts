/** Figures of pairs: samples against the references of the same names, or of the same numbers. */
import { float32, type HostArray } from "../../core/array.ts";
import { AbortedError } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import {
  type ImageQuality,
  imageQualities,
  meanQuality,
  type Quality,
} from "../../em/evaluation/image-quality.ts";
import type { Lpips } from "../../metrics/lpips.ts";
import { type EvaluatedImages, type Range, scaling } from "./evaluated-images.ts";
import { partnersOf } from "./partners.ts";

/** Means over pairs; LPIPS with a network. */
export interface PairFigures extends Quality {
  readonly lpips?: number;
}

type Images = HostArray<"float32">;

/** @throws ConfigError unless both are files, and each image has its partner */
export async function comparePairs(
  samples: EvaluatedImages,
  reference: EvaluatedImages,
  ranges: readonly [Range, Range],
  lpips: Lpips | undefined,
  batch: number,
  watch: Watch,
): Promise<{ readonly figures: PairFigures; readonly warnings: readonly string[] }> {
  const { readSamples, readReferences } = partnersOf(samples, reference);
  const [x, y] = [scaling(samples.name, ranges[0]), scaling(reference.name, ranges[1])];
  const n = samples.shape[0]!;
  const qualities: ImageQuality[] = [];
  const distances: number[] = [];
  for (let start = 0; start < n; start += batch) {
    if (watch.signal?.aborted) throw new AbortedError("the evaluation was stopped.");
    const end = Math.min(start + batch, n);
    const a = mapped(x.apply(await readSamples(start, end)), clip);
    const b = mapped(y.apply(await readReferences(start, end)), clip);
    qualities.push(...imageQualities(a, b, [0, 1]));
    if (lpips) distances.push(...(await lpips.compare(mapped(a, signed), mapped(b, signed))).data);
    watch.onEvent?.({ stage: "Pairs", iteration: 0, iterations: 0, done: end, total: n, unit: "images" });
  }
  const { figures, warnings } = summary(qualities, distances, samples.shape);
  const all = [x.verdict(), y.verdict(), ...warnings];
  return { figures, warnings: all.filter((warning) => warning !== undefined) };
}

const clip = (value: number) => Math.min(1, Math.max(0, value));
const signed = (value: number) => 2 * value - 1;

function mapped({ data, shape }: Images, change: (value: number) => number): Images {
  return float32(data.map(change), shape);
}

/** Means over pairs, and what is left out of them. */
function summary(qualities: readonly ImageQuality[], distances: readonly number[], shape: Shape) {
  const quality = meanQuality(qualities);
  const { psnr, equalPairs, ssim } = quality;
  const figures: PairFigures = { ...quality, ...(distances.length > 0 && { lpips: mean(distances) }) };
  const warnings: string[] = [];
  if (equalPairs > 0)
    warnings.push(
      `${equalPairs} of ${qualities.length} pairs are equal, with infinite PSNR: ${psnr !== undefined ? "PSNR is the mean of the others" : "it is left out"}.`,
    );
  if (ssim === undefined)
    warnings.push(
      `SSIM needs images of at least 11 x 11 pixels, found ${formatShape(shape)}: it is left out.`,
    );
  return { figures, warnings };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
