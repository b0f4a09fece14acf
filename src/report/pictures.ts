/** Film strips: one row of images for each stage, so that a column follows one image through the stages. */
import { float32, type HostArray, rows } from "../core/array.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { html, type Markup } from "./html.ts";
import { dataUri, imageGrid, type Range } from "./png.ts";

/** One row of a film. */
export interface Strip {
  readonly label: string;
  /** [n, C, H, W], [n, H, W], or volumes [n, C, D, H, W], of which the middle slice is drawn. */
  readonly images: HostArray<"float32">;
  readonly range: Range;
  readonly mask?: HostArray<"float32"> | undefined;
  /** Leaves some space below this row. */
  readonly breakAfter?: boolean;
}

/** Columns of a film; fewer if the images are so large that the page would exceed about 2 MB. */
const MAX_COLUMNS = 12;
/** Pixels before compression in one film, counting each colour. */
const FILM_BUDGET = 500_000;
const GRID_BUDGET = 250_000;
/** Larger images are drawn smaller; a cell of a film is about 80 pixels wide. */
const FILM_SIDE = 80;
const GRID_SIDE = 128;

/** Values of an array that suffice to tell its range. */
const MOST_VALUES = 50_000;

/** True if latents or observations of that shape can be drawn as images: images, and slices of volumes. */
export function isImage(shape: Shape): boolean {
  return shape.length >= 2 && shape.length <= 4 && shape.every((size) => size > 0);
}

/** Rows of images below each other, the same number in each. */
export function film(strips: readonly Strip[]): Markup {
  const small = strips.map((strip) => shrunk(strip, FILM_SIDE));
  const perColumn = small.reduce((sum, { images }) => sum + drawnSize(images.shape), 0);
  const most = Math.max(...small.map(({ images }) => images.shape[0]!));
  const columns = Math.min(most, MAX_COLUMNS, Math.max(3, Math.floor(FILM_BUDGET / perColumn)));
  const lines = small.map((strip) => {
    const n = Math.min(columns, strip.images.shape[0]!);
    const width = strip.images.shape.at(-1)!;
    const png = imageGrid(rows(strip.images, 0, n), {
      range: strip.range,
      gutter: Math.max(1, Math.round(width / 24)),
      ...(strip.mask && { mask: rows(strip.mask, 0, n) }),
    });
    const style = `width:${((100 * n) / columns).toFixed(2)}%`;
    return html`<tr class="${strip.breakAfter ? "break" : ""}"><th scope="row">${strip.label}</th><td><img style="${style}" alt="${strip.label}: ${n} images in a row" src="${dataUri(png)}"></td></tr>\n`;
  });
  return html`<div class="scroll"><table class="film" style="max-width:${104 + 90 * columns}px"><tbody>\n${lines}</tbody></table></div>`;
}

/**
 * Columns of images beside each other, the same number in each, so that a row follows one image. Images of fewer pixels
 * than the others are enlarged by repetition.
 */
export function sideBySide(strips: readonly Strip[], most = 6): Markup {
  const small = strips.map((strip) => shrunk(strip, GRID_SIDE));
  const tallest = Math.max(...small.map(({ images }) => images.shape[2]!));
  const cells = small.map(({ label, images, range, mask }) => {
    const n = Math.min(most, images.shape[0]!);
    const png = imageGrid(rows(images, 0, n), {
      range,
      columns: 1,
      scale: Math.max(1, Math.round(tallest / images.shape[2]!)),
      gutter: Math.max(1, Math.round(tallest / 24)),
      ...(mask && { mask: rows(mask, 0, n) }),
    });
    return html`<td><img alt="${label}: ${n} images below each other" src="${dataUri(png)}"></td>`;
  });
  const heads = small.map(({ label }) => html`<th scope="col">${label}</th>`);
  return html`<div class="scroll"><table class="beside" style="min-width:${84 * strips.length}px;max-width:${96 * strips.length}px">
<thead><tr>${heads}</tr></thead>
<tbody><tr>${cells}</tr></tbody>
</table></div>`;
}

