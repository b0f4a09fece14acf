/** Line charts as SVG: every value is in the picture, hovering a point shows it, and no script is needed. */

import { capitalize, formatNumber, formatTick } from "../format.ts";
import { html, type Markup, trusted } from "../html.ts";
import {
  type Axis,
  axes,
  BOTTOM,
  extent,
  HEIGHT,
  type Interval,
  LEFT,
  padded,
  round,
  type Scale,
  scaleOf,
  WIDTH,
} from "./axes.ts";
import { colour, dashOf, endLabels, legend, legendRows } from "./labels.ts";

/** [x, y]; a missing or non-finite y leaves a gap in the line. */
export type Point = readonly [x: number, y: number | null | undefined];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Points without a line between them. Default false. */
  readonly isDots?: boolean;
  /** [x, lo, hi]: a shaded band, such as an interval of repeated runs. */
  readonly band?: readonly (readonly [x: number, lo: number, hi: number])[];
}

export interface ChartOptions {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A horizontal line to compare with. */
  readonly reference?: { readonly y: number; readonly label: string };
}

/** Up to this many points of a series get a dot each. */
const MAX_DOTS = 40;

/** The chart, as wide as its container. Series without any finite value are named in the legend only. */
export function lineChart({ x, y, series, reference }: ChartOptions): Markup {
  const usable = (v: number | null | undefined): v is number =>
    typeof v === "number" && Number.isFinite(v) && (!y.log || v > 0);
  const all = series.flatMap((s) => s.points);
  const xs = all.map(([at]) => at).filter(Number.isFinite);
  const bands = series.flatMap((s) => s.band ?? []).flatMap(([, lo, hi]) => [lo, hi]);
  const ys = [...all.map(([, v]) => v), ...bands, reference?.y].filter(usable);
  if (xs.length === 0 || !all.some(([, v]) => usable(v))) return html`<p class="soft">No values yet.</p>`;

  const names = series.map((s) => s.name);
  const top = series.length > 1 ? 12 + 20 * legendRows(names).length : 12;
  const ends = series.map((s) => s.points.filter(([, v]) => usable(v)).at(-1));
  const endTexts = ends.map((end) => formatNumber(end?.[1]));
  const right = WIDTH - 14 - 7.5 * Math.max(...endTexts.map((text) => text.length));
  const [firstX, lastX] = extent(xs);
  const xDomain: Interval = firstX < lastX ? [firstX, lastX] : [firstX - 0.5, lastX + 0.5];
  const yDomain = padded(extent(ys), y.log ?? false);
  const px = scaleOf(xDomain, [LEFT, right], x.log ?? false);
  const py = scaleOf(yDomain, [HEIGHT - BOTTOM, top], y.log ?? false);

  const parts = [
    axes({ x, y, xDomain, yDomain, px, py, right }),
    reference && usable(reference.y) ? referenceLine(reference.y, py, right) : "",
    ...series.map((s, i) => (s.band ? bandPath(s.band, i, px, py) : "")),
    ...series.map((s, i) => linePath(s, i, px, py, usable)),
    reference && usable(reference.y) ? referenceLabel(reference, py) : "",
    ...endLabels(
      ends.map((end) => end && [px(end[0]), py(end[1]!)]),
      endTexts,
      top,
    ),
    series.length > 1 ? legend(names) : "",
  ];
  const label = html`${capitalize(y.title)} against ${x.title}: ${names.join(", ")}`;
  return trusted(
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH * 1.3}" role="img" aria-label="${label}" font-size="12.5" fill="var(--ink)">\n${parts.join("")}</svg>`,
  );
}

function referenceLine(y: number, py: Scale, right: number): string {
  return `<path d="M${LEFT} ${round(py(y))}H${round(right)}" stroke="var(--soft)" stroke-dasharray="2 3"/>\n`;
}

/** Above the lines that it may cross. */
function referenceLabel({ y, label }: { y: number; label: string }, py: Scale): string {
  return `<text x="${LEFT + 6}" y="${round(py(y)) - 5}" fill="var(--soft)" class="halo">${html`${label}`}</text>\n`;
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
  if (series.isDots) {
    const places = d.replaceAll(/[ML]([^ML]+)/g, "M$1h0");
    return `<path class="dots" d="${places}" stroke="${colour(index)}" stroke-width="4" stroke-linecap="round"/>\n`;
  }
  const dash = dashOf(index);
  const line = `<path class="line" d="${d}" fill="none" stroke="${colour(index)}" stroke-width="2" stroke-linejoin="round"${dash}/>`;
  return `${line}${dots.length <= MAX_DOTS ? dots.join("") : ""}\n`;
}
