/** Bytes of a NIfTI file: plain ones stay on disk, gzip is unpacked as far as the header says that there is something. */

import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { DataError } from "../../core/errors.ts";
import { expectRegularSync, readFailure } from "../../core/files.ts";

/** Bytes [start, start + length) of the unpacked file. */
export type ReadBytes = (start: number, length: number) => DataView;

/** A file whose beginning is known. */
export interface NiftiBytes {
  /** At least the header, but for extensions, where the file is whole. */
  readonly head: DataView;
  /**
   * The whole file. @param needed bytes that its header declares
   * @throws DataError for gzip that is damaged, or holds far more than that
   */
  readonly body: (needed: number) => { readonly size: number; readonly read: ReadBytes };
  readonly close: () => void;
}

/** NIfTI-2's header; that of NIfTI-1 is shorter. */
const HEAD_BYTES = 540;
/** Bytes of gzip that hold a header, with room for the name of a file. */
const PACKED_HEAD_BYTES = 4096;
/** What may follow the voxels in a gzip file. */
const TAIL_BYTES = 65536;
/** Volumes beyond this are not unpacked in memory. */
const LARGEST_UNPACKED = 2 ** 31 - 1;

/** @throws DataError if the file cannot be read, or its name does not say whether it is gzip */
export function openNiftiBytes(path: string): NiftiBytes {
  const isPacked = /\.gz$/i.test(path);
  try {
    expectRegularSync(path);
    return isPacked ? packedBytes(path) : plainBytes(path);
  } catch (error) {
    throw readFailure(path, "a NIfTI volume", error);
  }
}

function plainBytes(path: string): NiftiBytes {
  const descriptor = openSync(path, "r");
  const read: ReadBytes = (start, length) => {
    const part = new Uint8Array(length);
    const got = readSync(descriptor, part, 0, length, start);
    if (got < length)
      throw new DataError(
        `${path}: expected ${length} bytes at ${start}, found ${got}. The file is truncated; fetch it again.`,
      );
    return new DataView(part.buffer);
  };
  try {
    const { size } = fstatSync(descriptor);
    const head = read(0, Math.min(size, HEAD_BYTES));
    if (isGzip(head))
      throw new DataError(`${path}: expected a plain NIfTI volume, found gzip. Rename it to end in .nii.gz.`);
    return { head, body: () => ({ size, read }), close: () => closeSync(descriptor) };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function packedBytes(path: string): NiftiBytes {
  const packed = readFileSync(path);
  if (!isGzip(viewOf(packed)))
    throw new DataError(
      `${path}: expected gzip, found other bytes. If it is a plain NIfTI volume, rename it to end in .nii; else fetch it again, or skip it.`,
    );
  return {
    // A beginning of the stream unpacks to a beginning of the file, at most a thousand times as long.
    head: viewOf(
      unpack(packed.subarray(0, PACKED_HEAD_BYTES), path, { finishFlush: constants.Z_SYNC_FLUSH }),
    ),
    body: (needed) => {
      if (needed + TAIL_BYTES > LARGEST_UNPACKED)
        throw new DataError(
          `${path}: expected a volume of less than 2 GiB in gzip, found ${needed} bytes. Unpack it: plain .nii files are read slice by slice.`,
        );
      const all = unpack(packed, path, { maxOutputLength: needed + TAIL_BYTES });
      return {
        size: all.byteLength,
        read: (start, length) => new DataView(all.buffer, all.byteOffset + start, length),
      };
    },
    close: () => undefined,
  };
}

function unpack(
  packed: Uint8Array,
  path: string,
  options: { readonly maxOutputLength?: number; readonly finishFlush?: number },
): Uint8Array {
  try {
    return gunzipSync(packed, options);
  } catch (cause) {
    const isLarge = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new DataError(
      isLarge
        ? `${path}: expected ${options.maxOutputLength! - TAIL_BYTES} bytes, as the header declares, found far more in the gzip stream. Fetch the file again, or skip it.`
        : `${path}: expected gzip, found a damaged stream. Fetch the file again, or skip it.`,
      { cause },
    );
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function isGzip(view: DataView): boolean {
  return view.byteLength >= 2 && view.getUint16(0) === 0x1f8b;
}