/** Many images as one picture, at most `most` of them, in full rows. */
export function grid(
  images: HostArray<"float32">,
  range: Range,
  most = 60,
): { figure: Markup; shown: number } {
  const small = shrunk({ label: "", images, range }, GRID_SIDE).images;
  const room = Math.min(most, small.shape[0]!, Math.max(4, Math.floor(GRID_BUDGET / drawnSize(small.shape))));
  const columns = Math.min(MAX_COLUMNS, Math.ceil(room / 2));
  const shown = room - (room % columns);
  const width = small.shape.at(-1)!;
  const gutter = Math.max(1, Math.round(width / 24));
  const png = imageGrid(rows(small, 0, shown), { range, columns, gutter });
  const figure = html`<img style="width:100%;max-width:${columns * Math.max(88, width + gutter)}px" alt="${shown} images" src="${dataUri(png)}">`;
  return { figure, shown };
}

/** The given range, or the central 99 % of the values: what is drawn from black to white. */
export function rangeOf(
  given: Range | undefined,
  arrays: readonly (HostArray<"float32"> | undefined)[],
): Range {
  if (given !== undefined) return given;
  const values = arrays.flatMap((array) => {
    const every = Math.ceil((array?.data.length ?? 0) / MOST_VALUES);
    return array ? [...array.data.filter((v, i) => i % every === 0 && Number.isFinite(v))] : [];
  });
  const sorted = Float32Array.from(values).sort();
  const lo = sorted[Math.floor(0.005 * sorted.length)] ?? 0;
  const hi = sorted[Math.ceil(0.995 * sorted.length) - 1] ?? 1;
  return lo < hi ? [lo, hi] : [lo - 0.5, lo + 0.5];
}

/** Images with a channel axis, and no larger than `side`; a masked one is thinned, others are averaged. */
function shrunk(strip: Strip, side: number): Strip {
  const images = asImages(strip.images);
  const factor = Math.ceil(Math.max(...images.shape.slice(2)) / side);
  const mask = strip.mask && asImages(strip.mask);
  if (factor === 1) return { ...strip, images, mask };
  if (mask) return { ...strip, images: thin(images, factor), mask: thin(mask, factor) };
  return { ...strip, images: average(images, factor) };
}

/** Images with a channel axis; of volumes the middle slices. */
function asImages(array: HostArray<"float32">): HostArray<"float32"> {
  const [n, ...shape] = array.shape as [number, ...number[]];
  if (shape.length === 2) return { ...array, shape: [n, 1, ...shape] };
  if (shape.length === 3) return array;
  const [C, D, H, W] = shape as [number, number, number, number];
  const slices = float32(new Float32Array(n * C * H * W), [n, C, H, W]);
  for (let plane = 0; plane < n * C; plane++) {
    const from = (plane * D + (D >> 1)) * H * W;
    slices.data.set(array.data.subarray(from, from + H * W), plane * H * W);
  }
  return slices;
}

/** Bytes of one image before compression. */
function drawnSize([, channels, ...size]: Shape): number {
  return (channels === 3 ? 3 : 1) * sizeOf(size);
}

function average(images: HostArray<"float32">, factor: number): HostArray<"float32"> {
  return resample(images, factor, (read) => {
    let sum = 0;
    let members = 0;
    for (let dy = 0; dy < factor; dy++)
      for (let dx = 0; dx < factor; dx++) {
        const value = read(dy, dx);
        if (value === undefined) continue;
        sum += value;
        members += 1;
      }
    return sum / members;
  });
}

function thin(images: HostArray<"float32">, factor: number): HostArray<"float32"> {
  return resample(images, factor, (read) => read(0, 0)!);
}

/** Replaces blocks of factor x factor pixels by one value; blocks at the far edges may be smaller. */
function resample(
  images: HostArray<"float32">,
  factor: number,
  combine: (read: (dy: number, dx: number) => number | undefined) => number,
): HostArray<"float32"> {
  const [n = 0, channels = 1, height = 1, width = 1] = images.shape;
  const [newHeight, newWidth] = [Math.ceil(height / factor), Math.ceil(width / factor)];
  const data = new Float32Array(n * channels * newHeight * newWidth);
  for (let i = 0; i < data.length; i++) {
    const plane = Math.floor(i / (newHeight * newWidth));
    const y = factor * (Math.floor(i / newWidth) % newHeight);
    const x = factor * (i % newWidth);
    data[i] = combine((dy, dx) =>
      y + dy < height && x + dx < width ? images.data[(plane * height + y + dy) * width + x + dx] : undefined,
    );
  }
  return { dtype: "float32", shape: [n, channels, newHeight, newWidth], data };
}
