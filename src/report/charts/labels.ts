/** The words and colours that tell the series of a chart apart. */

import { html } from "../html.ts";
import { SERIES_COLOURS } from "../style.ts";
import { BOTTOM, HEIGHT, LEFT, round, WIDTH } from "./axes.ts";

const LABEL_WIDTH = 60;
const LABEL_HEIGHT = 14;

type Place = readonly [x: number, y: number];

/** The last value of each series beside its end, moved apart where they would overlap. */
export function endLabels(
  ends: readonly (Place | undefined)[],
  texts: readonly string[],
  top: number,
): string[] {
  const labels = ends
    .map((end, index) => ({ end, index }))
    .filter((label): label is { end: Place; index: number } => label.end !== undefined)
    .map(({ end, index }) => ({ index, x: end[0] + 8, y: end[1] + 4 }))
    .sort((a, b) => a.y - b.y);
  const near = (a: { x: number }) => (b: { x: number }) => Math.abs(a.x - b.x) < LABEL_WIDTH;
  labels.forEach((label, i) => {
    const above = labels.slice(0, i).filter(near(label));
    label.y = Math.max(label.y, top, ...above.map(({ y }) => y + LABEL_HEIGHT));
  });
  for (let i = labels.length - 1; i >= 0; i--) {
    const below = labels.slice(i + 1).filter(near(labels[i]!));
    labels[i]!.y = Math.min(labels[i]!.y, HEIGHT - BOTTOM + 4, ...below.map(({ y }) => y - LABEL_HEIGHT));
  }
  return labels.map(
    ({ index, x, y }) =>
      `<text x="${round(x)}" y="${round(y)}" fill="${colour(index)}" font-weight="600" class="halo">${texts[index]}</text>\n`,
  );
}

/** A swatch and the name of each series, in rows. */
export function legend(names: readonly string[]): string {
  return legendRows(names)
    .flatMap((row, r) =>
      row.map(({ index, x }) => {
        const y = 14 + 20 * r;
        const swatch = `<path d="M${x} ${y - 4}h18" stroke="${colour(index)}" stroke-width="3"${dashOf(index)}/>`;
        return `${swatch}<text x="${x + 24}" y="${y}">${html`${names[index]!}`}</text>`;
      }),
    )
    .join("");
}

/** Breaks the legend into rows by an estimate of the width of its names. */
export function legendRows(names: readonly string[]): { index: number; x: number }[][] {
  const rows: { index: number; x: number }[][] = [[]];
  let x = LEFT;
  names.forEach((name, index) => {
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

/** Series beyond the colours are dashed. */
export const dashOf = (index: number) => (index >= SERIES_COLOURS ? ' stroke-dasharray="5 3"' : "");

/** The CSS colour of the series of that number. */
export function colour(index: number): string {
  return `var(--series-${index % SERIES_COLOURS})`;
}
