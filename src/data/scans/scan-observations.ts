import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { createObservations } from "../observations/observations.ts";
import { kspaceObservations } from "./kspace.ts";
import type { Scans } from "./scans.ts";

/** Options of `writeScanObservations`. */
export interface ScanObservationOptions {
  /** Acceleration R of the simulated masks. */
  readonly acceleration: number;
  /** Variance of the noise on each real and imaginary part, in the squared units of the scaled data. */
  readonly noiseVariance: number;
  readonly rng: Rng;
  /** Slices to use, by their number in `scans`. Default: all. */
  readonly slices?: readonly number[];
  /** Number of the random stream of each slice; equal numbers at equal slices give equal observations. Default 0, 1, 2, ... */
  readonly streams?: readonly number[];
  /** Stops the work; nothing is left then. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each latent, in order. */
  readonly onLatent?: (latent: HostArray<"float32">) => Promise<void>;
  /** Awaited when all is written, before the folder appears. Write files beside it here: nothing writes a folder that is there. */
  readonly onWritten?: () => Promise<void>;
}

/** Writes a folder of sub-sampled k-space, one observation for each slice, one slice in memory at a time. */
export async function writeScanObservations(
  scans: Scans,
  out: string,
  options: ScanObservationOptions,
): Promise<number> {
  const { acceleration, noiseVariance, rng, signal, onLatent, onWritten } = options;
  const numbers = options.slices ?? scans.slices.map((_, k) => k);
  const [, H, W] = scans.shape;
  const header = {
    operator: { name: "fourier" as const, maskShape: [1, 1, W] },
    latentShape: scans.shape,
    observationShape: [2, H, W],
    noiseVariance,
    range: [-2, 2] as const,
  };
  const writer = await createObservations(out, header, numbers.length, { signal });
  try {
    for (const [i, k] of numbers.entries()) {
      const latent = scans.read(k);
      const image = scans.measured?.(k) ?? latent;
      const batch = kspaceObservations(float32(image.data, [1, ...image.shape]), {
        acceleration,
        noiseVariance,
        addNoise: !scans.measured,
        rng,
        startIndex: options.streams?.[i] ?? i,
      });
      await writer.append(batch);
      await onLatent?.(latent);
    }
    await onWritten?.();
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return numbers.length;
}

/** Latents of some slices together, [n, C, h, w]. */
export function readLatents(scans: Scans, numbers: readonly number[]): HostArray<"float32"> {
  const size = sizeOf(scans.shape);
  const all = float32(new Float32Array(numbers.length * size), [numbers.length, ...scans.shape]);
  numbers.forEach((k, i) => {
    all.data.set(scans.read(k).data, i * size);
  });
  return all;
}
