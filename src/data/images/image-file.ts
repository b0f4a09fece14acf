/** Pictures as files know them: PNG and JPEG. */

import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { pixelsOfJpeg } from "./jpeg.ts";
import { pixelsOfPng } from "./png.ts";

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
export async function decodeImage(
  bytes: Uint8Array,
  where: string,
  options: ImageOptions,
): Promise<HostArray<"float32">> {
  const starts = (...magic: number[]) => magic.every((byte, i) => bytes[i] === byte);
  const decode = [
    { magic: [0x89, 0x50], pixels: pixelsOfPng },
    { magic: [0xff, 0xd8], pixels: pixelsOfJpeg },
  ].find(({ magic }) => starts(...magic))?.pixels;
  if (decode === undefined)
    throw new DataError(`${where}: expected a PNG or JPEG image, found other bytes. Convert the picture.`);
  const { width, height, white, alphaOf, channels, at } = await decode(bytes, where);
  const area = width * height;
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
