/** Line charts as SVG: every value is in the picture, hovering a point shows it, and no script is needed. */
import { capitalize, formatNumber, formatTick } from "./format.ts";
import { html, type Markup, trusted } from "./html.ts";
import { SERIES_COLOURS } from "./style.ts";
import { logTicks, niceTicks } from "./ticks.ts";

/** [x, y]; a missing or non-finite y leaves a gap in the line. */
export type Point = readonly [x: number, y: number | null | undefined];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** [x, lo, hi]: a shaded band, such as an interval of repeated runs. */
  readonly band?: readonly (readonly [x: number, lo: number, hi: number])[];
}

export interface Axis {
  /** Shown at the axis, with the unit: "training time, hours". */
  readonly title: string;
  /** Logarithmic; values that are not positive become gaps. Default false. */
  readonly log?: boolean;
  /** Ticks at whole numbers only. Default false. */
  readonly integer?: boolean;
}

export interface ChartOptions {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A horizontal line to compare with. */
  readonly reference?: { readonly y: number; readonly label: string };
}

const WIDTH = 520;
const HEIGHT = 300;
const LEFT = 58;
const BOTTOM = 46;
/** Up to this many points of a series get a dot each. */
const MAX_DOTS = 40;

type Scale = (value: number) => number;

/** The chart, as wide as its container. Series without any finite value are named in the legend only. */
export function lineChart({ x, y, series, reference }: ChartOptions): Markup {
  const usable = (v: number | null | undefined): v is number =>
    typeof v === "number" && Number.isFinite(v) && (!y.log || v > 0);
  const all = series.flatMap((s) => s.points);
  const xs = all.map(([at]) => at).filter(Number.isFinite);
  const bands = series.flatMap((s) => s.band ?? []).flatMap(([, lo, hi]) => [lo, hi]);
  const ys = [...all.map(([, v]) => v), ...bands, reference?.y].filter(usable);
  if (xs.length === 0 || !all.some(([, v]) => usable(v))) return html`<p class="soft">No values yet.</p>`;

  const top = series.length > 1 ? 12 + 20 * legendRows(series).length : 12;
  const ends = series.map((s) => s.points.filter(([, v]) => usable(v)).at(-1));
  const endTexts = ends.map((end) => formatNumber(end?.[1]));
  const right = WIDTH - 14 - 7.5 * Math.max(...endTexts.map((text) => text.length));
  const [firstX, lastX] = extent(xs);
  const xDomain: Interval = firstX < lastX ? [firstX, lastX] : [firstX - 0.5, lastX + 0.5];
  const yDomain = padded(extent(ys), y.log ?? false);
  const px = scaleOf(xDomain, [LEFT, right], false);
  const py = scaleOf(yDomain, [HEIGHT - BOTTOM, top], y.log ?? false);

  const parts = [
    axes({ x, y, xDomain, yDomain, px, py, right }),
    reference && usable(reference.y) ? referenceLine(reference, py, right) : "",
    ...series.map((s, i) => (s.band ? bandPath(s.band, i, px, py) : "")),
    ...series.map((s, i) => linePath(s, i, px, py, usable)),
    ...endLabels(ends, endTexts, px, py, top),
    series.length > 1 ? legend(series) : "",
  ];
  const label = html`${capitalize(y.title)} against ${x.title}: ${series.map((s) => s.name).join(", ")}`;
  return trusted(
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH * 1.3}" role="img" aria-label="${label}" font-size="12.5" fill="var(--ink)">\n${parts.join("")}</svg>`,
  );
}

