import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { dataUri, imageGrid, NON_FINITE, UNOBSERVED } from "../../src/report/png.ts";

/** [r, g, b, a] of each pixel, whichever channels the file stores. */
function pixels(png: Uint8Array): { width: number; height: number; at: (x: number, y: number) => number[] } {
  const { width, height, channels, data } = decode(png);
  return {
    width,
    height,
    at: (x, y) => {
      const [first, ...rest] = [...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels)];
      return channels === 2 ? [first!, first!, first!, ...rest] : [first!, ...rest];
    },
  };
}

describe("imageGrid", () => {
  test("maps the range to 0 ... 255 and clips what lies beyond", () => {
    const grey = pixels(imageGrid(float32([-2, 2, -9, 9, 0, 1], [1, 1, 2, 3]), { range: [-2, 2] }));
    expect([grey.width, grey.height]).toEqual([3, 2]);
    expect([0, 1, 2].map((x) => grey.at(x, 0)[0])).toEqual([0, 255, 0]);
    expect([0, 1, 2].map((x) => grey.at(x, 1)[0])).toEqual([255, 128, 191]); // 127.5 and 191.25 rounded
  });

  test("lays images out in rows with transparent gutters and an empty last place", () => {
    const grid = pixels(
      imageGrid(float32([0, 1, 1], [3, 1, 1, 1]), { range: [0, 1], columns: 2, gutter: 2 }),
    );
    expect([grid.width, grid.height]).toEqual([4, 4]);
    expect(grid.at(0, 0)).toEqual([0, 0, 0, 255]);
    expect(grid.at(1, 0)[3]).toBe(0);
    expect(grid.at(3, 0)).toEqual([255, 255, 255, 255]);
    expect(grid.at(0, 3)).toEqual([255, 255, 255, 255]);
    expect(grid.at(3, 3)[3]).toBe(0);
  });

  test("repeats pixels when scaled", () => {
    const grid = pixels(imageGrid(float32([0, 1], [1, 1, 1, 2]), { range: [0, 1], scale: 3 }));
    expect([grid.width, grid.height]).toEqual([6, 3]);
    expect([0, 2, 3, 5].map((x) => grid.at(x, 2)[0])).toEqual([0, 0, 255, 255]);
  });

  test("draws three channels in colour and only channel 0 of two", () => {
    const rgb = pixels(imageGrid(float32([1, 0, 0.4], [1, 3, 1, 1]), { range: [0, 1] }));
    expect(rgb.at(0, 0)).toEqual([255, 0, 102, 255]);
    const two = pixels(imageGrid(float32([1, 0], [1, 2, 1, 1]), { range: [0, 1] }));
    expect(two.at(0, 0)).toEqual([255, 255, 255, 255]);
  });

  test("shows NaN and infinities in magenta", () => {
    const grid = pixels(imageGrid(float32([Number.NaN, Infinity, 0], [1, 1, 1, 3]), { range: [0, 1] }));
    expect([0, 1, 2].map((x) => grid.at(x, 0).slice(0, 3))).toEqual([
      [...NON_FINITE],
      [...NON_FINITE],
      [0, 0, 0],
    ]);
  });

  test("tints what the mask hides, in every channel", () => {
    const images = float32([1, 1, 1, 1, 1, 1], [1, 3, 1, 2]);
    const mask = float32([0, 0, 0, 1, 0, 0], [1, 3, 1, 2]);
    const grid = pixels(imageGrid(images, { range: [0, 1], mask }));
    expect(grid.at(0, 0).slice(0, 3)).toEqual([...UNOBSERVED]);
    expect(grid.at(1, 0).slice(0, 3)).toEqual([255, 255, 255]);
  });

  test("refuses images and masks of other shapes", () => {
    expect(() => imageGrid(float32([1, 2]), { range: [0, 1] })).toThrow("images must be [n, C, H, W]");
    const images = float32([1, 2], [1, 1, 1, 2]);
    expect(() => imageGrid(images, { range: [0, 1], mask: float32([1], [1, 1, 1]) })).toThrow("mask must be");
  });

  test("becomes an address that holds the PNG", () => {
    const png = imageGrid(float32([1], [1, 1, 1, 1]), { range: [0, 1] });
    expect(dataUri(png)).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
  });
});
