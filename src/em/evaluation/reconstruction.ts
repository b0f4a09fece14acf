import { float32, type HostArray, rows } from "../../core/array.ts";
import { ConfigError } from "../../core/errors.ts";
import { sameShape, sizeOf } from "../../core/shape.ts";
import type {
  ObservationBatch,
  ObservationHeader,
  ObservationKind,
} from "../../data/observations/observations.ts";
import { coverage, drawInterval, drawMoments } from "../../metrics/draws.ts";
import { operatorKind } from "../../operators/registry.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { type Baselines, compileBaselines } from "./baselines.ts";
import { type ImageQuality, imageQualities, meanQuality, type Quality } from "./image-quality.ts";

/** Figures of posterior draws, several for each observation, and of reconstructions without a learned prior. */
export interface ReconstructionFigures {
  readonly count: number;
  readonly samples: number;
  /** Mean of (y - A x)^2 / variance over draws, observations and their measured entries. */
  readonly chiSquare: number;
  /** Standard deviation of the draws, mean over observations and entries. */
  readonly deviation: number;
  /** Share of entries whose truth lies in the central 90 % of the draws. Only with truth. */
  readonly coverage90?: number;
  /** Root mean square error of the posterior mean. Only with truth. */
  readonly error?: number;
  /** Quality of the mean of the draws. Only with truth, of images; so are the next two. */
  readonly posteriorMean?: Quality;
  /** Quality of A' y. */
  readonly zeroFilled?: Quality;
  /** Quality of the image of least total variation. */
  readonly baseline?: Quality;
  /** Of observations of several kinds, those of each. */
  readonly kinds?: readonly ReconstructionFigures[];
}

/** The first observations, each [n, ...latent] (complex images as magnitudes), for the report. */
export interface ReconstructionImages {
  readonly mask?: HostArray<"float32">;
  /** Observations, where they are like latents. */
  readonly observed?: HostArray<"float32">;
  readonly zeroFilled: HostArray<"float32">;
  /** Of images. */
  readonly baseline?: HostArray<"float32">;
  /** One array for each of the first draws. */
  readonly draws: readonly HostArray<"float32">[];
  readonly mean: HostArray<"float32">;
  readonly deviation: HostArray<"float32">;
  /** Ends of the central 90 % of the draws, of vectors and signals. */
  readonly interval?: { readonly lo: HostArray<"float32">; readonly hi: HostArray<"float32"> };
  readonly truth?: HostArray<"float32">;
}

export interface ReconstructionOptions {
  /** Weight of the total variation. */
  readonly weight: number;
  /** Observations of a batch, at most. Default: as many as the first has. */
  readonly most?: number | undefined;
  readonly engine: EngineOptions;
}

/** How many draws of an observation a report shows. */
const SHOWN_DRAWS = 2;
/** Observations that a report shows. */
const SHOWN = 4;
/** Share of the draws in the interval whose coverage is counted. */
const LEVEL = 0.9;
/**
 * Weight of the total variation where nothing was tuned: of 0.002 ... 0.1 the one with the highest PSNR at acceleration 4
 * for images of 80 x 80 pixels in [-2, 2] with noise variance 1e-4; at acceleration 6 it is within 0.1 dB of the best.
 */
export const DEFAULT_WEIGHT = 0.02;

/** Computes figures and images of draws, batch by batch. Release it when done. */
export interface ReconstructionSummary {
  /** Adds a batch. @param draws [n, S, ...latent]     @param truth [n, ...latent], for every batch or for none */
  add(batch: ObservationBatch, draws: HostArray<"float32">, truth?: HostArray<"float32">): Promise<void>;
  /** Number of observations that were added. */
  count(): number;
  /** The figures of all batches together. */
  figures(): ReconstructionFigures;
  /** The first observations. */
  images(): ReconstructionImages;
  /** Frees the engine's memory. */
  release(): Promise<void>;
}

type Sums = Record<string, number>;

/** Reconstructions that are compared with the truth, by their names in the figures. */
type Compared = "posteriorMean" | "zeroFilled" | "baseline";

/**
 * Starts a summary of draws of one kind of observations, with latents of any shape. Images with two channels are complex if the
 * operator is a Fourier transform. Only images [C, H, W] have baselines and their figures.
 */
