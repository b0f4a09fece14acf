/** Slices of many volumes as data: a range of slices of each volume, resized and scaled to [-2, 2]. */

import { firstNonFinite, float32, type HostArray } from "../../core/array.ts";
import { ConfigError, DataError, isErrorOf } from "../../core/errors.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { type FastMriDataset, openFastMri } from "./fastmri.ts";
import { openNifti } from "./nifti.ts";
import { averageBlocks, imageOfKspace } from "./resize-slices.ts";
import type { SliceSource } from "./slice-source.ts";

/** Options of `openScans`. */
export interface ScanOptions {
  /** Which dataset of HDF5 files: magnitudes, or measured k-space. Default "reconstruction_rss". */
  readonly dataset?: FastMriDataset;
  /** Whether k-space is of images without phase: latents have one channel, like magnitudes. Otherwise two. Default false. */
  readonly real?: boolean;
  /** Axis of NIfTI volumes that counts slices. Default 2. */
  readonly axis?: number;
  /** First and last slice to use of each volume, as far as there are. Default [10, 40]: outer slices hold little tissue [Rozet24]. */
  readonly slices?: readonly [first: number, last: number];
  /** [h, w] of the latents. Default: that of the slices of the first volume. */
  readonly size?: readonly [number, number];
  /** What to do with a file or slice that cannot be used. Default "refuse". */
  readonly onBad?: "skip" | "refuse";
}

/** Defaults of `openScans`. */
export const SCAN_DEFAULTS = {
  dataset: "reconstruction_rss",
  real: false,
  axis: 2,
  slices: [10, 40],
  onBad: "refuse",
} as const satisfies ScanOptions;

/** One usable slice. */
export interface ScanSlice {
  readonly path: string;
  /** The volume, counted among the usable ones, and the slice of it. */
  readonly volume: number;
  readonly slice: number;
}

/** A file or slice that was left out, and why. */
export interface Skipped {
  readonly path: string;
  /** The slice, or undefined if the whole file was left out. */
  readonly slice?: number;
  readonly reason: string;
}

/** The usable slices, in the order of the files. */
export interface Scans {
  readonly slices: readonly ScanSlice[];
  readonly skipped: readonly Skipped[];
  /** [1, h, w] for magnitudes, and for k-space that is real; [2, h, w] for other k-space. */
  readonly shape: readonly [number, number, number];
  /**
   * Latent k: the real image 4 (s - black) / (max - black) - 2 in [-2, 2], or the complex image 2 s / max as real and
   * imaginary part. max is the largest value or magnitude in the volume's range of slices; black is 0, or the volume's
   * smallest value if any volume has values below 0, as in computed tomography. @throws DataError if the file changed since
   */
  read(k: number): HostArray<"float32">;
  /** The complex image [2, h, w] whose transform was measured, in the units of `read`. Only for k-space. */
  readonly measured?: (k: number) => HostArray<"float32">;
  /** Closes the files. */
  close(): void;
}

/** Largest share of an image's energy in its imaginary part, for k-space that is taken as that of a real image. */
const LARGEST_IMAGINARY = 0.01;

/**
 * Opens volumes, and reads every slice of their ranges once: to find the scale of each volume, and damage.
 * @throws DataError for the first bad file or slice if `onBad` is "refuse", or if nothing usable is left
 * @throws ConfigError if an option is out of range
 */
export async function openScans(paths: readonly string[], options: ScanOptions = {}): Promise<Scans> {
  const settings = { ...SCAN_DEFAULTS, ...options };
  checkOptions(settings);
  const skipped: Skipped[] = [];
  const skip = (path: string, error: unknown, slice?: number) => {
    if (settings.onBad === "refuse" || !isErrorOf(error, "DataError")) throw error;
    skipped.push({ path, reason: (error as DataError).message, ...(slice !== undefined && { slice }) });
  };
  const volumes: Volume[] = [];
  const slices: ScanSlice[] = [];
  const close = () => {
    for (const { source } of volumes) source.close();
  };
  try {
    for (const path of paths) {
      try {
        const size = settings.size ?? volumes[0]?.size;
        const volume = await openVolume(path, settings, size, (error, slice) => skip(path, error, slice));
        const number = volumes.push(volume) - 1;
        slices.push(...volume.usable.map((slice) => ({ path, volume: number, slice })));
      } catch (error) {
        skip(path, error);
      }
    }
    if (slices.length === 0)
      throw new DataError(
        `scans: expected usable slices in ${paths.length} files, found none. ${skipped[0]?.reason ?? "Give files."}`,
      );
  } catch (error) {
    close();
    throw error;
  }
  const isComplex = volumes[0]!.isComplex;
  const isReal = !isComplex || settings.real;
  const isSigned = isReal && volumes.some(({ extremes: [least] }) => least < 0);
  const scaled = (k: number) => {
    const { volume: number, slice } = slices[k]!;
    const volume = volumes[number]!;
    const { data, shape } = volume.image(slice);
    const [least, most] = volume.extremes;
    const black = isSigned ? least : 0;
    const [width, offset] = isReal ? [4, -2] : [2, 0];
    // An imaginary part has no black. Divided first, the largest value becomes 2 exactly.
    const real = isComplex ? data.length / 2 : data.length;
    return float32(
      data.map((value, i) => {
        const shift = i < real;
        return width * ((value - (shift ? black : 0)) / (most - black)) + (shift ? offset : 0);
      }),
      isComplex ? shape : [1, ...shape],
    );
  };
  return {
    slices,
    skipped,
    shape: [isReal ? 1 : 2, ...volumes[0]!.size],
    read: (k) => {
      const image = scaled(k);
      if (!isComplex || !isReal) return image;
      const [, h, w] = image.shape as [number, number, number];
      return float32(image.data.slice(0, h * w), [1, h, w]);
    },
    ...(isComplex && { measured: scaled }),
    close,
  };
}

