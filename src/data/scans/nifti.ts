/** NIfTI-1 and NIfTI-2 volumes (.nii, .nii.gz) as slices along one axis. Headers are read by nifti-reader-js. */

import { isNIFTI, isNIFTI1, type NIFTI1, type NIFTI2, readHeader } from "nifti-reader-js";
import { float32 } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import { openNiftiBytes } from "./nifti-bytes.ts";
import type { SliceSource } from "./slice-source.ts";

/** Of NIfTI-1 and NIfTI-2. */
const HEADER_BYTES = [348, 540] as const;

/** Bytes per voxel and how to read one, by NIfTI's code of the data type. */
const TYPES: Readonly<
  Record<number, readonly [bytes: number, read: (view: DataView, at: number, little: boolean) => number]>
> = {
  2: [1, (view, at) => view.getUint8(at)],
  4: [2, (view, at, little) => view.getInt16(at, little)],
  8: [4, (view, at, little) => view.getInt32(at, little)],
  16: [4, (view, at, little) => view.getFloat32(at, little)],
  64: [8, (view, at, little) => view.getFloat64(at, little)],
  256: [1, (view, at) => view.getInt8(at)],
  512: [2, (view, at, little) => view.getUint16(at, little)],
  768: [4, (view, at, little) => view.getUint32(at, little)],
};

/**
 * Opens a three-dimensional volume. It reads a .nii file slice by slice, and unpacks a .nii.gz file in memory, because that can
 * only be read from its beginning.
 * @param axis the axis that counts slices: 0, 1 or 2. A slice is [second, first] of the other two axes in file order: [y, x] for axis 2.
 * @throws DataError if the file is missing, damaged, not three-dimensional, or of a type without magnitude (complex, RGB)
 */
export function openNifti(path: string, axis: number): SliceSource {
  if (![0, 1, 2].includes(axis))
    throw new DataError(`${path}: expected a slice axis of 0, 1 or 2, found ${axis}. Correct the axis.`);
  const { head, body, close } = openNiftiBytes(path);
  try {
    const { little, dims, code, offset, slope, intercept } = parseHeader(path, head);
    const type = TYPES[code];
    if (!type)
      throw new DataError(
        `${path}: expected real voxels, found NIfTI data type ${code}. Convert it, or skip the file.`,
      );
    const [width, voxelAt] = type;
    const needed = offset + sizeOf(dims) * width;
    const { size, read } = body(needed);
    if (size < needed)
      throw new DataError(
        `${path}: expected ${needed} bytes for ${formatShape(dims)}, found ${size}. The file is truncated; fetch it again.`,
      );
    const [first, second] = [0, 1, 2].filter((other) => other !== axis) as [number, number];
    const shape = [dims[second]!, dims[first]!];
    const strides = [1, dims[0]!, dims[0]! * dims[1]!];
    return {
      path,
      count: dims[axis]!,
      shape,
      read: (i) => {
        if (!Number.isInteger(i) || i < 0 || i >= dims[axis]!)
          throw new DataError(
            `${path}: expected a slice in [0, ${dims[axis]! - 1}], found ${i}. Correct the range.`,
          );
        const start = i * strides[axis]!;
        const span = 1 + (shape[0]! - 1) * strides[second]! + (shape[1]! - 1) * strides[first]!;
        const view = read(offset + start * width, span * width);
        const out = new Float32Array(sizeOf(shape));
        for (let k = 0; k < out.length; k++) {
          const voxel = Math.floor(k / shape[1]!) * strides[second]! + (k % shape[1]!) * strides[first]!;
          out[k] = slope * voxelAt(view, voxel * width, little) + intercept;
        }
        return float32(out, shape);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function parseHeader(path: string, view: DataView) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer;
  const header = readHeaderOrFail(path, bytes);
  const rank = header.dims[0]!;
  const dims = header.dims.slice(1, 4);
  const others = header.dims.slice(4, rank + 1);
  const isVolume = rank >= 3 && rank <= 7 && others.every((n) => n === 1);
  if (
    !isVolume ||
    !dims.every((n) => Number.isSafeInteger(n) && n > 0) ||
    !Number.isSafeInteger(sizeOf(dims) * 8)
  )
    throw new DataError(
      `${path}: expected a volume of three axes, found dimensions ${formatShape(header.dims.slice(1, Math.max(rank, 0) + 1))}. Split it into volumes, or skip the file.`,
    );
  const { vox_offset: offset, scl_slope, scl_inter } = header;
  if (!Number.isSafeInteger(offset) || offset < 348)
    throw new DataError(
      `${path}: expected voxels after the header, found offset ${offset}. Fetch the file again.`,
    );
  // A slope of zero means that the values are not scaled.
  const scaled = Number.isFinite(scl_slope) && scl_slope !== 0;
  return {
    little: header.littleEndian,
    dims,
    code: header.datatypeCode,
    offset,
    slope: scaled ? scl_slope : 1,
    intercept: scaled && Number.isFinite(scl_inter) ? scl_inter : 0,
  };
}

function readHeaderOrFail(path: string, bytes: ArrayBuffer): NIFTI1 | NIFTI2 {
  try {
    // Without the extensions behind it, which may be longer than what was read.
    const length = isNIFTI1(bytes) ? HEADER_BYTES[0] : HEADER_BYTES[1];
    const header = isNIFTI(bytes) ? readHeader(bytes.slice(0, length)) : null;
    if (header !== null) return header;
  } catch (cause) {
    throw new DataError(`${path}: expected a NIfTI header, found damage. Fetch the file again, or skip it.`, {
      cause,
    });
  }
  throw new DataError(`${path}: expected a NIfTI file, found other bytes. Fetch it again, or skip it.`);
}
