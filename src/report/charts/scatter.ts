/** Corner plots: all 2-d marginals of samples of a few numbers each, as heat maps or as points. */
import type { HostArray } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { formatTick } from "../format.ts";
import { html, type Markup, trusted } from "../html.ts";
import { dataUri, encodeRgba, type Range } from "../png.ts";
import { niceTicks } from "./ticks.ts";

/** Axes beyond these are not drawn. */
export const MAX_AXES = 5;
/** Fewer samples than this are drawn as points, more as a histogram. */
const MIN_FOR_HISTOGRAM = 400;
const CELL = 86;
const GAP = 7;
/** Room for the name of an axis and a number such as 28,000 or 4.5e-17 beside it. */
const MARGIN = 72;
/** Width of a character of the ticks, about. */
const CHARACTER = 6.2;
/** Ink of the samples and of the truth: `--series-0` and `--series-1` of the light page, legible on both. */
const INKS = [
  { rgb: [46, 134, 193], css: "var(--series-0)" },
  { rgb: [224, 112, 32], css: "var(--series-1)" },
] as const;

export interface CornerOptions {
  /** Drawn mirrored in the upper triangle, and as a second line on the diagonal. */
  readonly truth?: HostArray<"float32"> | undefined;
  /** One for each axis; default: the central 99 % of the samples and the truth, with some air. */
  readonly ranges?: readonly Range[];
}

/** Samples [n, D]: below the diagonal axis j against axis i, on it the density of each axis, above it the truth. */
export function cornerPlot(samples: HostArray<"float32">, options: CornerOptions = {}): Markup {
  const sets = [columnsOf(samples), ...(options.truth ? [columnsOf(options.truth)] : [])];
  const axes = sets[0]!.length;
  const ranges = options.ranges ?? cornerRanges([samples, ...(options.truth ? [options.truth] : [])]);
  const parts: string[] = [];
  for (let row = 0; row < axes; row++)
    for (let column = 0; column < axes; column++) {
      const set = column > row ? 1 : 0;
      if (set >= sets.length) continue;
      const left = MARGIN + column * (CELL + GAP);
      const top = row * (CELL + GAP);
      const content =
        row === column
          ? sets.map((columns, s) => density(columns[row]!, ranges[row]!, INKS[s]!.css)).join("")
          : marginal(sets[set]!, column, row, ranges, INKS[set]!);
      parts.push(`<g transform="translate(${left} ${top})">${frame()}${content}</g>\n`);
    }
  for (let axis = 0; axis < axes; axis++) parts.push(labels(axis, axes, ranges[axis]!));
  const size = MARGIN + axes * (CELL + GAP);
  const label = `Corner plot of ${samples.shape[0]} samples, ${axes} axes`;
  return trusted(
    `<svg viewBox="0 0 ${size} ${size - GAP - MARGIN + 38}" width="${size}" role="img" aria-label="${label}" font-size="11" fill="var(--ink)">\n${parts.join("")}</svg>`,
  );
}

/** Ranges of the first axes that hold the central 99 % of all sets, so that several plots compare. */
export function cornerRanges(sets: readonly HostArray<"float32">[]): Range[] {
  const all = sets.map(columnsOf);
  return all[0]!.map((_, axis) => {
    const values = Float64Array.from(all.flatMap((columns) => columns[axis] ?? [])).sort();
    const lo = values[Math.floor(0.005 * values.length)] ?? 0;
    const hi = values[Math.ceil(0.995 * values.length) - 1] ?? 1;
    const air = 0.06 * (hi - lo) || 1;
    return [lo - air, hi + air];
  });
}

/** The finite rows of [n, D], one list for each of the first axes. */
function columnsOf(samples: HostArray<"float32">): number[][] {
  const [n, D] = samples.shape;
  if (samples.shape.length !== 2 || n === undefined || D === undefined)
    throw new ShapeError(`cornerPlot: samples must be [n, D], got ${formatShape(samples.shape)}.`);
  const columns: number[][] = Array.from({ length: Math.min(D, MAX_AXES) }, () => []);
  for (let i = 0; i < n; i++) {
    const row = samples.data.subarray(i * D, (i + 1) * D);
    if (row.every(Number.isFinite)) columns.forEach((column, axis) => void column.push(row[axis]!));
  }
  return columns;
}