export function reconstructionSummary(
  kind: ObservationKind,
  { weight, most, engine }: ReconstructionOptions,
): ReconstructionSummary {
  const { header } = kind;
  const isImage = header.latentShape.length === 3;
  const isCurve = header.latentShape.length <= 2;
  const isAlike = sameShape(header.observationShape, header.latentShape);
  if (kind.family.linear === false)
    throw new ConfigError(
      "reconstructionSummary: a linear operator expected, got one that is not: the baselines are those of linear ones. Draw without a report.",
    );
  let compiled: Promise<Baselines> | undefined;
  const view = viewOf(header);
  const sums: Sums = {};
  const tally = (name: string, value: number) => {
    sums[name] = (sums[name] ?? 0) + value;
  };
  const qualities: Record<Compared, ImageQuality[]> = { posteriorMean: [], zeroFilled: [], baseline: [] };
  const shown: ReconstructionImages[] = [];
  let count = 0;
  let samples = 0;
  let hasTruth = false;
  return {
    async add(batch, draws, truth) {
      const [n, S] = draws.shape as [number, number];
      compiled ??= compileBaselines(kind, most ?? n, engine);
      const baselines = await compiled;
      const { mean, deviation } = drawMoments(draws);
      const zero = await baselines.zeroFilled(batch);
      const variation = isImage ? await baselines.totalVariation(batch, weight) : undefined;
      for (let s = 0; s < S; s++) {
        const { chiSquare, measured } = await baselines.agreement(batch, draw(draws, s));
        if (s === 0) tally("seen", measured.filter((entries) => entries > 0).length);
        for (const value of chiSquare) tally("chiSquare", value / S);
      }
      tally("deviation", (n * deviation.data.reduce((a, b) => a + b, 0)) / deviation.data.length);
      if (truth) {
        tally("coverage90", n * coverage(draws, truth, LEVEL));
        tally(
          "squares",
          mean.data.reduce((sum, value, i) => sum + (value - truth.data[i]!) ** 2, 0),
        );
        if (variation) {
          const target = view.image(truth);
          const compared = { posteriorMean: mean, zeroFilled: zero, baseline: variation };
          for (const name of Object.keys(qualities) as Compared[])
            qualities[name].push(...imageQualities(view.image(compared[name]), target, view.range));
        }
      }
      const room = SHOWN - count;
      if (room > 0) {
        const first = (images: HostArray<"float32">) => rows(view.image(images), 0, Math.min(room, n));
        const mask = shownMask(batch, header);
        shown.push({
          ...(mask && { mask: rows(mask, 0, Math.min(room, n)) }),
          ...(isAlike && { observed: first(batch.y) }),
          zeroFilled: first(zero),
          ...(variation && { baseline: first(variation) }),
          ...(isCurve && { interval: drawInterval(rows(draws, 0, Math.min(room, n)), LEVEL) }),
          draws: Array.from({ length: Math.min(S, SHOWN_DRAWS) }, (_, s) => first(draw(draws, s))),
          mean: first(mean),
          deviation: first(deviation),
          ...(truth && { truth: first(truth) }),
        });
      }
      count += n;
      samples = S;
      hasTruth = truth !== undefined;
    },
    count: () => count,
    figures: () => {
      const average = (name: string) => sums[name]! / count;
      const chiSquare = sums.chiSquare! / sums.seen!;
      const known = { count, samples, chiSquare, deviation: average("deviation") };
      if (!hasTruth) return known;
      const error = Math.sqrt(sums.squares! / count / sizeOf(header.latentShape));
      const compared = { ...known, coverage90: average("coverage90"), error };
      if (!isImage) return compared;
      return {
        ...compared,
        posteriorMean: meanQuality(qualities.posteriorMean),
        zeroFilled: meanQuality(qualities.zeroFilled),
        baseline: meanQuality(qualities.baseline),
      };
    },
    images: () => joinImages(shown),
    release: async () => {
      await (await compiled)?.[Symbol.asyncDispose]();
    },
  };
}

/** Figures of several kinds of observations together: means over all, and those of each; of images, only each has qualities. */
export function joinFigures(kinds: readonly ReconstructionFigures[]): ReconstructionFigures {
  const [first] = kinds as [ReconstructionFigures];
  if (kinds.length === 1) return first;
  const count = kinds.reduce((total, kind) => total + kind.count, 0);
  const mean = (value: (kind: ReconstructionFigures) => number) =>
    kinds.reduce((total, kind) => total + (kind.count / count) * value(kind), 0);
  const { samples, error } = first;
  return {
    count,
    samples,
    chiSquare: mean((kind) => kind.chiSquare),
    deviation: mean((kind) => kind.deviation),
    ...(error !== undefined && {
      coverage90: mean((kind) => kind.coverage90!),
      error: Math.sqrt(mean((kind) => kind.error! ** 2)),
    }),
    kinds,
  };
}

