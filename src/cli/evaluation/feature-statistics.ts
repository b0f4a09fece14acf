/** Statistics of a set's features, and the cache of those of reference sets. */
import { homedir } from "node:os";
import { join } from "node:path";
import { float32, type HostArray, hostArray, rows } from "../../core/array.ts";
import { isErrorOf } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import { checksum, makeFolder } from "../../core/files.ts";
import { parseJson } from "../../core/json.ts";
import { readSealed, writeSealed } from "../../em/run/sealed.ts";
import { type FeatureNetwork, joinRows } from "../../metrics/feature-network.ts";
import { type Moments, RunningMoments } from "../../metrics/moments.ts";
import type { EvaluatedImages, Range } from "./evaluated-images.ts";
import { scaling } from "./evaluated-images.ts";

/** Images of a set whose neighbours are looked at: time grows with the square. */
export const NEIGHBOUR_IMAGES = 10_000;
/** Part of the cache's keys: to be raised when anything between an image and its features changes. */
const VERSION = 1;

/** What the figures need of one set. */
export interface FeatureStatistics {
  readonly moments: Moments;
  /** Of the first images, [min(N, 10 000), D]. */
  readonly features: HostArray<"float32">;
  /** [N, classes], of a network that tells classes apart; not cached. */
  readonly logits?: HostArray<"float32">;
  readonly warnings: readonly string[];
}

/** Computes features in one pass; only moments, logits and the first features stay. */
export async function featureStatistics(
  images: EvaluatedImages,
  range: Range,
  network: FeatureNetwork,
  batch: number,
  watch: Watch,
): Promise<FeatureStatistics> {
  const { apply, verdict } = scaling(images.name, range);
  const kept: HostArray<"float32">[] = [];
  const logits: HostArray<"float32">[] = [];
  let running: RunningMoments | undefined;
  let count = 0;
  await images.forEach(batch, watch, async (values) => {
    const found = await network.compute(apply(values));
    running ??= new RunningMoments(found.features.shape[1]!);
    running.add(found.features);
    // Copies of what stays: a view would keep the engine's whole batch.
    const part = rows(found.features, 0, Math.max(0, Math.min(values.shape[0]!, NEIGHBOUR_IMAGES - count)));
    if (part.data.length > 0) kept.push(float32(part.data.slice(), part.shape));
    if (found.logits) logits.push(float32(found.logits.data.slice(), found.logits.shape));
    count += values.shape[0]!;
  });
  const warning = verdict();
  return {
    moments: running!.moments(),
    features: joinRows(kept),
    ...(logits.length > 0 && { logits: joinRows(logits) }),
    warnings: warning === undefined ? [] : [warning],
  };
}

/** Where statistics are kept unless told otherwise: XDG_CACHE_HOME or ~/.cache; nowhere for a user without a home. */
export function defaultCache(): string | undefined {
  try {
    return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "diem");
  } catch {
    return undefined;
  }
}

/** What statistics of a set depend on. */
export interface CacheKey {
  readonly images: string;
  readonly range: Range;
  readonly network: string;
}

/** Statistics from the cache, or computed and put there. A damaged file counts as missing; where none can be put they say so. */
export async function cachedStatistics(
  folder: string | undefined,
  key: CacheKey,
  compute: () => Promise<FeatureStatistics>,
): Promise<FeatureStatistics & { readonly cached: boolean }> {
  if (folder === undefined) {
    const found = await compute();
    const warning =
      "the statistics are not kept: expected a home folder, found none. Give --cache, or set XDG_CACHE_HOME.";
    return { ...found, warnings: [...found.warnings, warning], cached: false };
  }
  const digest = await checksum(new TextEncoder().encode(JSON.stringify({ version: VERSION, ...key })));
  const path = join(folder, `features-${digest.slice(0, 32)}.safetensors`);
  try {
    const { tensors, metadata } = await readSealed(path, "statistics of features");
    const { mean, covariance, features } = tensors as Record<string, HostArray<"float64">>;
    if (mean && covariance && features)
      return {
        moments: { count: Number(metadata.count), mean: mean.data, covariance: covariance.data },
        features: features as unknown as HostArray<"float32">, // as written below
        warnings: parseJson(metadata.warnings ?? "[]") as string[],
        cached: true,
      };
  } catch (error) {
    if (!isErrorOf(error, "DataError")) throw error;
  }
  const found = await compute();
  const { count, mean, covariance } = found.moments;
  const D = mean.length;
  const tensors = {
    mean: hostArray("float64", [D], mean),
    covariance: hostArray("float64", [D, D], covariance),
    features: found.features,
  };
  try {
    await makeFolder(folder);
    await writeSealed(path, tensors, { count: String(count), warnings: JSON.stringify(found.warnings) });
  } catch (error) {
    if (!isErrorOf(error, "DataError")) throw error;
    // They may have taken hours: a cache that cannot be written is no reason to lose them.
    const warning = `the statistics are not kept: ${(error as Error).message}`;
    return { ...found, warnings: [...found.warnings, warning], cached: false };
  }
  return { ...found, cached: false };
}
