/** The frame of a line chart: its size, scales, grid lines, ticks and titles. */
import { formatTick } from "../format.ts";
import { html } from "../html.ts";
import { logTicks, niceTicks } from "./ticks.ts";

export const WIDTH = 520;
export const HEIGHT = 300;
export const LEFT = 58;
export const BOTTOM = 46;

export type Interval = readonly [number, number];
/** From a value to a place in the picture. */
export type Scale = (value: number) => number;

export interface Axis {
  /** Shown at the axis, with the unit: "training time, hours". */
  readonly title: string;
  /** Logarithmic; values that are not positive become gaps. Default false. */
  readonly log?: boolean;
  /** Ticks at whole numbers only. Default false. */
  readonly integer?: boolean;
}

/** Grid lines, ticks and titles of both axes. */
export function axes(a: {
  x: Axis;
  y: Axis;
  xDomain: Interval;
  yDomain: Interval;
  px: Scale;
  py: Scale;
  right: number;
}): string {
  const yTicks = a.y.log ? logTicks(...a.yDomain) : niceTicks(...a.yDomain, 5, a.y.integer ? 1 : 0);
  const xTicks = a.x.log ? logTicks(...a.xDomain) : niceTicks(...a.xDomain, 6, a.x.integer ? 1 : 0);
  const floor = HEIGHT - BOTTOM;
  const rows = yTicks.map((tick) => {
    const at = round(a.py(tick));
    return `<path d="M${LEFT} ${at}H${round(a.right)}" stroke="var(--rule)"/><text x="${LEFT - 7}" y="${at + 4}" text-anchor="end" fill="var(--soft)">${formatTick(tick)}</text>`;
  });
  const columns = xTicks.map((tick) => {
    const at = round(a.px(tick));
    return `<path d="M${at} ${floor}v4" stroke="var(--soft)"/><text x="${at}" y="${floor + 18}" text-anchor="middle" fill="var(--soft)">${formatTick(tick)}</text>`;
  });
  const middle = round((LEFT + a.right) / 2);
  const titleY = html`${a.y.title}${a.y.log ? " (log scale)" : ""}`;
  return `${rows.join("")}${columns.join("")}
<text x="${middle}" y="${HEIGHT - 8}" text-anchor="middle" fill="var(--soft)">${html`${a.x.title}${a.x.log ? " (log scale)" : ""}`}</text>
<text transform="translate(12 ${round(floor / 2)}) rotate(-90)" text-anchor="middle" fill="var(--soft)">${titleY}</text>\n`;
}

/** The smallest interval that holds the values. */
export function extent(values: readonly number[]): Interval {
  return values.reduce<Interval>(([lo, hi], v) => [Math.min(lo, v), Math.max(hi, v)], [Infinity, -Infinity]);
}

/** An interval of one value gets some width. */
function widen([lo, hi]: Interval, log: boolean): Interval {
  if (lo !== hi) return [lo, hi];
  return log ? [lo / 1.5, hi * 1.5] : [lo - (Math.abs(lo) * 0.2 || 1), hi + (Math.abs(hi) * 0.2 || 1)];
}

/** Some air above and below; a linear axis near zero starts at zero. */
export function padded(interval: Interval, log: boolean): Interval {
  const [lo, hi] = widen(interval, log);
  if (log) return [lo / (hi / lo) ** 0.05, hi * (hi / lo) ** 0.05];
  const air = 0.06 * (hi - lo);
  return [lo >= 0 && lo < 0.4 * hi ? 0 : lo - air, hi + air];
}

/** Maps the interval [lo, hi] to [from, to]. */
export function scaleOf([lo, hi]: Interval, [from, to]: Interval, log: boolean): Scale {
  if (!log) return (v) => from + ((v - lo) / (hi - lo)) * (to - from);
  return (v) => from + (Math.log(v / lo) / Math.log(hi / lo)) * (to - from);
}

/** Tenths of a unit are fine enough for a picture. */
export const round = (v: number) => Math.round(v * 10) / 10;
