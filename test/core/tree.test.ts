import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { flatten, mapTree } from "../../src/core/tree.ts";
import { add, input, mul } from "../../src/graph/index.ts";
import { compile } from "../../src/runtime/compile.ts";

const tree = { x: [1], measurement: { y: [2, 3], data: { mask: [4] } } };

test("a tree is flattened to paths, and mapped in place", () => {
  expect(flatten<readonly number[]>(tree)).toEqual({
    x: [1],
    "measurement.y": [2, 3],
    "measurement.data.mask": [4],
  });
  const paths: string[] = [];
  const sizes = mapTree<readonly number[], { size: number }>(tree, (shape, path) => {
    paths.push(path);
    return { size: shape.length };
  });
  expect(sizes).toEqual({
    x: { size: 1 },
    measurement: { y: { size: 2 }, data: { mask: { size: 1 } } },
  });
  expect(paths).toEqual(["x", "measurement.y", "measurement.data.mask"]);
});

test("names with dots may not hide one another", () => {
  expect(() => flatten<readonly number[]>({ "a.b": [1], a: { b: [2] } })).toThrow(
    new ShapeError("a.b stands for two values. Rename one."),
  );
});

test("programs take and give trees", async () => {
  const [x, y, mask] = [input([2]), input([2]), input([2])];
  const program = await compile({
    inputs: { x, measurement: { y, data: { mask } } },
    outputs: { sum: add(x, y), hidden: { product: mul(x, mask) } },
  });
  const feeds = {
    x: float32([1, 2]),
    measurement: { y: float32([10, 20]), data: { mask: float32([0, 1]) } },
  };
  const product = float32([7, 7]);
  const found = await program.run(feeds, { hidden: { product } });
  expect(Array.from(found.sum.data, Number)).toEqual([11, 22]);
  expect(found.hidden.product).toBe(product);
  expect(Array.from(product.data, Number)).toEqual([0, 2]);
  await expect(program.run({ x: feeds.x, measurement: { y: feeds.x } })).rejects.toThrow(
    new ShapeError("run: input measurement.data.mask, float32 [2], is missing."),
  );
  await program.release();
});
