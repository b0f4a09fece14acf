/** The images that evaluate compares: files, or samples that are drawn from a run as they are needed. */
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { firstNonFinite, float32, type HostArray } from "../../core/array.ts";
import { AbortedError, ConfigError, DataError } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import { Rng } from "../../core/random.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { type ImageSet, openImages } from "../../data/images/image-set.ts";

import { RunFolder } from "../../em/run/run-folder.ts";
import { compilePrior } from "../../inference/prior.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Values of black and white. */
export type Range = readonly [number, number];
type Consume = (images: HostArray<"float32">) => Promise<void>;

/** Images that come batch by batch. */
export interface EvaluatedImages {
  /** As the user named them. */
  readonly name: string;
  /** [N, C, H, W] */
  readonly shape: Shape;
  /** Of all files, where the images are files of a folder. */
  readonly names: readonly string[] | undefined;
  /** Undefined where neither the file nor the run tells it. */
  readonly range: Range | undefined;
  /** Hands on all images, `batch` at a time, in the values of the source. @throws AbortedError */
  readonly forEach: (batch: number, watch: Watch, consume: Consume) => Promise<void>;
  /** SHA-256 of the content; undefined for samples that are drawn. */
  readonly checksum: (() => Promise<string>) | undefined;
  /** Images [start, end); undefined for samples that are drawn. */
  readonly read: ImageSet["read"] | undefined;
  readonly close: () => void;
}

/** How samples of a run are drawn. */
export interface DrawOptions {
  readonly count: number | undefined;
  readonly seed: number;
  readonly steps: number | undefined;
}

/** Opens a .npy file, a folder of PNG files, or a run. @throws DataError, ConfigError if a run comes without a count */
export async function openEvaluated(
  path: string,
  draw: DrawOptions,
  engine: EngineOptions,
): Promise<EvaluatedImages> {
  const full = resolve(path);
  const isRun = await stat(join(full, "run.json")).then(
    () => true,
    () => false,
  );
  if (isRun) return await openRun(full, draw, engine);
  const set = await openImages(full);
  const name = basename(full);
  const count = Math.min(draw.count ?? set.shape[0]!, set.shape[0]!);
  return {
    ...set,
    name,
    shape: [count, ...set.shape.slice(1)],
    // A part is not the file whose checksum this would be.
    checksum: async () => `${await set.checksum()} ${count}`,
    async forEach(batch, watch, consume) {
      for (let start = 0; start < count; start += batch) {
        if (watch.signal?.aborted) throw new AbortedError(`${name}: the evaluation was stopped.`);
        const end = Math.min(start + batch, count);
        await consume(await set.read(start, end));
        const progress = { stage: `Features of ${name}`, iteration: 0, iterations: 0, unit: "images" };
        watch.onEvent?.({ ...progress, done: end, total: count });
      }
    },
  };
}

async function openRun(path: string, draw: DrawOptions, engine: EngineOptions): Promise<EvaluatedImages> {
  const { count } = draw;
  if (count === undefined)
    throw new ConfigError(`diem evaluate: --count is missing: how many samples of ${path} to draw.`);
  const run = await RunFolder.open(path);
  const iteration = await run.bestIteration();
  if (iteration < 0)
    throw new DataError(`${path}: expected a prior, found a run whose start is not finished.`);
  const { config, observations } = run.info;
  if (observations.latentShape.length !== 3)
    throw new DataError(
      `${path}: expected a run on images [C, H, W], found latents ${formatShape(observations.latentShape)}.`,
    );
  const rng = new Rng(draw.seed);
  return {
    name: basename(path),
    shape: [count, ...observations.latentShape],
    names: undefined,
    range: observations.range,
    checksum: undefined,
    read: undefined,
    close: () => undefined,
    async forEach(batch, watch, consume) {
      const model = await run.readModel(iteration);
      const steps = draw.steps ?? config.figures.priorSteps;
      const choice = { ...config.eStep, steps, batch: Math.min(batch, count) };
      await using source = await compilePrior(model, choice, engine);
      const drawn = source.draw([0, count], {
        ...watch,
        stream: (index) => rng.split("sample", index),
        stage: { name: "Prior samples", iteration: 0, iterations: 0 },
      });
      for await (const { samples } of drawn) await consume(samples);
    },
  };
}

/** Share of the range by which values may leave it: samplers and rounding overshoot a little. */
const MARGIN = 0.05;
/** Share of values that may leave it by more. */
const OUTSIDE = 0.01;
/** A set that uses less of the range than this was probably scaled otherwise. */
const NARROW = 0.6;
const TINY = 0.05;

/** Maps values to black 0 and white 1, and watches whether they fit the range. */
export interface Scaling {
  /** @throws DataError where values are not finite, or too many lie outside the range */
  readonly apply: (images: HostArray<"float32">) => HostArray<"float32">;
  /** To call at the end. @returns a warning if the values fill little of the range @throws DataError if almost none */
  readonly verdict: () => string | undefined;
}

/** @param name of the set, for messages */
export function scaling(name: string, [lo, hi]: Range): Scaling {
  let [least, most, outside, total] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  const margin = MARGIN * (hi - lo);
  const found = () => `values from ${format(least)} to ${format(most)}`;
  return {
    apply({ data, shape }) {
      const bad = firstNonFinite(data);
      if (bad >= 0)
        throw new DataError(`${name}: expected finite values, found ${data[bad]}. Leave that image out.`);
      for (const value of data) {
        least = Math.min(least, value);
        most = Math.max(most, value);
        if (value < lo - margin || value > hi + margin) outside++;
      }
      total += data.length;
      if (outside > OUTSIDE * total)
        throw new DataError(
          `${name}: expected values in [${lo}, ${hi}], found ${found()}. Say what black and white are: --range LO,HI.`,
        );
      return float32(
        data.map((value) => (value - lo) / (hi - lo)),
        shape,
      );
    },
    verdict() {
      const used = (most - least) / (hi - lo);
      if (used >= NARROW) return undefined;
      const message = `${name}: expected values that fill [${lo}, ${hi}], found ${found()}. If black and white are others, say so: --range LO,HI.`;
      if (used < TINY) throw new DataError(message);
      return message;
    },
  };
}

const format = (value: number) => String(Number(value.toPrecision(3)));
