/** Sub-sampled k-space of several receiver coils, with sensitivity maps that were measured beforehand. */
import { firstNonFinite, float32, type HostArray, rows } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import type { Rng } from "../../core/random.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { randomColumns } from "../../operators/kinds/random-masks.ts";
import { createObservations } from "../observations/observations.ts";
import { openFastMri } from "./fastmri.ts";
import { fourier } from "./host-fourier.ts";

export interface CoilObservationOptions {
  /** S_c, real and imaginary part, [coils, 2, H, W], the same for all slices. */
  readonly maps: HostArray<"float32">;
  /** Acceleration R of the simulated masks; 1 keeps every column. */
  readonly acceleration: number;
  /** Variance of the scanner's noise on each real and imaginary part, once images are scaled to magnitude 2. */
  readonly noiseVariance: number;
  /** First and last slice used of each volume. */
  readonly slices: readonly [number, number];
  readonly rng: Rng;
  /** Stops; nothing is written then. */
  readonly signal?: AbortSignal | undefined;
  /** Receives each latent, in order: the complex image that all columns and coils together give. */
  readonly onLatent?: (latent: HostArray<"float32">) => Promise<void>;
  /** Awaited when all is written and before the folder appears: files beside it come first, for a folder that is there is never written again. */
  readonly onWritten?: () => Promise<void>;
}

interface CoilSlice {
  readonly kspace: HostArray<"float32">;
  readonly image: HostArray<"float32">;
}

/**
 * Writes a folder of observations of the operator "multi-coil": complex images of two channels, seen by every coil
 * through its map, y_c = m * F (S_c * x) + noise. Measured k-space holds its noise already; none is added. Each volume
 * is scaled so that the largest magnitude of the combined images is 2.
 * @param paths HDF5 files with `kspace` [slices, coils, H, W]
 * @returns the number of observations
 * @throws DataError if a file or the maps do not fit
 */
export async function writeCoilObservations(
  paths: readonly string[],
  out: string,
  options: CoilObservationOptions,
): Promise<number> {
  const { maps, acceleration, noiseVariance, rng, signal, onLatent, onWritten } = options;
  const [coils, , H, W] = maps.shape as [number, number, number, number];
  const header = {
    operator: { name: "multi-coil" as const, coils, maskShape: [1, 1, 1, W] },
    latentShape: [2, H, W],
    observationShape: [coils, 2, H, W],
    noiseVariance,
    range: [-2, 2] as const,
  };
  const counts: number[] = [];
  for (const path of paths) counts.push((await sliceNumbers(path, options)).length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const writer = await createObservations(out, header, total, { signal });
  try {
    let index = 0;
    for (const path of paths) {
      const { slices, gain } = await readVolume(path, options);
      for (const { kspace, image } of slices) {
        const mask = randomColumns(W, acceleration, rng.split("kspace", index++).split("mask"));
        const y = kspace.data.map((value, entry) => gain * value * mask[entry % W]!);
        await writer.append({
          y: float32(y, [1, ...kspace.shape]),
          data: { maps: float32(maps.data, [1, ...maps.shape]), mask: float32(mask, [1, 1, 1, 1, W]) },
        });
        await onLatent?.({ ...image, data: image.data.map((value) => gain * value) });
      }
    }
    await onWritten?.();
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return total;
}

/** The numbers of the slices used. @throws DataError if the maps do not fit the file, or no slice is in the range */
async function sliceNumbers(
  path: string,
  { maps, slices: [first, last] }: CoilObservationOptions,
): Promise<number[]> {
  const source = await openFastMri(path, "kspace");
  source.close();
  if (!sameShape(source.shape, maps.shape))
    throw new DataError(
      `${path}: expected k-space of slices ${formatShape(maps.shape)} as the maps, found ${formatShape(source.shape)}. Give the maps of this scanner's coils.`,
    );
  if (first >= source.count)
    throw new DataError(
      `${path}: expected slices ${first} to ${last}, found ${source.count} slices. Choose others with slices.`,
    );
  return Array.from({ length: Math.min(last, source.count - 1) - first + 1 }, (_, i) => first + i);
}

async function readVolume(
  path: string,
  options: CoilObservationOptions,
): Promise<{ slices: readonly CoilSlice[]; gain: number }> {
  const numbers = await sliceNumbers(path, options);
  const source = await openFastMri(path, "kspace");
  try {
    const slices = numbers.map((slice) => {
      const kspace = source.read(slice);
      if (firstNonFinite(kspace.data) >= 0)
        throw new DataError(`${path}: slice ${slice}: expected finite values, found others. Leave it out.`);
      return { kspace, image: combineCoils(kspace, options.maps) };
    });
    const max = slices.reduce((most, { image }) => Math.max(most, largestMagnitude(image.data)), 0);
    if (!(max > 0)) throw new DataError(`${path}: expected an image, found only zeros. Leave the file out.`);
    return { slices, gain: 2 / max };
  } finally {
    source.close();
  }
}

/**
 * The least-squares image of fully sampled coils [Pruessmann99]:  x = sum_c conj(S_c) F' k_c / sum_c |S_c|^2,  0 where
 * no coil sees anything.
 * @param kspace [coils, 2, H, W]     @param maps [coils, 2, H, W]     @returns [2, H, W]
 */
export function combineCoils(kspace: HostArray<"float32">, maps: HostArray<"float32">): HostArray<"float32"> {
  const [coils, , H, W] = maps.shape as [number, number, number, number];
  const area = H * W;
  const out = new Float32Array(2 * area);
  const weight = new Float64Array(area);
  for (let coil = 0; coil < coils; coil++) {
    const seen = fourier(float32(rows(kspace, coil, coil + 1).data, [2, H, W]), { inverse: true }).data;
    const own = rows(maps, coil, coil + 1).data;
    for (let i = 0; i < area; i++) {
      const [p, q, a, b] = [own[i]!, own[i + area]!, seen[i]!, seen[i + area]!];
      out[i]! += p * a + q * b;
      out[i + area]! += p * b - q * a;
      weight[i]! += p * p + q * q;
    }
  }
  for (let i = 0; i < out.length; i++) out[i] = weight[i % area]! > 0 ? out[i]! / weight[i % area]! : 0;
  return float32(out, [2, H, W]);
}

function largestMagnitude(image: Float32Array): number {
  const area = image.length / 2;
  let most = 0;
  for (let i = 0; i < area; i++) most = Math.max(most, Math.hypot(image[i]!, image[i + area]!));
  return most;
}
