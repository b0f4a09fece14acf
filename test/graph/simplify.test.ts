import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import {
  add,
  constant,
  exp,
  expand,
  input,
  loop,
  mul,
  neg,
  scalar,
  sin,
  sum,
  type Tensor,
  transpose,
  vjp,
} from "../../src/graph/index.ts";
import { isLoop, type LoopBody } from "../../src/graph/ops/loop.ts";
import { simplify } from "../../src/graph/simplify.ts";
import { constantValue } from "../../src/graph/tensor.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";

const names = (outputs: readonly Tensor[]) => reachable(outputs).map(({ op }) => op.name);
const only = (outputs: readonly Tensor[], name: string) => names(outputs).filter((n) => n === name).length;
const bodyOf = (tensor: Tensor) => tensor.attributes.body as LoopBody;

test("an expression of constants becomes one constant", () => {
  const [folded] = simplify([mul(add(scalar(2), 3), neg(scalar(4)))]) as [Tensor];
  expect(names([folded])).toEqual(["Constant"]);
  expect(constantValue(folded)!.data[0]).toBe(-20);
});

test("a large constant is left to the engine", () => {
  const large = constant(float32(new Float32Array(5000)));
  expect(names(simplify([exp(large)]))).toEqual(["Constant", "Exp"]);
  expect(names(simplify([expand(scalar(0), [5000])]))).toEqual(["Constant", "Expand"]);
});

test("equal nodes are computed once, and what is made from them is shared in turn", () => {
  const x = input([3]);
  const twice = () => sin(mul(x, 2));
  const before = [add(twice(), exp(twice()))];
  expect(only(before, "Sin")).toBe(2);
  const after = simplify(before);
  expect(names(after).sort()).toEqual(["Add", "Constant", "Exp", "Input", "Mul", "Sin"]);
});

test("nodes that differ in attributes, inputs or constants are not shared", () => {
  const x = input([2, 2, 2]);
  const parts = [
    transpose(x, [0, 2, 1]),
    transpose(x, [1, 0, 2]),
    mul(x, 2),
    mul(x, 3),
    mul(x, -0),
    mul(x, 0),
  ];
  expect(new Set(simplify(parts)).size).toBe(parts.length);
});

test("nodes that no output needs are dropped", () => {
  const x = input([3]);
  exp(x);
  expect(names(simplify([neg(x)]))).toEqual(["Input", "Neg"]);
});

test("inputs stay the same tensors and equal inputs stay apart", () => {
  const [x, y] = [input([3]), input([3])];
  const after = simplify([add(x, y), x]);
  expect(reachable(after).filter(({ op }) => op.name === "Input")).toEqual([x, y]);
  expect(after[1]).toBe(x);
});

test("an unused input may be fed", async () => {
  const [x, y] = [input([1]), input([2])];
  const program = await compile({ inputs: { x, y }, outputs: { z: neg(x) } });
  const { z } = await program.run({ x: float32([3]), y: float32([1, 2]) });
  expect([...z!.data]).toEqual([-3]);
});

test("the body of a loop is simplified", () => {
  const x = input([3]);
  const [s] = loop(2, [x], (_, [v]) => [add(mul(sin(v!), mul(scalar(2), 3)), sin(v!))]) as [Tensor];
  const [after] = simplify([s]) as [Tensor];
  const results = bodyOf(after).results;
  expect(only(results, "Sin")).toBe(1);
  expect(only(results, "Mul")).toBe(1);
});

test("a nested body is simplified", () => {
  const x = input([3]);
  const [s] = loop(2, [x], (_, [v]) => loop(2, [v!], (_i, [u]) => [add(sin(u!), sin(u!))])) as [Tensor];
  const [after] = simplify([s]) as [Tensor];
  const [inner] = bodyOf(after).results as [Tensor];
  expect(isLoop(inner)).toBe(true);
  expect(only(bodyOf(inner).results, "Sin")).toBe(1);
});

test("what does not change over the turns is computed outside the loop", async () => {
  const [x, c] = [input([3]), input([3])];
  const [s] = loop(2, [x], (_, [v]) => [add(v!, exp(neg(c)))]) as [Tensor];
  const [after] = simplify([s]) as [Tensor];
  const { states, results } = bodyOf(after);
  const [next] = results as [Tensor];
  expect(next.op.name).toBe("Add");
  expect(next.inputs[0]).toBe(states[0]);
  expect(after.inputs).toContain(next.inputs[1]);
  expect(next.inputs[1]!.op.name).toBe("Exp");
  const program = await compile({ inputs: { x, c }, outputs: { s } });
  const run = await program.run({ x: float32([1, 2, 3]), c: float32([0, 0, 0]) });
  expect([...run.s!.data]).toEqual([3, 4, 5]);
});

test("a loop that another loop uses is not computed twice", () => {
  const x = input([3]);
  const [a] = loop(2, [x], (_, [v]) => [sin(v!)]) as [Tensor];
  const [b] = loop(2, [x], (_, [v]) => [mul(v!, a)]) as [Tensor];
  const after = simplify([a, b]);
  expect(only(after, "Loop")).toBe(2);
});

test("the gradient of a loop carries no cotangent of constants that the body uses", () => {
  const x = input([3]);
  const weights = constant(float32([1, 2, 3]));
  const [s] = loop(2, [x], (_, [v]) => [mul(sin(v!), weights)]) as [Tensor];
  const [gradient] = vjp([sum(s)], [x], [scalar(1)]) as [Tensor];
  const backward = reachable([gradient]).filter(isLoop).at(-1)!;
  expect(bodyOf(backward).states).toHaveLength(1);
});

test("simplifying changes no value", async () => {
  const x = input([4]);
  const y = add(mul(sin(x), add(scalar(1), 2)), mul(sin(x), exp(scalar(0.5))));
  const program = await compile({ inputs: { x }, outputs: { y } });
  const values = [0.1, -2, 3, 0.7];
  const run = await program.run({ x: float32(values) });
  const factor = 3 + Math.exp(0.5);
  expectAllClose(
    run.y!,
    values.map((v) => Math.sin(v) * factor),
    { relative: 1e-6 },
  );
});
