/** Pixels of JPEG files, by libjpeg-turbo compiled to WebAssembly, which Pillow uses too: the bytes are equal. */

import { createRequire } from "node:module";
import jpeg from "jpeg-js";
import { DataError } from "../../core/errors.ts";
import { loadWebAssembly } from "../wasm-memory.ts";
import { type JpegHeader, readJpegHeader } from "./jpeg-header.ts";
import { oriented } from "./orientation.ts";
import type { Pixels } from "./pixels.ts";

/** What of the package is used. */
interface Turbo {
  readonly JPEGDecoder: new () => {
    /** Room for the file. */
    getEncodedBuffer(length: number): Uint8Array;
    decode(): void;
    /** Red, green and blue, or grey. A view of memory that `delete` frees. */
    getDecodedBuffer(): Uint8Array;
    delete(): void;
  };
}

// The package is CommonJS without types.
const loadTurbo = createRequire(import.meta.url)("@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs") as (
  options: object,
) => Promise<Turbo>;
let turbo: Promise<Turbo> | undefined;

/**
 * A picture of grey or colour, the way up that its camera says. Four inks become colours without a profile, as in Pillow.
 * @throws DataError if the file is damaged or of a kind that cannot be read right
 */
export async function pixelsOfJpeg(bytes: Uint8Array, where: string): Promise<Pixels> {
  const header = readJpegHeader(bytes, where);
  const { orientation, channels: stored } = header;
  const channels = stored === 1 ? 1 : 3;
  const data = stored === 4 ? colourOfInks(bytes, where) : await decode(bytes, header, channels, where);
  const { width, height, stored: index } = oriented(orientation, [header.height, header.width]);
  const at = (i: number, c: number) => data[channels * index(i) + c]!;
  return { width, height, white: 255, channels, at, alphaOf: undefined };
}

async function decode(
  bytes: Uint8Array,
  { height, width }: JpegHeader,
  channels: number,
  where: string,
): Promise<Uint8Array> {
  turbo ??= loadWebAssembly("JPEG", () => loadTurbo({ printErr: () => undefined }));
  const { JPEGDecoder } = await turbo;
  try {
    const decoder = new JPEGDecoder();
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const data = decoder.getDecodedBuffer().slice();
    decoder.delete();
    if (data.length === height * width * channels) return data;
  } catch {
    // What it throws are addresses in its memory, and what it had allocated stays there: begin with a new one.
    turbo = undefined;
  }
  throw damaged(where);
}

/** Cyan, magenta, yellow and black as red, green and blue, which this build of libjpeg-turbo does not convert. */
function colourOfInks(bytes: Uint8Array, where: string): Uint8Array {
  try {
    // Tolerant decoding would fill what is missing of a file with grey. Its default of memory is for smaller pictures.
    return jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxMemoryUsageInMB: 2048,
    }).data;
  } catch (cause) {
    throw damaged(where, cause);
  }
}

function damaged(where: string, cause?: unknown): DataError {
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return new DataError(
    `${where}: expected a JPEG image of grey or colour, found a damaged file${why}. Replace it.`,
    { cause },
  );
}
