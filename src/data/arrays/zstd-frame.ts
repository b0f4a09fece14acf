/** The frame of Zstandard: https://datatracker.ietf.org/doc/html/rfc8878#section-3.1 */

/** What a frame says of itself. */
export interface ZstdFrame {
  /** Bytes that it will become; infinite if it does not tell. */
  readonly contentBytes: number;
  /** Where its last block ends, by the blocks' headers; infinite if that lies behind the bytes there are. */
  readonly end: number;
}

const MAGIC_BYTES = 4;
const SINGLE_SEGMENT = 0x20;
const CHECKSUM = 0x04;
/** A block of one byte that is repeated; the others are as long as they say. */
const REPEATED = 1;

/** Reads the header of a frame and those of its blocks; nothing is decompressed. */
export function parseZstdFrame(bytes: Uint8Array): ZstdFrame {
  const descriptor = bytes[MAGIC_BYTES] ?? 0;
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0;
  const width = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const start = MAGIC_BYTES + 1 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  return {
    contentBytes:
      width === 0 ? Number.POSITIVE_INFINITY : littleEndian(bytes, start, width) + (width === 2 ? 256 : 0),
    end: endOfBlocks(bytes, start + width) + ((descriptor & CHECKSUM) !== 0 ? 4 : 0),
  };
}

function endOfBlocks(bytes: Uint8Array, first: number): number {
  for (let at = first; at + 3 <= bytes.length; ) {
    const header = littleEndian(bytes, at, 3);
    at += 3 + (((header >> 1) & 3) === REPEATED ? 1 : header >> 3);
    if ((header & 1) !== 0) return at;
  }
  return Number.POSITIVE_INFINITY;
}

/** An unsigned integer; bytes that are missing count as 0. */
export function littleEndian(bytes: Uint8Array, start: number, width: number): number {
  let value = 0;
  for (let k = width - 1; k >= 0; k--) value = 256 * value + (bytes[start + k] ?? 0);
  return value;
}
