/** Figures of a set of samples against a set of references, in the features of a network. */
import { resolve } from "node:path";
import { AbortedError } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import type { FeatureNetwork } from "../../metrics/feature-network.ts";
import { frechetDistance } from "../../metrics/frechet.ts";
import { INCEPTION_SCORE_DEFAULTS, inceptionScore } from "../../metrics/inception-score.ts";
import { prdc } from "../../metrics/prdc.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import type { Session } from "../session.ts";
import { openFeatureNetwork } from "./evaluate-network.ts";
import type { EvaluatedImages, Range } from "./evaluated-images.ts";
import {
  cachedStatistics,
  defaultCache,
  type FeatureStatistics,
  featureStatistics,
} from "./feature-statistics.ts";

/** Samples that published FID is computed with. */
const PUBLISHED_COUNT = 50_000;

/** How two sets are compared. */
export interface SetOptions {
  /** An ONNX file, or "digits". */
  readonly network: string;
  /** Black and white as the network takes them. */
  readonly featureRange: Range | undefined;
  /** k of precision, recall, density and coverage. */
  readonly neighbours: number;
  readonly batch: number;
  /** Folder for statistics of references. */
  readonly cache: string | undefined;
}

/** Figures for JSON, lines for people, and what makes figures doubtful. */
export interface SetComparison {
  readonly figures: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
}

/** @throws DataError for images that do not fit the network or their range, EngineError if the network fails */
export async function compareSets(
  { engine, watch, progress }: Session,
  samples: EvaluatedImages,
  reference: EvaluatedImages,
  [range, referenceRange]: readonly [Range, Range],
  options: SetOptions,
): Promise<SetComparison> {
  const { batch, cache } = options;
  const opened = await openFeatureNetwork(options.network, options.featureRange, batch, engine);
  const { network, checksum } = opened;
  try {
    const ofReference = () => featureStatistics(reference, referenceRange, network, batch, watch);
    const images = await reference.checksum?.();
    const folder = cache === undefined ? defaultCache() : resolve(cache);
    const key = { images: images ?? "", range: referenceRange, network: checksum };
    const real =
      images === undefined
        ? { ...(await ofReference()), cached: false }
        : await cachedStatistics(folder, key, ofReference);
    if (real.cached) progress.message(`Statistics of ${reference.name} are taken from the cache.`);
    const fake = await featureStatistics(samples, range, network, batch, watch);
    const D = fake.moments.mean.length;
    progress.message(
      `Distances in ${D} features${D > 1000 ? ": some minutes, in which nothing is shown" : ""} ...`,
    );
    const found = await setFigures(network, fake, real, options.neighbours, watch, engine);
    const grey = samples.shape[1] === 1 && network.channels === 3;
    return {
      ...found,
      warnings: [
        // A set with itself has each warning twice.
        ...new Set([
          ...real.warnings,
          ...fake.warnings,
          ...fewSamples(samples.name, fake),
          ...fewSamples(reference.name, real),
        ]),
        ...found.warnings,
        ...(grey
          ? ["grey images are shown to a network of colour: compare figures only with those of the same."]
          : []),
      ],
    };
  } finally {
    await network.release();
  }
}

async function setFigures(
  { distanceName }: FeatureNetwork,
  fake: FeatureStatistics,
  real: FeatureStatistics,
  neighbours: number,
  watch: Watch,
  engine: EngineOptions,
): Promise<SetComparison> {
  const isFid = distanceName === "FID";
  const { count } = fake.moments;
  const distance = frechetDistance(fake.moments, real.moments);
  const figures: Record<string, unknown> = {
    distanceName,
    [isFid ? "fid" : "frechetDistance"]: distance,
  };
  const lines = [`${distanceName} ${distance.toPrecision(5)}`];
  const warnings: string[] = [];
  if (isFid && count < PUBLISHED_COUNT)
    warnings.push(`published FID is that of ${PUBLISHED_COUNT} samples; with ${count} it comes out larger.`);

  if (fake.logits && count >= INCEPTION_SCORE_DEFAULTS.splits) {
    const score = inceptionScore(fake.logits);
    figures[isFid ? "inceptionScore" : "classScore"] = score;
    const name = isFid ? "Inception score" : "Score of the network's classes";
    lines.push(`${name} ${score.mean.toPrecision(4)} (parts: +- ${score.deviation.toPrecision(2)})`);
  } else if (fake.logits)
    warnings.push(`the score of classes needs ${INCEPTION_SCORE_DEFAULTS.splits} samples: it is left out.`);

  if (Math.min(count, real.moments.count) <= neighbours) {
    warnings.push(`precision and recall need more than ${neighbours} images a set: they are left out.`);
    return { figures, lines, warnings };
  }
  const onProgress = (share: number) => {
    if (watch.signal?.aborted) throw new AbortedError("the evaluation was stopped.");
    const event = { stage: "Neighbours", iteration: 0, iterations: 0, total: 100, unit: "%" };
    watch.onEvent?.({ ...event, done: Math.floor(100 * share) });
  };
  const found = await prdc(real.features, fake.features, { neighbours, onProgress }, engine);
  const { repeated, ...shares } = found;
  const { precision, recall, density, coverage } = shares;
  for (const [set, count, of] of [
    ["samples", repeated.fake, fake],
    ["references", repeated.real, real],
  ] as const)
    if (count > 0)
      warnings.push(
        `${count} of ${of.moments.count} ${set} have ${neighbours} others that look the same: balls around them are empty, so precision, recall, density and coverage come out too low. Leave repeated images out.`,
      );
  lines.push(
    `Precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}, density ${density.toFixed(4)}, coverage ${coverage.toFixed(4)} (${neighbours} neighbours)`,
  );
  return { figures: { ...figures, ...shares, repeated, neighbours }, lines, warnings };
}

/** A covariance of D features needs more than D samples. */
function fewSamples(name: string, { moments: { count, mean } }: FeatureStatistics): string[] {
  return count > mean.length
    ? []
    : [
        `${name} has ${count} images, no more than the ${mean.length} features: their covariance is singular, and the distance comes out far too large. Give more images.`,
      ];
}
