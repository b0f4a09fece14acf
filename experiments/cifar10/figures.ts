import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { readFileOrFail } from "../../src/core/files.ts";
import type { Evaluate } from "../../src/em/context.ts";
import { type FeatureNetwork, featureNetwork, joinRows } from "../../src/metrics/feature-network.ts";
import { frechetDistance } from "../../src/metrics/frechet.ts";
import { INCEPTION_SCORE_DEFAULTS, inceptionScore } from "../../src/metrics/inception-score.ts";
import { RunningMoments } from "../../src/metrics/moments.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import { randomFeatureNetwork } from "./features.ts";

/** Images that pass through the network together. */
const BATCH = 64;
/** Values of images; the range of the experiment's data. */
export const RANGE = [-2, 2] as const;

/** Distances of samples to a set of clean images. */
export interface Figures {
  /** What the distance is called: "FID", or "Frechet distance". */
  readonly distance: string;
  /** Length of the feature vectors. */
  readonly features: number;
  readonly evaluate: Evaluate;
  readonly release: () => Promise<void>;
}

/**
 * Figures of samples against clean images: the Frechet distance, which is the FID if the network is the Inception
 * network, and then the inception score of prior samples.
 * @param clean [n, C, H, W] in [-2, 2]      @param file an ONNX network; undefined for the one of random features
 */
export async function compileFigures(
  clean: HostArray<"float32">,
  file: string | undefined,
  engine: EngineOptions,
): Promise<Figures> {
  const network = await openNetwork(clean.shape.slice(1), file, engine);
  const reference = (await featuresOf(clean, network)).moments;
  const isFid = network.distanceName === "FID";
  const distance = isFid ? "FID" : "Frechet distance";
  return {
    distance,
    features: reference.mean.length,
    async evaluate(kind, samples) {
      const { moments, logits } = await featuresOf(samples, network);
      const score =
        isFid && kind === "prior" && logits && logits.shape[0]! >= INCEPTION_SCORE_DEFAULTS.splits
          ? { "prior inception score": inceptionScore(logits).mean }
          : {};
      return { [`${kind} ${distance}`]: frechetDistance(moments, reference), ...score };
    },
    release: network.release,
  };
}

async function openNetwork(
  shape: readonly number[],
  file: string | undefined,
  engine: EngineOptions,
): Promise<FeatureNetwork> {
  const bytes =
    file === undefined ? randomFeatureNetwork(shape) : await readFileOrFail(file, "an ONNX network");
  const program = await loadOnnxProgram(bytes, file ?? "random features", engine);
  return featureNetwork(program, file ?? "random features", file === undefined ? { range: [-1, 1] } : {});
}

/** Moments of the features of images, and their logits if the network tells classes apart. */
async function featuresOf(images: HostArray<"float32">, network: FeatureNetwork) {
  const [lo, hi] = RANGE;
  let running: RunningMoments | undefined;
  const logits: HostArray<"float32">[] = [];
  for (let start = 0; start < images.shape[0]!; start += BATCH) {
    const { data, shape } = rows(images, start, Math.min(start + BATCH, images.shape[0]!));
    // As an image file would hold them: samples may leave the range a little.
    const values = data.map((value) => Math.min(1, Math.max(0, (value - lo) / (hi - lo))));
    const found = await network.compute(float32(values, shape));
    running ??= new RunningMoments(found.features.shape[1]!);
    running.add(found.features);
    if (found.logits) logits.push(float32(found.logits.data.slice(), found.logits.shape));
  }
  return { moments: running!.moments(), logits: logits.length > 0 ? joinRows(logits) : undefined };
}
