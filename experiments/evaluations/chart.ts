import {
  type Axis,
  axes,
  BOTTOM,
  extent,
  HEIGHT,
  LEFT,
  padded,
  round,
  scaleOf,
  WIDTH,
} from "../../src/report/charts/axes.ts";
import { capitalize } from "../../src/report/format.ts";
import { html, type Markup, trusted } from "../../src/report/html.ts";
import type { WayFigures } from "./main.ts";

const X: Axis = { title: "network evaluations of a draw", log: true };
const Y: Axis = { title: "Frechet distance" };
const TOP = 40;
const RIGHT = WIDTH - 36;

const PLAIN = "var(--series-0)";
const DEMO = "var(--series-1)";
const OTHER = "var(--soft)";

/** Ways further from clean digits than this many times the closest plain one are left out of the picture. */
const OFF_SCALE = 1.5;

/** Ways to draw as a chart tells them apart. */
export interface Groups {
  /** By their evaluations. */
  readonly plain: readonly WayFigures[];
  readonly demo: readonly WayFigures[];
  /** The rest, as far as they are in the picture. */
  readonly others: readonly WayFigures[];
  readonly offScale: readonly WayFigures[];
}

export function groupWays(ways: readonly WayFigures[]): Groups {
  const named = (start: string) => ways.filter(({ name }) => name.startsWith(start));
  const plain = named("plain").sort((a, b) => a.total - b.total);
  const demo = named("the demo's");
  const rest = ways.filter((way) => !plain.includes(way) && !demo.includes(way));
  const limit = OFF_SCALE * Math.min(...plain.map(({ distance }) => distance));
  const near = ({ distance }: WayFigures) => distance <= limit;
  return { plain, demo, others: rest.filter(near), offScale: rest.filter((way) => !near(way)) };
}

/** Distance against evaluations: the plain method as a line, the demo's way beside it, the others as grey points. */
export function waysChart({ plain, demo, others }: Groups): Markup {
  const shown = [...plain, ...demo, ...others];
  const xDomain = padded(extent([10, ...shown.map(({ total }) => total)]), true); // has a tick at 10
  const yDomain = padded(extent(shown.map(({ distance }) => distance)), false);
  const px = scaleOf(xDomain, [LEFT, RIGHT], true);
  const py = scaleOf(yDomain, [HEIGHT - BOTTOM, TOP], false);
  const place = ({ total, distance }: WayFigures) => [round(px(total)), round(py(distance))] as const;
  const dot = (way: WayFigures, radius: number, colour: string) => {
    const [x, y] = place(way);
    const title = html`${way.name}: ${way.total} evaluations, ${way.distance.toFixed(1)}`;
    return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${colour}"><title>${title}</title></circle>`;
  };
  const label = (way: WayFigures, text: string, [dx, dy]: readonly [number, number], style: string) => {
    const [x, y] = place(way);
    return `<text x="${x + dx}" y="${y + dy}" class="halo" font-weight="600" ${style}>${html`${text}`}</text>\n`;
  };
  const parts = [
    axes({ x: X, y: Y, xDomain, yDomain, px, py, right: RIGHT }),
    `<path d="M${plain.map((way) => place(way).join(" ")).join("L")}" fill="none" stroke="${PLAIN}" stroke-width="2"/>\n`,
    ...others.map((way) => dot(way, 3, OTHER)),
    ...plain.map((way) => dot(way, 3.6, PLAIN)),
    ...demo.map((way) => dot(way, 5.5, DEMO)),
    ...plain.map((way) => label(way, stepsOf(way), [3, -9], `fill="${PLAIN}"`)),
    ...demo.map((way) => label(way, "the demo's", [11, 4], `fill="${DEMO}"`)),
    legend([
      ["plain", PLAIN],
      ["the demo's E-step", DEMO],
      ["other ways", OTHER],
    ]),
  ];
  return trusted(
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH * 1.3}" role="img" aria-label="${html`${capitalize(Y.title)} against ${X.title}`}" font-size="12.5" fill="var(--ink)">\n${parts.join("")}</svg>`,
  );
}

/** "T = 12" of "plain, T = 12". */
const stepsOf = ({ name }: WayFigures) => name.replace(/^plain, /, "");

function legend(entries: readonly (readonly [name: string, colour: string])[]): string {
  let x = LEFT;
  return entries
    .map(([name, colour]) => {
      const entry = `<circle cx="${x + 5}" cy="10" r="4.5" fill="${colour}"/><text x="${x + 15}" y="14">${html`${name}`}</text>\n`;
      x += 45 + 6.6 * name.length;
      return entry;
    })
    .join("");
}
