/** Signals [n, C, L] as line charts: curves, what was measured as dots, and bands of several samples. */
import { float32, type HostArray } from "../core/array.ts";
import type { Shape } from "../core/shape.ts";
import { drawInterval, drawMoments } from "../metrics/draws.ts";
import { lineChart, type Series } from "./charts/chart.ts";
import type { Markup } from "./html.ts";

/** Places of a curve that are drawn, at most; a chart is about as many pixels wide. */
const MOST_POINTS = 512;
/** Channels that are drawn, at most. */
export const MOST_CHANNELS = 3;
/** Share of the samples inside a band. */
export const BAND_LEVEL = 0.9;

/** True if latents or observations of that shape can be drawn as curves. */
export function isSignal(shape: Shape): boolean {
  return shape.length === 2 && shape.every((size) => size > 0);
}

/** Channels [C, L] of signal i of [n, C, L]. */
function signal(signals: HostArray<"float32">, i: number, channel: number): Float32Array {
  const [, C, L] = signals.shape as [number, number, number];
  return signals.data.subarray((i * C + channel) * L, (i * C + channel + 1) * L);
}

/** Channel c of signal i as a line. */
export function curve(name: string, signals: HostArray<"float32">, i: number, c: number): Series {
  const values = signal(signals, i, c);
  return { name, points: placesOf(values.length).map((place) => [place, values[place]]) };
}

/** What was measured of channel c of signal i, without what the mask [n, 1 or C, L] hides. */
export function measurements(
  observed: HostArray<"float32">,
  mask: HostArray<"float32"> | undefined,
  i: number,
  c: number,
): Series {
  const seen = mask && signal(mask, i, Math.min(c, mask.shape[1]! - 1));
  const values = signal(observed, i, c);
  const places = placesOf(values.length).filter((place) => !seen || seen[place]! > 0);
  return { name: "measured", isDots: true, points: places.map((place) => [place, values[place]]) };
}

/** The mean of samples [S, C, L], with a band that holds `BAND_LEVEL` of them at each place. */
export function bandOf(name: string, samples: HostArray<"float32">, c: number): Series {
  const draws = float32(samples.data, [1, ...samples.shape]);
  const { lo, hi } = drawInterval(draws, BAND_LEVEL);
  const mean = curve(name, drawMoments(draws).mean, 0, c);
  return withBand(mean, lo, hi, 0, c);
}

/** A line with a band between the signals lo and hi, each [n, C, L]. */
export function withBand(
  series: Series,
  lo: HostArray<"float32">,
  hi: HostArray<"float32">,
  i: number,
  c: number,
): Series {
  const [low, high] = [signal(lo, i, c), signal(hi, i, c)];
  return { ...series, band: series.points.map(([place]) => [place, low[place]!, high[place]!]) };
}

/** A chart of one channel. @param units of the values, if they are known */
export function signalChart(series: readonly Series[], channel: number, units?: string): Markup {
  const title = `channel ${channel}${units ? `, ${units}` : ""}`;
  return lineChart({ x: { title: "place", integer: true }, y: { title }, series });
}

/** The places that are drawn: all, or equally far apart. */
function placesOf(L: number): number[] {
  const every = Math.ceil(L / MOST_POINTS);
  return Array.from({ length: Math.ceil(L / every) }, (_, k) => k * every);
}
