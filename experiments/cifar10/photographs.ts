/**
 * Patches of real photographs in colour, for recipes that have no CIFAR-10 at hand: the panoramas of the npm package
 * `@pmndrs/assets`, by the photographers of Poly Haven, all under CC0 (see photographs.md).
 */

import { EXRLoader } from "three/addons/loaders/EXRLoader.js";
import { float32, type HostArray } from "../../src/core/array.ts";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";

/** Which patches to cut. */
export interface PatchOptions {
  /** How many, N. */
  readonly count: number;
  /** Pixels along each edge, from 2 to 64: of 16 each shows 11 degrees, of 32 each 22 degrees. */
  readonly side: number;
  /** Patch k depends on the seed, the split, the side and k alone. */
  readonly seed: number;
  /** Patches to learn from, or to hold out: from the other quarter of every panorama. */
  readonly split: "train" | "test";
}

/** The part of a panorama within 45 degrees of the horizon, where it is hardly distorted. */
export interface Photograph {
  readonly name: string;
  /** [3, 128, 512] in red, green, blue: bytes of sRGB, upright. */
  readonly pixels: HostArray<"uint8">;
  /** [128, 512]: false where the compression of the file rings, as around a sun. */
  readonly usable: Uint8Array;
}

/** The panoramas; studio and sky are left out, for the one is mostly black and the other a rendering. */
export const PHOTOGRAPHS = [
  "apartment",
  "bridge",
  "city",
  "dawn",
  "esplanade",
  "forest",
  "hall",
  "lab",
  "lobby",
  "night",
  "park",
  "sunrise",
  "sunset",
  "venice",
  "warehouse",
  "workshop",
] as const;

const PANORAMA = [256, 512] as const;
const HEIGHT = 128;
const WIDTH = 512;
/** Columns of each split. */
const COLUMNS = { train: [0, 384], test: [384, WIDTH] } as const;

/** Share of an exposed strip that is white, as in a photograph that exposes for the shadows. */
const WHITE = 0.05;
/** Light below nothing comes from the lossy file; where it is this dark, relative to white, the pixel shows ringing. */
const RINGING = -0.03;
/** Least contrast of a patch, in bytes: less is cloudless sky or an empty wall. */
const LEAST_CONTRAST = 10;
const MAX_TRIES = 1000;
/** 32-bit floats, as three.js counts types. */
const FLOAT = 1015;

/**
 * Patches of photographs, [N, 3, side, side] in red, green, blue, x = 4 u / 255 - 2 in [-2, 2] with u a byte.
 * Places are uniform over the photographs and, in each, over the columns of the split; patches that show hardly
 * anything or artefacts of compression are drawn again. It takes a few seconds, mostly to unpack the panoramas.
 * @throws ConfigError if an option is out of range, DataError if the package is missing or damaged
 */
export async function photographPatches(options: PatchOptions): Promise<HostArray<"float32">> {
  return cutPatches(await loadPhotographs(), options);
}

/** As `photographPatches`, of photographs that are loaded. */
export function cutPatches(photographs: readonly Photograph[], options: PatchOptions): HostArray<"float32"> {
  const { count, side, seed, split } = options;
  if (!Number.isInteger(count) || count < 1)
    throw new ConfigError(`photographPatches: count must be a whole number >= 1, got ${count}.`);
  if (!Number.isInteger(side) || side < 2 || side > HEIGHT / 2)
    throw new ConfigError(`photographPatches: side must be a whole number from 2 to 64, got ${side}.`);
  const rng = new Rng(seed).split("photographs", split, side);
  const patch = new Uint8Array(3 * side * side);
  const values = new Float32Array(count * patch.length);
  for (let k = 0; k < count; k++) {
    cutPatch(photographs, rng.split(k), options, patch);
    for (let i = 0; i < patch.length; i++) values[k * patch.length + i] = (patch[i]! * 4) / 255 - 2;
  }
  return float32(values, [count, 3, side, side]);
}