/** How latents are looked at: complex ones by their magnitude; and the range of that. */
export function viewOf(header: ObservationHeader) {
  const [C] = header.latentShape;
  const isComplex =
    header.latentShape.length === 3 && C === 2 && operatorKind(header.operator.name)?.isComplex === true;
  const [lo, hi] = header.range ?? [-2, 2];
  const range: readonly [number, number] = isComplex ? [0, hi] : [lo, hi];
  return {
    range,
    image: (images: HostArray<"float32">) => (isComplex ? magnitudes(images) : images),
  };
}

/** |re + i im|: [n, 2, H, W] to [n, 1, H, W]. */
function magnitudes(images: HostArray<"float32">): HostArray<"float32"> {
  const [n, , H, W] = images.shape as [number, 2, number, number];
  const area = H * W;
  const out = new Float32Array(n * area);
  for (let i = 0; i < out.length; i++) {
    const at = Math.floor(i / area) * 2 * area + (i % area);
    out[i] = Math.hypot(images.data[at]!, images.data[at + area]!);
  }
  return float32(out, [n, 1, H, W]);
}

/** Draw s of each observation, [n, ...latent]. */
function draw(draws: HostArray<"float32">, s: number): HostArray<"float32"> {
  const [n, S, ...shape] = draws.shape as [number, number, ...number[]];
  const size = sizeOf(shape);
  const out = float32(new Float32Array(n * size), [n, ...shape]);
  for (let i = 0; i < n; i++)
    out.data.set(draws.data.subarray((i * S + s) * size, (i * S + s + 1) * size), i * size);
  return out;
}

/** The mask of observations, as it is shown; of vectors, signals and volumes only one of their own axes. */
function shownMask(
  { data: { mask } }: ObservationBatch,
  header: ObservationHeader,
): HostArray<"float32"> | undefined {
  if (!mask || header.latentShape.length === 3) return mask && spread(mask, header);
  const own = mask.shape.slice(1);
  const { latentShape } = header;
  const fits = own.length === latentShape.length && sameShape(own.slice(1), latentShape.slice(1));
  return fits ? mask : undefined;
}

/** A mask as pictures of k-space or of the image, [n, 1, H, W]; of several channels or coils the first. */
function spread(mask: HostArray<"float32">, header: ObservationHeader): HostArray<"float32"> {
  const [n, ...own] = mask.shape as [number, ...number[]];
  const [H, W] = header.observationShape.slice(-2) as [number, number];
  const [h, w] = [own.at(-2) ?? 1, own.at(-1)!];
  const size = sizeOf(own);
  const out = new Float32Array(n * H * W);
  for (let i = 0; i < out.length; i++) {
    const [row, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    out[i] = mask.data[row * size + (h === 1 ? 0 : y) * w + (w === 1 ? 0 : x)]!;
  }
  return float32(out, [n, 1, H, W]);
}

function joinImages(parts: readonly ReconstructionImages[]): ReconstructionImages {
  const join = (pick: (part: ReconstructionImages) => HostArray<"float32"> | undefined) => {
    const arrays = parts.map(pick);
    const [first] = arrays;
    if (!first || !arrays.every((array) => array && sameShape(array.shape.slice(1), first.shape.slice(1))))
      return undefined;
    const data = Float32Array.from(arrays.flatMap((array) => [...array!.data]));
    const n = arrays.reduce((sum, array) => sum + array!.shape[0]!, 0);
    return float32(data, [n, ...first.shape.slice(1)]);
  };
  const mask = join((part) => part.mask);
  const truth = join((part) => part.truth);
  const observed = join((part) => part.observed);
  const baseline = join((part) => part.baseline);
  const [lo, hi] = [join((part) => part.interval?.lo), join((part) => part.interval?.hi)];
  return {
    ...(mask && { mask }),
    ...(observed && { observed }),
    zeroFilled: join((part) => part.zeroFilled)!,
    ...(baseline && { baseline }),
    ...(lo && hi && { interval: { lo, hi } }),
    draws: (parts[0]?.draws ?? []).map((_, s) => join((part) => part.draws[s])!),
    mean: join((part) => part.mean)!,
    deviation: join((part) => part.deviation)!,
    ...(truth && { truth }),
  };
}
