/** HDF5 volumes in the layout of fastMRI [Zbontar18], read slice by slice: chunks that are not asked for stay on disk. */

import type { Metadata } from "h5wasm";
import { float32 } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { isBearable, MOST_NUMBERS } from "../../core/limits.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import { openHdf5 } from "./hdf5.ts";
import type { SliceSource } from "./slice-source.ts";

/** Magnitude images [slices, H, W], or complex k-space [slices, H, W] or [slices, coils, H, W]. */
export const FASTMRI_DATASETS = ["reconstruction_rss", "kspace"] as const;
/** Name of a dataset of fastMRI files. */
export type FastMriDataset = (typeof FASTMRI_DATASETS)[number];

/** HDF5's own number for compound types, the way h5py stores complex numbers. */
const COMPOUND = 6;
/** HDF5's numbers for integers and floating point. */
const NUMBERS = [0, 1];

/**
 * Opens one dataset of an HDF5 file.
 * @returns slices [H, W] of "reconstruction_rss", or [coils, 2, H, W] of "kspace" (one coil where the file has no axis of coils)
 * @throws DataError if the file is missing or no HDF5 file, lacks the dataset, or the dataset has another shape or type
 */
export async function openFastMri(path: string, name: FastMriDataset): Promise<SliceSource> {
  const file = await openHdf5(path);
  try {
    const dataset = file.dataset(name);
    const metadata = file.guarded(name, () => dataset.metadata);
    const shape = file.guarded(name, () => dataset.shape) ?? [];
    checkDataset(path, name, shape, metadata);
    const [count, ...rest] = shape as [number, ...number[]];
    const sliceShape = name === "kspace" ? [rest.length === 3 ? rest[0]! : 1, 2, ...rest.slice(-2)] : rest;
    for (const [what, part] of Object.entries({ slices: sliceShape, chunks: metadata.chunks ?? [] }))
      if (!isBearable(part))
        throw new DataError(
          `${path}: ${name}: expected ${what} of at most ${MOST_NUMBERS} numbers, found ${formatShape(part)}. Skip the file.`,
        );
    const needed = unpackedBytes(metadata, rest);
    return {
      path,
      count,
      shape: sliceShape,
      read: (i) => {
        if (!Number.isInteger(i) || i < 0 || i >= count)
          throw new DataError(
            `${path}: expected a slice in [0, ${count - 1}], found ${i}. Correct the range.`,
          );
        const values = file.guarded(
          `${name}, slice ${i}`,
          () => dataset.slice([[i, i + 1], ...rest.map(() => [] as [])]),
          needed,
        );
        return float32(name === "kspace" ? planes(values, metadata, rest) : numbers(values), sliceShape);
      },
      close: file.close,
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Bytes that reading a slice may take: itself and its copy, and a chunk as stored, as unpacked and while its room grows. */
function unpackedBytes({ size, chunks }: Metadata, slice: readonly number[]): number {
  return size * (2 * sizeOf(slice) + 4 * sizeOf(chunks ?? []));
}

function checkDataset(path: string, name: string, shape: readonly number[], metadata: Metadata): void {
  const isComplex = name === "kspace";
  const ranks = isComplex ? [3, 4] : [3];
  const expected = isComplex
    ? "complex [slices, H, W] or [slices, coils, H, W]"
    : "real numbers [slices, H, W]";
  const members = metadata.compound_type?.members;
  const fits = isComplex
    ? metadata.type === COMPOUND && members?.length === 2 && members.every((m) => m.type === 1)
    : NUMBERS.includes(metadata.type);
  if (!fits || !ranks.includes(shape.length) || sizeOf(shape) === 0)
    throw new DataError(
      `${path}: ${name}: expected ${expected}, found ${members ? "compound" : "values"} ${formatShape(shape)}. Skip the file.`,
    );
}

/** Values of one slice as numbers, whatever the stored type. */
function numbers(values: unknown): Float32Array {
  if (values instanceof Float32Array) return values;
  return Float32Array.from(values as ArrayLike<number | bigint>, Number);
}

/** Pairs (real, imaginary) of [coils, H, W] or [H, W] as planes [coils, 2, H, W]. */
function planes(values: unknown, metadata: Metadata, rest: readonly number[]): Float32Array {
  const pairs = values as readonly (readonly [number, number])[];
  const real = metadata.compound_type!.members.findIndex(({ name }) => name.toLowerCase().startsWith("r"));
  const area = sizeOf(rest.slice(-2));
  const out = new Float32Array(2 * pairs.length);
  pairs.forEach((pair, k) => {
    const coil = Math.floor(k / area);
    const at = 2 * coil * area + (k % area);
    out[at] = pair[Math.max(real, 0) as 0 | 1];
    out[at + area] = pair[(1 - Math.max(real, 0)) as 0 | 1];
  });
  return out;
}

/** Attributes of the file, such as `acquisition`, `max`, `norm`, `patient_id`. @throws DataError */
export async function readFastMriAttributes(path: string): Promise<Record<string, unknown>> {
  const file = await openHdf5(path);
  try {
    return file.attributes();
  } finally {
    file.close();
  }
}
