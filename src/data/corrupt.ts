/** Makes observations of clean images, for experiments whose truth is known. */

import { type HostArray, hostArray, rows } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { input } from "../graph/index.ts";
import { maskIndices } from "../operators/kinds/mask.ts";
import { expectDeleted, maskShapeFor, randomMask } from "../operators/kinds/random-masks.ts";
import type { OperatorFamily } from "../operators/operator.ts";
import { operatorFamily, planCorruption } from "../operators/registry.ts";
import type { Corruption } from "../operators/simulation.ts";
import { compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { inputsOf } from "../runtime/inputs.ts";
import { checkNoiseFactor, hideUnobserved, type ObservationBatch } from "./observations/observation-check.ts";
import type { NewObservationHeader } from "./observations/observation-header.ts";

/** Options of `corruptMask`. */
export interface CorruptMaskOptions {
  /** Probability that an entry of the mask is deleted, in [0, 1). Default 0.75, as in the paper. */
  readonly deleted?: number;
  /** Variance of the noise on y, in squared units of x. Default 1e-6, as in the paper. */
  readonly noiseVariance?: number;
  /** Shape of each mask, broadcastable to an image. Default [1, H, W] for images [C, H, W], otherwise the image's. */
  readonly maskShape?: Shape;
  /** The stream below which observation i draws from split("corrupt", i). */
  readonly rng: Rng;
  /** Index of the first image in the whole set; results do not depend on the batches. Default 0. */
  readonly startIndex?: number;
}

/** Defaults of `corruptMask`. */
export const CORRUPT_MASK_DEFAULTS = { deleted: 0.75, noiseVariance: 1e-6, startIndex: 0 } as const;

/**
 * Deletes entries at random and adds noise to the rest:
 *   y = m * (x + sigma z),  m ~ Bernoulli(1 - deleted) entry by entry,  z ~ N(0, I),  sigma^2 = noiseVariance
 * If a mask keeps no entry, it is drawn again.
 * @param images [n, ...latent]
 * @returns y [n, ...latent] and mask [n, ...maskShape]; they depend on each observation's index only
 * @throws ConfigError if an option is out of range
 */
export function corruptMask(images: HostArray<"float32">, options: CorruptMaskOptions): ObservationBatch {
  const { deleted, noiseVariance, startIndex, rng, maskShape } = { ...CORRUPT_MASK_DEFAULTS, ...options };
  const [count = 0, ...latentShape] = images.shape;
  expectDeleted(deleted);
  checkOptions(noiseVariance, startIndex);
  const shape = maskShapeFor(maskShape, latentShape);
  const covers = maskIndices(shape, latentShape);
  const width = sizeOf(shape);
  const sigma = Math.sqrt(noiseVariance);
  const y = new Float32Array(images.data.length);
  const masks = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const stream = rng.split("corrupt", startIndex + i);
    const mask = randomMask(width, deleted, stream.split("mask"));
    masks.set(mask, i * width);
    const noise = stream.split("noise");
    for (let entry = 0; entry < covers.length; entry++) {
      // Drawn for hidden entries too: the noise on one entry must not depend on the mask of another.
      const z = noise.normal();
      const flat = i * covers.length + entry;
      if (mask[covers[entry]!] === 1) y[flat] = images.data[flat]! + sigma * z;
    }
  }
  return {
    y: hostArray("float32", images.shape, y),
    data: { mask: hostArray("float32", [count, ...shape], masks) },
  };
}

/** Simulates measurements of one kind, a batch at a time. */
export interface Corruptor {
  /** Fields that the header of the observations must have. */
  readonly header: Pick<
    NewObservationHeader,
    "operator" | "latentShape" | "observationShape" | "noiseVariance" | "noiseRank"
  >;
  /** Makes observations of latents [n, ...latent]. @param startIndex index of the first one in the whole set */
  make(latents: HostArray<"float32">, startIndex: number): Promise<ObservationBatch>;
  /** Frees the engine's memory. */
  release(): Promise<void>;
}

