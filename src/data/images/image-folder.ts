/** Turns a folder of pictures of any sizes into one array [N, C, h, w]. */

import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { float32, type HostArray, toBytes } from "../../core/array.ts";
import { AbortedError, DataError, isErrorOf } from "../../core/errors.ts";
import {
  makeFolder,
  releaseTemporary,
  temporaryBeside,
  writeFailure,
  writeFileAtomic,
} from "../../core/files.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { encodeNpyHeader } from "../arrays/npy.ts";
import { fileNames } from "./folder-names.ts";
import { readImage } from "./image-file.ts";
import { resizeArea } from "./resize-area.ts";

/** Options of `writeImageFolder`. */
export interface ImageFolderOptions {
  /** [h, w] of the images: pictures are cut to that shape around their centre, then averaged over areas. */
  readonly size: readonly [number, number];
  /** Whether to make one channel of luminance. Otherwise grey pictures get three equal channels. Default false. */
  readonly grey?: boolean;
  /** What to do with a file that cannot be used. Default "refuse". */
  readonly onBad?: "skip" | "refuse";
  /** Called with the number of files done, and of all files. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops the work; nothing is left then. */
  readonly signal?: AbortSignal | undefined;
}

/** What `writeImageFolder` wrote. */
export interface ImageFolder {
  /** [N, C, h, w] */
  readonly shape: Shape;
  /** The files of the N images, by their paths below the folder. */
  readonly files: readonly string[];
  /** The files that were left out, and why. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

const PICTURES = {
  extensions: ["png", "jpg", "jpeg"],
  recursive: true,
  what: "PNG or JPEG files",
  wanted: "a folder of pictures",
} as const;

/** Luminance of red, green and blue as JPEG has it (ITU-R BT.601). */
const LUMINANCE = [0.299, 0.587, 0.114] as const;

/**
 * Writes the PNG and JPEG files in a folder and below it as a .npy file [N, C, h, w], in the natural order of their names,
 *   x = 4 u - 2 in [-2, 2],  u from black 0 to white 1, channels red, green, blue.
 * A picture that is smaller than the size, or not opaque, is bad.
 * @param out the .npy file; its folder is made if it is missing
 * @throws DataError for the first bad file if `onBad` is "refuse", or if nothing usable is left
 */
export async function writeImageFolder(
  folder: string,
  out: string,
  options: ImageFolderOptions,
): Promise<ImageFolder> {
  const names = await fileNames(folder, PICTURES);
  await makeFolder(dirname(out));
  const files: string[] = [];
  const skipped: { path: string; reason: string }[] = [];
  const rows = temporaryBeside(out); // how many rows there will be is known at the end
  try {
    const file = await open(rows, "wx");
    try {
      for (const [k, name] of names.entries()) {
        if (options.signal?.aborted) throw new AbortedError(`${folder}: the import was stopped.`);
        const path = join(folder, name);
        try {
          await file.writeFile(toBytes(await readLatent(path, options)));
          files.push(name);
        } catch (error) {
          if (options.onBad !== "skip" || !isErrorOf(error, "DataError")) throw error;
          skipped.push({ path, reason: (error as DataError).message });
        }
        options.onProgress?.(k + 1, names.length);
      }
    } finally {
      await file.close();
    }
    if (files.length === 0)
      throw new DataError(
        `${folder}: expected usable pictures, found none in ${names.length} files. ${skipped[0]!.reason}`,
      );
    const shape = [files.length, options.grey ? 1 : 3, ...options.size];
    await writeFileAtomic(out, whole(encodeNpyHeader(shape, "float32"), rows));
    return { shape, files, skipped };
  } catch (error) {
    throw writeFailure(out, error);
  } finally {
    await rm(rows, { force: true });
    releaseTemporary(rows);
  }
}

async function* whole(header: Uint8Array, rows: string): AsyncGenerator<Uint8Array> {
  yield header;
  yield* createReadStream(rows, { highWaterMark: 1 << 20 });
}

/** A picture as [1 or 3, h, w] in [-2, 2]. */
async function readLatent(
  path: string,
  { size, grey = false }: ImageFolderOptions,
): Promise<HostArray<"float32">> {
  const image = await readImage(path, { transparency: "refuse" });
  const [, H, W] = image.shape as [number, number, number];
  if (H < size[0] || W < size[1])
    throw new DataError(
      `${path}: expected at least ${formatShape(size)} pixels, found ${formatShape([H, W])}. Choose a smaller size, or skip the file.`,
    );
  const { data, shape } = resizeArea(image, size);
  const [C, h, w] = shape as [number, number, number];
  const area = h * w;
  const value = (i: number, c: number) => data[C === 3 ? c * area + i : i]!;
  const channels = grey ? 1 : 3;
  const x = new Float32Array(channels * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < channels; c++)
      x[c * area + i] =
        4 * (grey ? LUMINANCE.reduce((sum, share, k) => sum + share * value(i, k), 0) : value(i, c)) - 2;
  return float32(x, [channels, h, w]);
}
