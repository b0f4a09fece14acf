import { decode } from "fast-png";
import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { cornerPlot, cornerRanges } from "../../src/report/charts/scatter.ts";

test("few samples are points, many are heat maps, and both triangles are filled if there is truth", () => {
  const few = float32(
    Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * i)),
    [20, 3],
  );
  const many = float32(
    Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i * i)),
    [1000, 3],
  );
  expect(cornerPlot(few).text.match(/stroke-linecap="round"/g)).toHaveLength(3);
  expect(cornerPlot(many).text.match(/<image/g)).toHaveLength(3);
  const both = cornerPlot(many, { truth: few }).text;
  expect(both.match(/<image/g)).toHaveLength(3);
  expect(both.match(/stroke-linecap="round"/g)).toHaveLength(3);
});

test("the heat map has its first axis to the right and its second upwards", () => {
  const samples = float32(
    Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 0.9 : 0.1)),
    [500, 2],
  );
  const svg = cornerPlot(samples, {
    ranges: [
      [0, 1],
      [0, 1],
    ],
  }).text;
  const { width, data, channels } = decode(Buffer.from(svg.match(/base64,([^"]+)/)![1]!, "base64"));
  const opaque = [...Array(width * width).keys()].filter((i) => data[i * channels + channels - 1]! > 0);
  const at = (v: number) => Math.floor(v * width);
  expect(opaque).toEqual([(width - 1 - at(Math.fround(0.1))) * width + at(Math.fround(0.9))]);
});

test("at most five axes are drawn and rows that are not finite are left out", () => {
  const samples = float32(
    Float32Array.from({ length: 80 }, (_, i) => Math.cos(i * i)),
    [10, 8],
  );
  samples.data[3] = Number.NaN;
  const svg = cornerPlot(samples).text;
  expect(svg).not.toContain("NaN");
  expect(svg.match(/stroke-linecap="round"/g)).toHaveLength(10); // 5 * 4 / 2
  expect(cornerRanges([samples])).toHaveLength(5);
});

test("constant and empty samples give no nonsense", () => {
  expect(cornerPlot(float32([1, 1, 1, 1], [2, 2])).text).not.toMatch(/NaN|Infinity/);
  expect(cornerPlot(float32([Number.NaN, 1], [1, 2])).text).not.toMatch(/NaN|Infinity/);
  expect(() => cornerPlot(float32([1, 2]))).toThrow("[n, D]");
});
