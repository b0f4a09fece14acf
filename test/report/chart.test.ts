import { describe, expect, test } from "vitest";
import { stackedBar } from "../../src/report/charts/bar.ts";
import { lineChart, type Point } from "../../src/report/charts/chart.ts";
import { logTicks, niceTicks } from "../../src/report/charts/ticks.ts";

describe("ticks", () => {
  test("stand at multiples of 1, 2 or 5 times a power of ten", () => {
    expect(niceTicks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(niceTicks(0.13, 0.87)).toEqual([0.2, 0.4, 0.6, 0.8]); // 0.74 / 5 = 0.148, above 0.1 sqrt(2)
    expect(niceTicks(-1, 1, 4)).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(niceTicks(0, 0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(niceTicks(980, 1320)).toEqual([1000, 1050, 1100, 1150, 1200, 1250, 1300]);
  });

  test("keep to whole numbers when asked", () => {
    expect(niceTicks(0, 2, 6, 1)).toEqual([0, 1, 2]);
    expect(niceTicks(-0.5, 0.5, 6, 1)).toEqual([0]);
  });

  test("of a logarithmic axis are 1-2-5 over few decades and powers of ten over many", () => {
    expect(logTicks(3, 400)).toEqual([5, 10, 20, 50, 100, 200]);
    expect(logTicks(0.001, 100)).toEqual([0.001, 0.01, 0.1, 1, 10, 100]);
    expect(logTicks(1, 1e16).length).toBeLessThanOrEqual(9);
    expect(logTicks(80, 90)).toEqual([80, 82, 84, 86, 88, 90]);
  });
});

const chart = (points: readonly Point[], log = false) =>
  lineChart({ x: { title: "step" }, y: { title: "loss", log }, series: [{ name: "a", points }] }).text;
const line = (svg: string) => svg.match(/class="line" d="([^"]*)"/)?.[1] ?? "";

describe("lineChart", () => {
  test("leaves a gap at missing and non-finite values", () => {
    const points: Point[] = [
      [0, 1],
      [1, null],
      [2, 3],
      [3, 2],
      [4, Number.NaN],
      [5, 1],
    ];
    const d = line(chart(points));
    expect(d.match(/M/g)).toHaveLength(3);
    expect(d.match(/L/g)).toHaveLength(1);
    expect(d).not.toContain("NaN");
  });

  test("leaves a gap at what a logarithmic axis cannot show", () => {
    const d = line(
      chart(
        [
          [0, 10],
          [1, 0],
          [2, 1],
        ],
        true,
      ),
    );
    expect(d.match(/M/g)).toHaveLength(2);
  });

  test("puts the decades of a logarithmic axis at equal distances", () => {
    const ys = [
      ...line(
        chart(
          [
            [0, 1],
            [1, 10],
            [2, 100],
          ],
          true,
        ),
      ).matchAll(/ ([\d.]+)/g),
    ].map((m) => Number(m[1]));
    expect(ys[0]! - ys[1]!).toBeCloseTo(ys[1]! - ys[2]!, 0);
  });

  test("says so when there is nothing to draw, and draws a single point", () => {
    expect(chart([])).toContain("No values yet.");
    expect(chart([[0, null]])).toContain("No values yet.");
    expect(chart([[3, 5]])).toContain("<circle");
    expect(chart([[3, 5]])).not.toContain("NaN");
  });

  test("names several series in a legend, labels their ends and escapes their names", () => {
    const series = ["<first>", "second"].map((name, i) => ({
      name,
      points: [
        [0, 1 + i],
        [1, 7 + i],
      ] as Point[],
    }));
    const svg = lineChart({ x: { title: "x" }, y: { title: "y" }, series }).text;
    expect(svg).toContain("&lt;first&gt;");
    expect(svg).not.toContain("<first>");
    expect(svg).toMatch(/class="halo">8<.*class="halo">7</s);
  });

  test("keeps end labels apart", () => {
    const series = [1, 1.001, 1.002].map((v) => ({
      name: String(v),
      points: [
        [0, 5],
        [1, v],
      ] as Point[],
    }));
    const svg = lineChart({ x: { title: "x" }, y: { title: "y" }, series }).text;
    const ys = [...svg.matchAll(/y="([\d.]+)" [^>]*class="halo"/g)]
      .map((m) => Number(m[1]))
      .sort((a, b) => a - b);
    expect(ys).toHaveLength(3);
    expect(Math.min(ys[1]! - ys[0]!, ys[2]! - ys[1]!)).toBeGreaterThanOrEqual(13.9);
  });

  test("shades a band and draws a reference", () => {
    const svg = lineChart({
      x: { title: "x" },
      y: { title: "y" },
      series: [
        {
          name: "a",
          points: [
            [0, 1],
            [1, 2],
          ],
          band: [
            [0, 0.5, 1.5],
            [1, 1, 3],
          ],
        },
      ],
      reference: { y: 1, label: "ideal" },
    }).text;
    expect(svg).toContain('class="band"');
    expect(svg).toContain("ideal");
  });
});

test("stackedBar divides the whole and leaves out what is zero or not finite", () => {
  const parts = [
    { name: "E-step", value: 30 },
    { name: "M-step", value: 10 },
    { name: "figures", value: 0 },
    { name: "broken", value: Number.NaN },
  ];
  const bar = stackedBar(parts, (v) => `${v} s`).text;
  expect(bar).toContain("flex:0.7500 0 0");
  expect(bar).toContain("M-step 10 s");
  expect(bar).toContain("25 %");
  expect(bar).not.toMatch(/figures|broken|NaN/);
});