function marginal(
  columns: readonly number[][],
  x: number,
  y: number,
  ranges: readonly Range[],
  ink: (typeof INKS)[number],
): string {
  const n = columns[x]!.length;
  const at = (axis: number, i: number) => {
    const [lo, hi] = ranges[axis]!;
    return (columns[axis]![i]! - lo) / (hi - lo);
  };
  if (n >= MIN_FOR_HISTOGRAM) {
    const bins = Math.max(16, Math.min(40, Math.round(Math.sqrt(n) / 2)));
    const counts = new Float64Array(bins * bins);
    for (let i = 0; i < n; i++) {
      const column = Math.floor(at(x, i) * bins);
      const row = bins - 1 - Math.floor(at(y, i) * bins);
      if (column >= 0 && column < bins && row >= 0 && row < bins) counts[row * bins + column]! += 1;
    }
    return heatMap(counts, bins, ink.rgb);
  }
  const dots: string[] = [];
  for (let i = 0; i < n; i++) {
    const [u, v] = [at(x, i), 1 - at(y, i)];
    if (u >= 0 && u <= 1 && v >= 0 && v <= 1)
      dots.push(`M${(u * CELL).toFixed(1)} ${(v * CELL).toFixed(1)}h0`);
  }
  return `<path d="${dots.join("")}" stroke="${ink.css}" stroke-width="2.6" stroke-linecap="round" opacity=".65"/>`;
}

/** Counts as opacity; the square root lets thin regions be seen. */
function heatMap(counts: Float64Array, bins: number, rgb: readonly number[]): string {
  const peak = Math.max(1, ...counts);
  const rgba = new Uint8Array(4 * counts.length);
  counts.forEach((value, i) => {
    rgba.set([...rgb, Math.round(255 * Math.sqrt(value / peak))], 4 * i);
  });
  const href = dataUri(encodeRgba(rgba, bins, bins));
  return `<image width="${CELL}" height="${CELL}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${href}"/>`;
}

/** The histogram of one axis as a line, its highest bin at the top. */
function density(values: readonly number[], [lo, hi]: Range, css: string): string {
  const bins = Math.max(8, Math.min(40, Math.round(Math.sqrt(values.length))));
  const counts = new Float64Array(bins);
  for (const value of values) {
    const bin = Math.floor(((value - lo) / (hi - lo)) * bins);
    if (bin >= 0 && bin < bins) counts[bin]! += 1;
  }
  const peak = Math.max(1, ...counts);
  const width = CELL / bins;
  const steps = Array.from(counts, (value) => {
    return `V${(CELL - (0.92 * CELL * value) / peak).toFixed(1)}h${width.toFixed(3)}`;
  });
  return `<path d="M0 ${CELL}${steps.join("")}V${CELL}" fill="none" stroke="${css}" stroke-width="1.5"/>`;
}

function frame(): string {
  return `<rect width="${CELL}" height="${CELL}" fill="none" stroke="var(--rule)"/>`;
}

/** Ticks below the last row and left of the first column, and the names x0, x1, ... of the axes. */
function labels(axis: number, axes: number, [lo, hi]: Range): string {
  const start = axis * (CELL + GAP);
  const bottom = axes * (CELL + GAP) - GAP;
  const place = (tick: number) => ((tick - lo) / (hi - lo)) * CELL;
  const inside = niceTicks(lo, hi, 3).filter((tick) => place(tick) > 8 && place(tick) < CELL - 8);
  const readable = new Set(apart(inside, place));
  const ticks = inside.map((tick) => {
    const at = place(tick);
    const below = !readable.has(tick)
      ? ""
      : `<text x="${(MARGIN + start + at).toFixed(1)}" y="${bottom + 14}" text-anchor="middle">${formatTick(tick)}</text>`;
    const beside = `<text x="${MARGIN - 5}" y="${(start + CELL - at + 4).toFixed(1)}" text-anchor="end">${formatTick(tick)}</text>`;
    return axis === 0 ? below : below + beside;
  });
  const name = html`x<tspan dy="3" font-size="9">${axis + 1}</tspan>`;
  const below = `<text x="${MARGIN + start + CELL / 2}" y="${bottom + 31}" text-anchor="middle" font-size="13">${name}</text>`;
  const beside = `<text x="8" y="${start + CELL / 2 + 4}" font-size="13">${name}</text>`;
  return `<g fill="var(--soft)">${ticks.join("")}${below}${axis === 0 ? "" : beside}</g>\n`;
}

/** The ticks whose labels, side by side, do not run into the one before. */
function apart(ticks: readonly number[], place: (tick: number) => number): number[] {
  let end = Number.NEGATIVE_INFINITY;
  return ticks.filter((tick) => {
    const half = (CHARACTER * formatTick(tick).length) / 2;
    if (place(tick) - half < end + CHARACTER) return false;
    end = place(tick) + half;
    return true;
  });
}
