import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { add, conv2d, input, loop, mul, sum, vjp, scalar, constant } from "../../src/graph/index.ts";
import { compile } from "../../src/runtime/compile.ts";

test("smoke", async () => {
  const x = input([2, 3, 5, 5]);
  const w = constant(float32(Array.from({ length: 4 * 3 * 9 }, (_, i) => Math.sin(i)), [4, 3, 3, 3]));
  const y = conv2d(x, w, undefined, { stride: 2, padding: 1 });
  const [g] = vjp([sum(mul(y, y))], [x], [scalar(1)]);
  const p = await compile({ inputs: { x }, outputs: { y, g: g! } });
  const out = await p.run({ x: float32(Array.from({ length: 150 }, (_, i) => Math.cos(i)), [2, 3, 5, 5]) });
  expect(out.g!.shape).toEqual([2, 3, 5, 5]);
  const a = input([2]);
  const [s] = loop(5, [a], (_i, [v]) => [add(mul(v!, a), 1)]);
  const [ga] = vjp([sum(s!)], [a], [scalar(1)]);
  const q = await compile({ inputs: { a }, outputs: { s: s!, ga: ga! } });
  const r = await q.run({ a: float32([0.5, 2]) });
  const f = (v: number) => { let z = v; for (let i = 0; i < 5; i++) z = z * v + 1; return z; };
  expect(r.s!.data[0]).toBeCloseTo(f(0.5)); expect(r.s!.data[1]).toBeCloseTo(f(2));
  expect(r.ga!.data[1]).toBeCloseTo((f(2.0001) - f(1.9999)) / 0.0002, 2);
});
