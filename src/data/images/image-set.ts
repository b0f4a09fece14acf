import { closeSync } from "node:fs";
import { join } from "node:path";
import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { checksum } from "../../core/files.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { npyRows, toFloat32 } from "../arrays/array-rows.ts";
import { openNpy } from "../arrays/npy.ts";
import { fileNames } from "./folder-names.ts";
import { readImage } from "./image-file.ts";

/** Images on disk, read a few at a time. */
export interface ImageSet {
  /** [N, C, H, W] */
  readonly shape: Shape;
  /** Values of black and white if the file tells them: 0 and 255 for bytes. */
  readonly range: readonly [number, number] | undefined;
  /** Names of the images, if they are files of a folder. */
  readonly names: readonly string[] | undefined;
  /** Images [start, end) in the values of the file. @throws DataError if a file is damaged */
  readonly read: (start: number, end: number) => Promise<HostArray<"float32">>;
  /** SHA-256 of the content, as 64 hexadecimal digits. */
  readonly checksum: () => Promise<string>;
  /** Closes the file, if there is one. */
  readonly close: () => void;
}

const PNG_FILES = {
  extensions: ["png"],
  what: "PNG files",
  wanted: "a .npy file or a folder of PNG files",
} as const;

/** Colours that an image has: grey, colour; with transparency they would be 2 and 4. */
const CHANNELS: readonly number[] = [1, 3];

/**
 * Opens a .npy file [N, C, H, W] (or [N, H, W] of grey images), or a folder of PNG files. Files are in the natural order of their
 * names, 2 before 10.
 * @throws DataError if it is neither, or its axes stand in another order
 */
export async function openImages(path: string): Promise<ImageSet> {
  return path.endsWith(".npy") ? openArray(path) : await openFolder(path);
}

function openArray(path: string): ImageSet {
  const { descriptor, layout } = openNpy(path);
  closeSync(descriptor);
  const array = npyRows(path);
  try {
    const shape = imageShape(array.shape, path);
    return {
      shape,
      names: undefined,
      range: layout.type.name === "uint8" ? [0, 255] : undefined,
      read: async (start, end) => {
        const { data } = toFloat32(await array.read(start, end), path);
        return float32(data, [end - start, ...shape.slice(1)]);
      },
      checksum: () => checksum(path),
      close: array.close,
    };
  } catch (error) {
    array.close();
    throw error;
  }
}

/** [N, C, H, W] of an array's shape. @throws DataError naming the order of axes that it seems to have */
function imageShape(shape: Shape, where: string): Shape {
  const found = formatShape(shape);
  if (shape.length === 3) return [shape[0]!, 1, shape[1]!, shape[2]!];
  const [N, second, , last] = shape;
  if (shape.length === 4 && !CHANNELS.includes(second!) && [1, 3, 4].includes(last!))
    throw new DataError(
      `${where}: expected images [N, C, H, W], found ${found}, which looks like [N, H, W, C]. Move the channels: x.transpose(0, 3, 1, 2).`,
    );
  if (shape.length !== 4 || !N)
    throw new DataError(`${where}: expected images [N, C, H, W], found ${found}. Reshape the array.`);
  return shape;
}

async function openFolder(path: string): Promise<ImageSet> {
  const readPng = (file: string) => readImage(file, { transparency: "ignore" });
  const names = await fileNames(path, PNG_FILES);
  const first = await readPng(join(path, names[0]!));
  const shape = [names.length, ...first.shape];
  return {
    shape,
    names,
    range: [0, 1],
    async read(start, end) {
      const size = first.data.length;
      const data = new Float32Array((end - start) * size);
      for (let i = start; i < end; i++) {
        const file = join(path, names[i]!);
        const image = await readPng(file);
        if (formatShape(image.shape) !== formatShape(first.shape))
          throw new DataError(
            `${file}: expected ${formatShape(first.shape)} like ${names[0]}, found ${formatShape(image.shape)}. All images of a folder must have one size and colour.`,
          );
        data.set(image.data, (i - start) * size);
      }
      return float32(data, [end - start, ...first.shape]);
    },
    async checksum() {
      const sums: string[] = [];
      for (const name of names) sums.push(await checksum(join(path, name)));
      return await checksum(new TextEncoder().encode(sums.join()));
    },
    close: () => undefined,
  };
}
