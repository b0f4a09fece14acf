/** Pixels of PNG files: every colour type, depth and interlacing, as they are stored; gamma and profiles are not applied. */

import { crc32, inflateSync } from "node:zlib";
import { DataError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { orientationOf, oriented } from "./orientation.ts";
import { type Pixels, requireBearable } from "./pixels.ts";
import { type PngLayout, rowsSize, samplesOf } from "./png-rows.ts";

/** Samples of a pixel and depths, by colour type. */
const COLOUR_TYPES: Readonly<
  Record<number, { readonly samples: number; readonly depths: readonly number[] }>
> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};
const INDEXED = 3;
const SIGNATURE_BYTES = 8;
/** Critical chunks, which a reader must know. */
const CRITICAL = ["IHDR", "PLTE", "IDAT", "IEND"];

/** What the chunks of a file hold. */
interface PngFile {
  readonly layout: PngLayout;
  readonly colourType: number;
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
  readonly exif: Uint8Array | undefined;
  readonly compressed: Uint8Array;
}

/** A picture the way up that its EXIF data say. @throws DataError if the file is damaged or declares another size than it holds */
export function pixelsOfPng(bytes: Uint8Array, where: string): Pixels {
  const file = parse(bytes, where);
  const { layout, exif } = file;
  const samples = decompress(file, where);
  const { width, height, stored } = oriented(exif ? orientationOf(exif) : 1, [layout.height, layout.width]);
  const { at, alphaOf, ...rest } =
    file.colourType === INDEXED ? indexed(file, samples, where) : direct(file, samples);
  return {
    ...rest,
    width,
    height,
    at: (i, c) => at(stored(i), c),
    alphaOf: alphaOf && ((i) => alphaOf(stored(i))),
  };
}

type Colours = Omit<Pixels, "width" | "height">;

/** Grey or colour, with opacity behind it or one colour that is transparent. A palette is a mere suggestion here. */
function direct({ layout: { samples, depth }, transparency }: PngFile, data: ArrayLike<number>): Colours {
  const channels = samples >= 3 ? 3 : 1;
  const white = 2 ** depth - 1;
  const at = (i: number, c: number) => data[samples * i + c]!;
  if (samples > channels) return { white, channels, at, alphaOf: (i) => at(i, channels) };
  if (!transparency) return { white, channels, at, alphaOf: undefined };
  const key = Array.from(
    { length: channels },
    (_, c) => (transparency[2 * c]! << 8) | transparency[2 * c + 1]!,
  );
  return { white, channels, at, alphaOf: (i) => (key.every((value, c) => at(i, c) === value) ? 0 : white) };
}

/** Colours of a palette, which have 8 bits whatever the indices have. */
function indexed({ palette, transparency }: PngFile, data: ArrayLike<number>, where: string): Colours {
  if (!palette) throw damaged(where, "no palette");
  const count = palette.length / 3;
  for (let i = 0; i < data.length; i++)
    if (data[i]! >= count) throw damaged(where, `colour ${data[i]} of a palette of ${count}`);
  return {
    white: 255,
    channels: 3,
    at: (i, c) => palette[3 * data[i]! + c]!,
    alphaOf: transparency && ((i) => transparency[data[i]!] ?? 255),
  };
}

function parse(bytes: Uint8Array, where: string): PngFile {
  const found = new Map<string, Uint8Array[]>();
  for (const { type, content } of chunks(bytes, where)) {
    const isCritical = type[0] === type[0]?.toUpperCase();
    if (isCritical && !CRITICAL.includes(type)) throw damaged(where, `an unknown chunk ${type}`);
    found.set(type, [...(type === "IDAT" ? (found.get(type) ?? []) : []), content]);
  }
  const one = (type: string) => found.get(type)?.[0];
  const header = one("IHDR");
  if (header?.length !== 13 || !found.has("IDAT")) throw damaged(where, "no header or no pixels");
  const { colourType, layout } = parseHeader(header, where);
  const [palette, transparency] = [one("PLTE"), one("tRNS")];
  const keyBytes = colourType === INDEXED ? 0 : 2 * layout.samples;
  if (palette && palette.length % 3 !== 0) throw damaged(where, "part of a colour in the palette");
  if (transparency && transparency.length < keyBytes && layout.samples % 2 === 1)
    throw damaged(where, "part of a transparent colour");
  return {
    layout,
    colourType,
    palette,
    transparency,
    exif: one("eXIf"),
    compressed: Buffer.concat(found.get("IDAT")!),
  };
}

function parseHeader(header: Uint8Array, where: string): Pick<PngFile, "colourType" | "layout"> {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colourType, compression, filter, interlacing] = header.subarray(8) as unknown as number[];
  const type = COLOUR_TYPES[colourType!];
  if (!type?.depths.includes(depth!) || compression !== 0 || filter !== 0 || interlacing! > 1)
    throw damaged(where, `colour type ${colourType} of ${depth} bits, interlacing ${interlacing}`);
  requireBearable(height, width, where);
  const layout = { width, height, depth: depth!, samples: type.samples, isInterlaced: interlacing === 1 };
  return { colourType: colourType!, layout };
}

/** All chunks of a file. @throws DataError if one is cut off or not what was written */
function* chunks(bytes: Uint8Array, where: string): Generator<{ type: string; content: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = SIGNATURE_BYTES;
  let type = "";
  while (type !== "IEND") {
    const length = at + 12 <= bytes.length ? view.getUint32(at) : Number.POSITIVE_INFINITY;
    if (at + 12 + length > bytes.length) throw damaged(where, "its end is missing");
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw damaged(where, `the checksum of ${type} differs`);
    yield { type, content: bytes.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
}

function decompress({ layout, compressed }: PngFile, where: string): Uint8Array | Uint16Array {
  const size = rowsSize(layout);
  let rows: Uint8Array;
  try {
    rows = inflateSync(compressed, { maxOutputLength: size });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
      throw damaged(where, `more data than its ${formatShape([layout.height, layout.width])} pixels have`);
    throw damaged(where, (cause as Error).message);
  }
  if (rows.length < size) throw damaged(where, "less data than its pixels have");
  try {
    return samplesOf(rows, layout);
  } catch (cause) {
    throw damaged(where, (cause as Error).message);
  }
}

function damaged(where: string, why: string): DataError {
  return new DataError(
    `${where}: expected a PNG image of grey or colour, found a damaged file (${why}). Replace it.`,
  );
}