function axes(a: {
  x: Axis;
  y: Axis;
  xDomain: Interval;
  yDomain: Interval;
  px: Scale;
  py: Scale;
  right: number;
}): string {
  const yTicks = a.y.log ? logTicks(...a.yDomain) : niceTicks(...a.yDomain, 5, a.y.integer ? 1 : 0);
  const xTicks = niceTicks(...a.xDomain, 6, a.x.integer ? 1 : 0);
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
<text x="${middle}" y="${HEIGHT - 8}" text-anchor="middle" fill="var(--soft)">${html`${a.x.title}`}</text>
<text transform="translate(12 ${round(floor / 2)}) rotate(-90)" text-anchor="middle" fill="var(--soft)">${titleY}</text>\n`;
}

function referenceLine(reference: { y: number; label: string }, py: Scale, right: number): string {
  const at = round(py(reference.y));
  return `<path d="M${LEFT} ${at}H${round(right)}" stroke="var(--soft)" stroke-dasharray="2 3"/><text x="${LEFT + 6}" y="${at - 5}" fill="var(--soft)">${html`${reference.label}`}</text>\n`;
}

function bandPath(band: NonNullable<Series["band"]>, index: number, px: Scale, py: Scale): string {
  const finite = band.filter((row) => row.every((v) => Number.isFinite(v) && Number.isFinite(py(row[1]))));
  if (finite.length === 0) return "";
  const upper = finite.map(([x, , hi]) => `${round(px(x))} ${round(py(hi))}`);
  const lower = finite.map(([x, lo]) => `${round(px(x))} ${round(py(lo))}`).reverse();
  return `<path class="band" d="M${[...upper, ...lower].join("L")}Z" fill="${colour(index)}" opacity=".16"/>\n`;
}

function linePath(
  series: Series,
  index: number,
  px: Scale,
  py: Scale,
  usable: (v: number | null | undefined) => v is number,
): string {
  let d = "";
  let pen = "M";
  const dots: string[] = [];
  for (const [x, y] of series.points) {
    if (!usable(y)) {
      pen = "M";
      continue;
    }
    const [cx, cy] = [round(px(x)), round(py(y))];
    d += `${pen}${cx} ${cy}`;
    pen = "L";
    const title = html`${series.name}, ${formatTick(x)}: ${formatNumber(y)}`;
    dots.push(
      `<circle cx="${cx}" cy="${cy}" r="2.6" fill="${colour(index)}"><title>${title}</title></circle>`,
    );
  }
  const dash = dashOf(index);
  const line = `<path class="line" d="${d}" fill="none" stroke="${colour(index)}" stroke-width="2" stroke-linejoin="round"${dash}/>`;
  return `${line}${dots.length <= MAX_DOTS ? dots.join("") : ""}\n`;
}

/** The last value of each series beside its end, moved apart where they would overlap. */
function endLabels(
  ends: readonly (Point | undefined)[],
  texts: readonly string[],
  px: Scale,
  py: Scale,
  top: number,
): string[] {
  const labels = ends
    .map((end, index) => ({ end, index }))
    .filter((label): label is { end: Point; index: number } => label.end !== undefined)
    .map(({ end, index }) => ({ index, x: px(end[0]) + 8, y: py(end[1]!) + 4 }))
    .sort((a, b) => a.y - b.y);
  labels.forEach((label, i) => {
    label.y = Math.max(label.y, i === 0 ? top : labels[i - 1]!.y + 14);
  });
  let ceiling = HEIGHT - BOTTOM + 4;
  for (const label of [...labels].reverse()) {
    label.y = Math.min(label.y, ceiling);
    ceiling = label.y - 14;
  }
  return labels.map(
    ({ index, x, y }) =>
      `<text x="${round(x)}" y="${round(y)}" fill="${colour(index)}" font-weight="600">${texts[index]}</text>\n`,
  );
}

function legend(series: readonly Series[]): string {
  return legendRows(series)
    .flatMap((row, r) =>
      row.map(({ index, x }) => {
        const y = 14 + 20 * r;
        const swatch = `<path d="M${x} ${y - 4}h18" stroke="${colour(index)}" stroke-width="3"${dashOf(index)}/>`;
        return `${swatch}<text x="${x + 24}" y="${y}">${html`${series[index]!.name}`}</text>`;
      }),
    )
    .join("");
}

/** Breaks the legend into rows by an estimate of the width of its names. */
function legendRows(series: readonly Series[]): { index: number; x: number }[][] {
  const rows: { index: number; x: number }[][] = [[]];
  let x = LEFT;
  series.forEach(({ name }, index) => {
    const width = 44 + 6.6 * name.length;
    if (x > LEFT && x + width > WIDTH) {
      rows.push([]);
      x = LEFT;
    }
    rows.at(-1)!.push({ index, x });
    x += width;
  });
  return rows;
}

type Interval = readonly [number, number];

function extent(values: readonly number[]): Interval {
  return values.reduce<Interval>(([lo, hi], v) => [Math.min(lo, v), Math.max(hi, v)], [Infinity, -Infinity]);
}

/** An interval of one value gets some width. */
function widen([lo, hi]: Interval, log: boolean): Interval {
  if (lo !== hi) return [lo, hi];
  return log ? [lo / 1.5, hi * 1.5] : [lo - (Math.abs(lo) * 0.2 || 1), hi + (Math.abs(hi) * 0.2 || 1)];
}

/** Some air above and below; a linear axis near zero starts at zero. */
function padded(interval: Interval, log: boolean): Interval {
  const [lo, hi] = widen(interval, log);
  if (log) return [lo / (hi / lo) ** 0.05, hi * (hi / lo) ** 0.05];
  const air = 0.06 * (hi - lo);
  return [lo >= 0 && lo < 0.4 * hi ? 0 : lo - air, hi + air];
}

function scaleOf([lo, hi]: Interval, [from, to]: Interval, log: boolean): Scale {
  if (!log) return (v) => from + ((v - lo) / (hi - lo)) * (to - from);
  return (v) => from + (Math.log(v / lo) / Math.log(hi / lo)) * (to - from);
}

const round = (v: number) => Math.round(v * 10) / 10;
const dashOf = (index: number) => (index >= SERIES_COLOURS ? ' stroke-dasharray="5 3"' : "");

/** The CSS colour of the series of that number. */
export function colour(index: number): string {
  return `var(--series-${index % SERIES_COLOURS})`;
}