/** Options of `corruptor`. */
export interface CorruptorOptions {
  /** Variance of the noise on y, in squared units of y. */
  readonly noiseVariance: number;
  /** L of Sigma_y = noiseVariance I + L L', [...observationShape, r]: patterns that entries share. Default: none. */
  readonly noiseFactor?: HostArray<"float32"> | undefined;
  /** The stream below which observation i draws from split("corrupt", i). */
  readonly rng: Rng;
  readonly engine?: EngineOptions;
}

/**
 * Simulates y = A (x) + sigma z + L w, with an A drawn for each observation and sigma^2 = noiseVariance. y is 0 where a mask hides
 * it, though noise is drawn for every entry. With a mask these are the observations of `corruptMask`.
 * @throws ConfigError if the corruption does not fit, or an option is out of range
 */
export function corruptor(corruption: Corruption, latentShape: Shape, options: CorruptorOptions): Corruptor {
  const { noiseVariance, noiseFactor, rng, engine = {} } = options;
  checkOptions(noiseVariance, 0);
  const { operator, draw } = planCorruption(corruption, latentShape);
  const family = operatorFamily(operator, latentShape, undefined, "corrupt");
  const noiseRank = noiseFactor?.shape.at(-1);
  const shapes = { observationShape: family.observationShape, ...(noiseRank !== undefined && { noiseRank }) };
  checkNoiseFactor(noiseFactor, shapes, "corrupt");
  draw?.(rng.split("trial")); // so that options are refused before anything is written
  const programs = new Map<number, Promise<Program>>();
  const programFor = (n: number) => {
    const known = programs.get(n) ?? compileOperator(family, n, engine);
    programs.set(n, known);
    return known;
  };
  return {
    header: { operator, latentShape, noiseVariance, ...shapes },
    async make(latents, startIndex) {
      const n = latents.shape[0]!;
      const streams = Array.from({ length: n }, (_, i) => rng.split("corrupt", startIndex + i));
      const drawn = streams.map((stream) => draw?.(stream.split("mask")) ?? {});
      const data = Object.fromEntries(
        Object.entries(family.data).map(([name, shape]) => {
          const all = hostArray("float32", [n, ...shape], new Float32Array(n * sizeOf(shape)));
          drawn.forEach((own, i) => {
            rows(all, i, i + 1).data.set(own[name]!);
          });
          return [name, all];
        }),
      );
      const { y } = await (await programFor(n)).run({ x: latents, data });
      const noisy = hostArray("float32", y!.shape, Float32Array.from(y!.data as Float32Array));
      streams.forEach((stream, i) => {
        const noise = stream.split("noise");
        rows(noisy, i, i + 1).data.forEach((value, entry, own) => {
          own[entry] = value + Math.sqrt(noiseVariance) * noise.normal();
        });
        if (noiseFactor) addPatterns(rows(noisy, i, i + 1).data, noiseFactor.data, stream.split("patterns"));
      });
      const batch = { y: noisy, data };
      hideUnobserved(batch, family, startIndex, "corrupt");
      return batch;
    },
    async release() {
      for (const program of programs.values()) await (await program).release();
    },
  };
}

/** y + L w with w ~ N(0, I). */
function addPatterns(y: Float32Array, L: Float32Array, rng: Rng): void {
  const w = Float64Array.from({ length: L.length / y.length }, () => rng.normal());
  y.forEach((value, i) => {
    y[i] = w.reduce((sum, weight, k) => sum + L[i * w.length + k]! * weight, value);
  });
}

function compileOperator(family: OperatorFamily, n: number, engine: EngineOptions): Promise<Program> {
  const x = input([n, ...family.latentShape]);
  const data = inputsOf(family.data, n);
  return compile({ inputs: { x, data }, outputs: { y: family.bind(data)(x) } }, engine);
}

function checkOptions(noiseVariance: number, startIndex: number): void {
  if (!(noiseVariance > 0 && Number.isFinite(noiseVariance)))
    throw new ConfigError(
      `corrupt: noiseVariance must be above 0, got ${noiseVariance}. Use 1e-6 for nearly none.`,
    );
  if (!Number.isSafeInteger(startIndex) || startIndex < 0)
    throw new ConfigError(`corrupt: startIndex must be an integer from 0, got ${startIndex}.`);
}