interface Volume {
  readonly source: SliceSource;
  readonly size: readonly [number, number];
  readonly isComplex: boolean;
  readonly usable: readonly number[];
  /** Smallest and largest value of real images, 0 and the largest magnitude of complex ones. */
  readonly extremes: readonly [number, number];
  /** [h, w] or [2, h, w] in the file's units. */
  readonly image: (slice: number) => HostArray<"float32">;
}

type Settings = Required<Omit<ScanOptions, "size">> & Pick<ScanOptions, "size">;

async function openVolume(
  path: string,
  { dataset, real, axis, slices: [first, last], size: wanted }: Settings,
  expected: readonly [number, number] | undefined,
  skip: (error: unknown, slice: number) => void,
): Promise<Volume> {
  const isNifti = /\.nii(\.gz)?$/i.test(path);
  if (isNifti && dataset === "kspace")
    throw new DataError(
      `${path}: expected k-space, found NIfTI, which holds images. Use the magnitudes instead.`,
    );
  const source = isNifti ? openNifti(path, axis) : await openFastMri(path, dataset);
  try {
    const own = source.shape.slice(-2) as [number, number];
    const size = expected ?? own;
    if (wanted === undefined && !sameShape(size, own))
      throw new DataError(
        `${path}: expected slices ${formatShape(size)} as in the files before, found ${formatShape(own)}. Choose a size for all, or skip the file.`,
      );
    if (size[0] > own[0] || size[1] > own[1])
      throw new DataError(
        `${path}: expected slices of at least ${formatShape(size)}, found ${formatShape(own)}. Choose a smaller size, or skip the file.`,
      );
    const isComplex = source.shape.length === 4;
    if (isComplex && source.shape[0] !== 1)
      throw new DataError(
        `${path}: expected k-space of a single coil, found ${source.shape[0]} coils. Give the coils' sensitivity maps, or use the magnitudes.`,
      );
    const image = (slice: number) => {
      const { data, shape } = source.read(slice);
      if (firstNonFinite(data) >= 0)
        throw new DataError(`${path}: slice ${slice}: expected finite values, found others. Skip the slice.`);
      return isComplex
        ? imageOfKspace(float32(data, shape.slice(1)), size)
        : averageBlocks(float32(data, shape), size);
    };
    const usable: number[] = [];
    let extremes: readonly [number, number] | undefined;
    for (let slice = first; slice <= Math.min(last, source.count - 1); slice++) {
      try {
        const found = image(slice);
        if (isComplex && real) requireReal(found, `${path}: slice ${slice}`);
        extremes = extremesOf(found, isComplex, real, extremes);
        usable.push(slice);
      } catch (error) {
        skip(error, slice);
      }
    }
    if (!extremes || extremes[0] === extremes[1])
      throw new DataError(
        `${path}: expected an image in slices ${first} to ${last} of ${source.count}, found ${extremes ? `the value ${extremes[0]} everywhere` : "no usable slice"}. Choose other slices, or skip the file.`,
      );
    return { source, size, isComplex, usable, extremes, image };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** @throws DataError if an image has a phase that differs from pixel to pixel, which no prior of magnitudes explains */
function requireReal({ data }: HostArray<"float32">, where: string): void {
  const area = data.length / 2;
  const energy = (values: Float32Array) => values.reduce((sum, value) => sum + value ** 2, 0);
  const share = energy(data.subarray(area)) / Math.max(energy(data), Number.MIN_VALUE);
  if (share > LARGEST_IMAGINARY)
    throw new DataError(
      `${where}: expected k-space of a real image, found ${(100 * share).toFixed(0)} % of the energy in the imaginary part. Use it as complex images.`,
    );
}

/** Of an image and those before. */
function extremesOf(
  { data }: HostArray<"float32">,
  isComplex: boolean,
  real: boolean,
  before: readonly [number, number] | undefined,
): readonly [number, number] {
  const area = isComplex ? data.length / 2 : data.length;
  let [least, most] = before ?? (isComplex && !real ? [0, 0] : [data[0]!, data[0]!]);
  for (let i = 0; i < area; i++) {
    const value = isComplex && !real ? Math.hypot(data[i]!, data[i + area]!) : data[i]!;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}

function checkOptions({ slices: [first, last], size }: Settings): void {
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || first > last)
    throw new ConfigError(`slices: expected FIRST <= LAST from 0, got ${first}, ${last}.`);
  if (size?.some((n) => !Number.isInteger(n) || n < 1))
    throw new ConfigError(`size: expected positive integers, got ${formatShape(size)}.`);
}
