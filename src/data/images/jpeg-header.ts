/** What the segments of a JPEG file say before its first scan [T.81, annex B]. */

import { DataError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { orientationOf } from "./orientation.ts";
import { requireBearable } from "./pixels.ts";

/** Of a picture that can be decoded. */
export interface JpegHeader {
  /** As stored: a camera's orientation may exchange them. */
  readonly height: number;
  readonly width: number;
  /** Channels as stored: grey, colour, or four inks. */
  readonly channels: 1 | 3 | 4;
  /** 1 to 8, as EXIF data say. */
  readonly orientation: number;
}

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;
const APP1 = 0xe1;
const EXIF = "Exif\0\0";
/** Frames of Huffman codes: baseline, extended, progressive, lossless. */
const READABLE = [0xc0, 0xc1, 0xc2, 0xc3];
/** The other frames; 0xc4, 0xc8 and 0xcc in between are none. */
const UNREADABLE: Readonly<Record<number, string>> = {
  ...Object.fromEntries([0xc9, 0xca, 0xcb].map((marker) => [marker, "arithmetic coding"])),
  ...Object.fromEntries([0xc5, 0xc6, 0xc7, 0xcd, 0xce, 0xcf].map((marker) => [marker, "several frames"])),
};

/** @throws DataError for a kind of JPEG that cannot be read right, or a size that the file cannot hold */
export function readJpegHeader(bytes: Uint8Array, where: string): JpegHeader {
  let orientation: number | undefined;
  for (const { marker, content } of segments(bytes)) {
    const coding = UNREADABLE[marker];
    if (coding)
      throw new DataError(
        `${where}: expected a JPEG image of Huffman codes, found ${coding}. Save it as a baseline JPEG or PNG.`,
      );
    if (marker === APP1 && startsWith(content, EXIF))
      orientation ??= orientationOf(content.subarray(EXIF.length));
    // EXIF data stand before the frame, which is the last segment that matters.
    if (READABLE.includes(marker))
      return { ...readFrame(content, bytes.length, where), orientation: orientation ?? 1 };
  }
  throw new DataError(`${where}: expected a JPEG image, found a damaged file (no frame). Replace it.`);
}

/** Segments up to the first scan; a damaged file ends where they do. */
function* segments(bytes: Uint8Array): Generator<{ marker: number; content: Uint8Array }> {
  let at = 2; // after the start of the image
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // a byte that fills
      continue;
    }
    if (marker === START_OF_SCAN || marker === END_OF_IMAGE) return;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    yield { marker, content: bytes.subarray(at + 4, at + 2 + length) };
    at += 2 + length;
  }
}

function readFrame(frame: Uint8Array, fileSize: number, where: string): Omit<JpegHeader, "orientation"> {
  const [precision = 0] = frame;
  const short = (at: number) => ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
  const [height, width, channels] = [short(1), short(3), frame[5] ?? 0];
  if (precision !== 8)
    throw new DataError(
      `${where}: expected a JPEG image of 8 bits a channel, found ${precision}. Save it with 8, or as PNG.`,
    );
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new DataError(
      `${where}: expected a JPEG image of grey, colour or four inks, found ${channels} channels. Save it as one of these.`,
    );
  requireBearable(height, width, where);
  const least = Math.ceil(blocksOf(frame, height, width, channels) / 8);
  if (fileSize < least)
    throw new DataError(
      `${where}: expected at least ${least} bytes for ${formatShape([height, width])} pixels, found ${fileSize}. The file is damaged; replace it.`,
    );
  return { height, width, channels };
}

/** Blocks of 8 x 8 values that a frame has; each takes a bit or more, for no Huffman code is shorter. */
function blocksOf(frame: Uint8Array, height: number, width: number, channels: number): number {
  const factors = Array.from({ length: channels }, (_, c) => frame[7 + 3 * c] ?? 0);
  const [across, down] = [factors.map((f) => f >> 4), factors.map((f) => f & 15)];
  const blocks = (pixels: number, share: number, most: number) =>
    Math.ceil(Math.ceil((pixels * share) / Math.max(most, 1)) / 8);
  return factors.reduce(
    (sum, _, c) =>
      sum + blocks(width, across[c]!, Math.max(...across)) * blocks(height, down[c]!, Math.max(...down)),
    0,
  );
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}
