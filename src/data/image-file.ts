/** Pictures as files know them: PNG and JPEG. */

import { convertIndexedToRgb, decode as decodePng } from "fast-png";
import jpeg from "jpeg-js";
import { float32, type HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { readFileOrFail } from "../core/files.ts";
import { orientationOf, oriented } from "./orientation.ts";

/** Options of `readImage`. */
export interface ImageOptions {
  /** What to do with pixels that are not opaque: take their colour as it is, or refuse the picture. */
  readonly transparency: "ignore" | "refuse";
}

/**
 * A picture as [C, H, W] with black 0 and white 1: one channel of grey, or red, green, blue. What kind of file it is
 * its first bytes say. Pictures of cameras stand as their orientation tag says; colour profiles are not applied.
 * @throws DataError if the file is missing, damaged, neither PNG nor JPEG, or transparent where that is refused
 */
export async function readImage(path: string, options: ImageOptions): Promise<HostArray<"float32">> {
  return decodeImage(await readFileOrFail(path, "a picture"), path, options);
}

/** As `readImage`, from the bytes of a file. @param where named in messages */
export function decodeImage(bytes: Uint8Array, where: string, options: ImageOptions): HostArray<"float32"> {
  const starts = (...magic: number[]) => magic.every((byte, i) => bytes[i] === byte);
  const decoders = { PNG: pixelsOfPng, JPEG: pixelsOfJpeg };
  const kind = starts(0x89, 0x50) ? "PNG" : starts(0xff, 0xd8) ? "JPEG" : undefined;
  if (kind === undefined)
    throw new DataError(`${where}: expected a PNG or JPEG image, found other bytes. Convert the picture.`);
  let pixels: Pixels;
  try {
    pixels = decoders[kind](bytes);
  } catch (cause) {
    throw new DataError(
      `${where}: expected a ${kind} image of grey or colour, found a damaged file (${(cause as Error).message}). Replace it.`,
      { cause },
    );
  }
  const { width, height, depth, alphaOf, channels, at } = pixels;
  if (depth !== 8 && depth !== 16)
    throw new DataError(
      `${where}: expected a ${kind} image of grey or colour, found ${depth} bits a pixel. Save it with 8.`,
    );
  const area = width * height;
  const white = 2 ** depth - 1;
  if (options.transparency === "refuse" && alphaOf)
    for (let i = 0; i < area; i++)
      if (alphaOf(i) !== white)
        throw new DataError(
          `${where}: expected opaque pixels, found transparent ones. Put the picture on a background first.`,
        );
  const values = new Float32Array(channels * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < channels; c++) values[c * area + i] = at(i, c) / white;
  return float32(values, [channels, height, width]);
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Bits a channel. */
  readonly depth: number;
  /** 1 or 3, without transparency. */
  readonly channels: 1 | 3;
  /** The value of pixel i in channel c. */
  readonly at: (i: number, c: number) => number;
  /** The opacity of pixel i, where the file has one. */
  readonly alphaOf: ((i: number) => number) | undefined;
}

function pixelsOfPng(bytes: Uint8Array): Pixels {
  const image = decodePng(bytes, { checkCrc: true });
  const { width, height, palette, transparency } = image;
  const data = palette ? convertIndexedToRgb(image) : image.data;
  // A palette has colours of 8 bits, whatever the indices have; all its entries have an opacity, or none.
  const depth = palette ? 8 : image.depth;
  const channels = palette ? palette[0]!.length : image.channels;
  const isKey = (i: number) => transparency?.every((value, c) => data[i * channels + c] === value);
  const alphaOf = {
    channel: (i: number) => data[i * channels + channels - 1]!,
    key: (i: number) => (isKey(i) ? 0 : 2 ** depth - 1),
    none: undefined,
  };
  const opaque = transparency && !palette ? "key" : "none";
  return {
    width,
    height,
    depth,
    channels: channels >= 3 ? 3 : 1,
    at: (i, c) => data[i * channels + c]!,
    alphaOf: alphaOf[channels % 2 === 0 ? "channel" : opaque],
  };
}

function pixelsOfJpeg(bytes: Uint8Array): Pixels {
  // Tolerant decoding would fill what is missing of a file with grey. Pictures of cameras need more than its default memory.
  const picture = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxMemoryUsageInMB: 2048,
  });
  const { data } = picture;
  const { exifBuffer } = picture as { readonly exifBuffer?: Uint8Array }; // not in its types; begins with a byte of padding
  const orientation = exifBuffer ? orientationOf(exifBuffer.subarray(1)) : 1;
  const { width, height, stored } = oriented(orientation, [picture.height, picture.width]);
  const at = (i: number, c: number) => data[3 * stored(i) + c]!;
  return { width, height, depth: 8, channels: 3, at, alphaOf: undefined };
}
