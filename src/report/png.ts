/** Grids of images as PNG bytes. Gutters are transparent, so that a grid sits on a light and on a dark page. */
import { encode } from "fast-png";
import type { HostArray } from "../core/array.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";

/** Values that map to black and to white. */
export type Range = readonly [number, number];

export interface GridOptions {
  /** Values drawn black and white; beyond them is clipped. */
  readonly range: Range;
  /** Images in a row of the grid. Default: as many as there are. */
  readonly columns?: number;
  /** Pixels per pixel, by repetition. Default 1. */
  readonly scale?: number;
  /** Transparent pixels between images. Default 1. */
  readonly gutter?: number;
  /** [n, C or 1, H, W] or [n, H, W]: 0 where nothing was observed in any channel; drawn in UNOBSERVED. */
  readonly mask?: HostArray;
}

type Colour = readonly [number, number, number];

/** NaN and infinities: a colour that no grey or natural picture hides. */
export const NON_FINITE: Colour = [255, 0, 255];
/** Pixels without an observation: a muted blue that is neither black nor white. */
export const UNOBSERVED: Colour = [104, 128, 164];

/** Draws images [n, C, H, W] left to right, top to bottom. C = 3 is colour; else channel 0 is drawn in grey. */
export function imageGrid(images: HostArray<"float32">, options: GridOptions): Uint8Array {
  const { n, channels, height, width } = expectImages(images);
  const { range, scale = 1, gutter = 1, mask } = options;
  const columns = Math.min(options.columns ?? n, n);
  const gridWidth = columns * (width * scale + gutter) - gutter;
  const gridHeight = Math.ceil(n / columns) * (height * scale + gutter) - gutter;
  const rgba = new Uint8Array(gridWidth * gridHeight * 4);
  const colourOf = channels === 3 ? rgbAt(images, range) : greyAt(images, range);
  const observed = mask === undefined ? () => true : observedAt(mask, images);
  for (let i = 0; i < n; i++) {
    const left = (i % columns) * (width * scale + gutter);
    const top = Math.floor(i / columns) * (height * scale + gutter);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const pixel = Math.floor(y / scale) * width + Math.floor(x / scale);
        const colour = observed(i, pixel) ? colourOf(i, pixel) : UNOBSERVED;
        const at = 4 * ((top + y) * gridWidth + left + x);
        rgba.set(colour, at);
        rgba[at + 3] = 255;
      }
    }
  }
  return encodeRgba(rgba, gridWidth, gridHeight);
}

/** PNG bytes as an address that an `img` element can hold. */
export function dataUri(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

/** Encodes RGBA bytes; without colour only grey and alpha are stored, which halves the file. */
export function encodeRgba(rgba: Uint8Array, width: number, height: number): Uint8Array {
  const isGrey = (_: number, i: number) => rgba[4 * i] === rgba[4 * i + 1] && rgba[4 * i] === rgba[4 * i + 2];
  const grey = new Uint8Array(width * height).every(isGrey);
  const data = grey ? rgba.filter((_, i) => i % 4 === 0 || i % 4 === 3) : rgba;
  return encode({ width, height, data, depth: 8, channels: grey ? 2 : 4 }, { zlib: { level: 7 } });
}

function expectImages(images: HostArray) {
  const [n, channels, height, width] = images.shape;
  const fits = images.shape.length === 4 && images.shape.every((size) => size > 0);
  if (!fits || n === undefined || channels === undefined || height === undefined || width === undefined)
    throw new ShapeError(`imageGrid: images must be [n, C, H, W], none 0, got ${formatShape(images.shape)}.`);
  return { n, channels, height, width };
}

function greyAt(images: HostArray<"float32">, range: Range): (image: number, pixel: number) => Colour {
  const [, channels = 1, height = 1, width = 1] = images.shape;
  return (image, pixel) => {
    const value = images.data[image * channels * height * width + pixel]!;
    if (!Number.isFinite(value)) return NON_FINITE;
    const level = toByte(value, range);
    return [level, level, level];
  };
}

function rgbAt(images: HostArray<"float32">, range: Range): (image: number, pixel: number) => Colour {
  const [, , height = 1, width = 1] = images.shape;
  const plane = height * width;
  return (image, pixel) => {
    const at = 3 * image * plane + pixel;
    const values = [images.data[at]!, images.data[at + plane]!, images.data[at + 2 * plane]!] as const;
    if (!values.every(Number.isFinite)) return NON_FINITE;
    return [toByte(values[0], range), toByte(values[1], range), toByte(values[2], range)];
  };
}

/** Tells whether any channel of a pixel was observed. Masks may lack the channel axis. */
function observedAt(mask: HostArray, images: HostArray): (image: number, pixel: number) => boolean {
  const [n, , height = 1, width = 1] = images.shape;
  const [maskHeight, maskWidth] = mask.shape.slice(-2);
  const plane = height * width;
  if (mask.shape[0] !== n || maskHeight !== height || maskWidth !== width)
    throw new ShapeError(
      `imageGrid: mask must be [${n}, ..., ${height}, ${width}], got ${formatShape(mask.shape)}.`,
    );
  const channels = mask.shape.length === 4 ? mask.shape[1]! : 1;
  return (image, pixel) => {
    for (let c = 0; c < channels; c++)
      if (Number(mask.data[(image * channels + c) * plane + pixel]) !== 0) return true;
    return false;
  };
}

function toByte(value: number, [lo, hi]: Range): number {
  return Math.round(255 * Math.min(1, Math.max(0, (value - lo) / (hi - lo))));
}