/** Draws places until one can be used, and copies it. */
function cutPatch(
  photographs: readonly Photograph[],
  rng: Rng,
  { side, split }: PatchOptions,
  patch: Uint8Array,
): void {
  const [left, right] = COLUMNS[split];
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const { pixels, usable } = photographs[rng.integer(photographs.length)]!;
    const top = rng.integer(HEIGHT - side + 1);
    const first = left + rng.integer(right - left - side + 1);
    let isUsable = true;
    for (let i = 0; i < patch.length; i++) {
      const at = (top + (Math.floor(i / side) % side)) * WIDTH + first + (i % side);
      patch[i] = pixels.data[Math.floor(i / (side * side)) * HEIGHT * WIDTH + at]!;
      isUsable &&= usable[at] === 1;
    }
    if (isUsable && contrast(patch) >= LEAST_CONTRAST) return;
  }
  throw new DataError(
    "photographPatches: expected patches that show something, found none. Run npm ci again.",
  );
}

/** Standard deviation of a patch's bytes around the means of their colours. */
function contrast(patch: Uint8Array): number {
  const area = patch.length / 3;
  let squares = 0;
  for (let c = 0; c < 3; c++) {
    const plane = patch.subarray(c * area, (c + 1) * area);
    const mean = plane.reduce((sum, value) => sum + value, 0) / area;
    squares += plane.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  }
  return Math.sqrt(squares / patch.length);
}

/** Photographs, exposed and as bytes of sRGB. @throws DataError if the package is missing or damaged */
export async function loadPhotographs(names: readonly string[] = PHOTOGRAPHS): Promise<Photograph[]> {
  const photographs: Photograph[] = [];
  for (const name of names) photographs.push(expose(name, await readPanorama(name)));
  return photographs;
}

/** Linear light of a panorama, [256, 512, 4], bottom row first. */
async function readPanorama(name: string): Promise<Float32Array> {
  try {
    const module = (await import(`@pmndrs/assets/hdri/${name}.exr.js`)) as { default: string };
    const bytes = Buffer.from(module.default.slice(module.default.indexOf(",") + 1), "base64");
    const { width, height, data } = new EXRLoader().setDataType(FLOAT).parse(new Uint8Array(bytes).buffer);
    if (height !== PANORAMA[0] || width !== PANORAMA[1])
      throw new Error(`expected 256 x 512, found ${height} x ${width}`);
    return data as Float32Array; // of type FLOAT
  } catch (cause) {
    throw new DataError(
      `photographs: expected the panorama ${name} of @pmndrs/assets, found ${(cause as Error).message}. Run npm ci again.`,
      { cause },
    );
  }
}

/**
 * The strip around the horizon as a photograph: light w is scaled so that a share WHITE of the values is at least 1,
 * and what is below follows the curve of sRGB (IEC 61966-2-1).
 */
function expose(name: string, light: Float32Array): Photograph {
  const area = HEIGHT * WIDTH;
  const margin = (PANORAMA[0] - HEIGHT) / 2;
  const strip = new Float32Array(3 * area);
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++)
      for (let c = 0; c < 3; c++)
        strip[c * area + y * WIDTH + x] = light[((PANORAMA[0] - 1 - margin - y) * WIDTH + x) * 4 + c]!;
  const white = strip.toSorted()[Math.floor((1 - WHITE) * strip.length)]!;
  const bytes = new Uint8Array(3 * area);
  const usable = new Uint8Array(area).fill(1);
  for (let i = 0; i < strip.length; i++) {
    const w = strip[i]! / white;
    if (!(w >= RINGING)) usable[i % area] = 0;
    const v = Math.min(Math.max(w, 0), 1);
    bytes[i] = Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
  }
  return { name, pixels: { dtype: "uint8", shape: [3, HEIGHT, WIDTH], data: bytes }, usable };
}
