/** One list of every operator with cases to try; `operators.test.ts` runs the same checks over all of it. */

import type { Rng } from "../../src/core/random.ts";
import type { Shape } from "../../src/core/shape.ts";
import {
  abs,
  add,
  and,
  averagePool,
  cast,
  clip,
  concat,
  conv2d,
  convTranspose2d,
  cos,
  div,
  equal,
  erf,
  exp,
  expand,
  flip,
  floor,
  gather,
  greater,
  greaterOrEqual,
  integers,
  lessOrEqual,
  log,
  loop,
  matmul,
  max,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  not,
  pad,
  reciprocal,
  reshape,
  resizeNearest,
  scan,
  scatterAdd,
  sigmoid,
  sign,
  silu,
  sin,
  slice,
  softmax,
  split,
  sqrt,
  square,
  standardize,
  sub,
  sum,
  sumTo,
  type Tensor,
  tanh,
  transpose,
  where,
} from "../../src/graph/index.ts";

/**
 * How the values of an input are drawn: standard normals; uniform in [0.5, 2], clear of poles; or all different by
 * 0.25 and never within 0.1 of 0, over all such inputs of the case, so that no kink is within a difference step.
 */
export type Domain = "normal" | "positive" | "distinct";
export interface InputCase {
  readonly shape: Shape;
  readonly domain: Domain;
}
export interface Case {
  readonly label: string;
  readonly inputs: readonly InputCase[];
  readonly build: (inputs: readonly Tensor[]) => Tensor;
  /** False where the result does not depend smoothly on any input. */
  readonly differentiable: boolean;
}
export interface OperatorCases {
  /** The operator's name in src/graph/index.ts. */
  readonly name: string;
  readonly fixed: readonly Case[];
  readonly random?: (rng: Rng) => Case;
}

const normal = (...shape: number[]): InputCase => ({ shape, domain: "normal" });
const positive = (...shape: number[]): InputCase => ({ shape, domain: "positive" });
const distinct = (...shape: number[]): InputCase => ({ shape, domain: "distinct" });

// biome-ignore lint/suspicious/noExplicitAny: a builder takes as many tensors as the case has inputs
type Build = (...inputs: any[]) => Tensor;
function of(label: string, inputs: readonly InputCase[], build: Build, differentiable = true): Case {
  return { label, inputs, build: (tensors) => build(...tensors), differentiable };
}

/** An integer in [low, high]. */
const draw = (rng: Rng, low: number, high: number) => low + rng.integer(high - low + 1);
const drawShape = (rng: Rng, rank: number, largest = 4) =>
  Array.from({ length: rank }, () => draw(rng, 1, largest));

/** Two shapes that broadcast: axes of a common shape are set to 1, and leading ones of the second are dropped. */
function drawBroadcast(rng: Rng): [Shape, Shape] {
  const common = drawShape(rng, draw(rng, 0, 4));
  const thin = () => common.map((size) => (rng.integer(3) === 0 ? 1 : size));
  return [thin(), thin().slice(rng.integer(common.length + 1))];
}

function binary(name: string, build: Build, domain: Domain, differentiable = true): OperatorCases {
  const pair = (a: Shape, b: Shape) =>
    of(
      `[${a}] with [${b}]`,
      [
        { shape: a, domain },
        { shape: b, domain },
      ],
      build,
      differentiable,
    );
  return {
    name,
    fixed: [
      pair([2, 3], [2, 3]),
      pair([2, 3], [3]),
      pair([4, 1, 3], [2, 1]),
      pair([], [2, 2]),
      pair([], []),
      of("a number on the right", [{ shape: [3], domain }], (a) => build(a, 0.7), differentiable),
      of("a number on the left", [{ shape: [3], domain }], (a) => build(0.7, a), differentiable),
      of("twice the same", [{ shape: [3], domain }], (a) => build(a, neg(a)), differentiable),
    ],
    random: (rng) => pair(...drawBroadcast(rng)),
  };
}

function unary(name: string, build: Build, domain: Domain, differentiable = true): OperatorCases {
  const single = (shape: Shape) => of(`[${shape}]`, [{ shape, domain }], build, differentiable);
  return {
    name,
    fixed: [single([2, 3]), single([])],
    random: (rng) => single(drawShape(rng, draw(rng, 0, 4))),
  };
}

/** Differentiable zeros or ones from a bool tensor, so that it can be multiplied and compared. */
const number = (x: Tensor) => cast(x, "float32");

function drawAxes(rng: Rng, rank: number): number[] {
  const count = draw(rng, 1, rank);
  return [...rng.permutation(rank)].slice(0, count).map((axis) => (rng.integer(2) ? axis : axis - rank));
}

function reduction(
  name: string,
  build: (x: Tensor, axes?: readonly number[], keep?: boolean) => Tensor,
  domain: Domain,
): OperatorCases {
  const reduce = (shape: Shape, axes?: readonly number[], keep?: boolean) =>
    of(`[${shape}] over ${axes ?? "all"}${keep ? ", kept" : ""}`, [{ shape, domain }], (x) =>
      build(x, axes, keep),
    );
  return {
    name,
    fixed: [
      reduce([2, 3, 4]),
      reduce([2, 3, 4], [-1]),
      reduce([2, 3, 4], [2, 0], true),
      reduce([3, 1], [1]),
      reduce([2, 3], []),
      reduce([]),
    ],
    random: (rng) => {
      const shape = drawShape(rng, draw(rng, 1, 4));
      return reduce(shape, drawAxes(rng, shape.length), rng.integer(2) === 1);
    },
  };
}

type PerAxis = number | readonly [number, number];
type Geometry = { stride?: PerAxis; padding?: PerAxis; groups?: number };
const label = (x: Shape, w: Shape, geometry: Geometry) => `[${x}] by [${w}] ${JSON.stringify(geometry)}`;

function convolution(x: Shape, w: Shape, geometry: Geometry, biased = false): Case {
  return of(
    `${label(x, w, geometry)}${biased ? " with bias" : ""}`,
    [normal(...x), normal(...w), ...(biased ? [normal(w[0]!)] : [])],
    (image, kernels, bias) => conv2d(image, kernels, bias, geometry),
  );
}

function transposed(x: Shape, w: Shape, geometry: Geometry, extra?: readonly [number, number]): Case {
  return of(
    `${label(x, w, geometry)}${extra ? ` + [${extra}]` : ""}`,
    [normal(...x), normal(...w)],
    (image, kernels) => convTranspose2d(image, kernels, geometry, extra),
  );
}

/** Sizes of a random convolution whose result has at least one pixel. */
function drawConvolution(rng: Rng) {
  const groups = draw(rng, 1, 3);
  const geometry = { stride: draw(rng, 1, 3), padding: draw(rng, 0, 2), groups };
  const [K, L] = [draw(rng, 1, 4), draw(rng, 1, 4)];
  const size = (kernel: number) => Math.max(1, kernel - 2 * geometry.padding) + draw(rng, 0, 4);
  const [N, C, O] = [draw(rng, 1, 2), groups * draw(rng, 1, 2), groups * draw(rng, 1, 2)];
  return { geometry, K, L, N, C, O, H: size(K), W: size(L) };
}

type Flags = { transA?: boolean; transB?: boolean };
const product = (a: Shape, b: Shape, flags: Flags = {}) =>
  of(
    `[${a}]${flags.transA ? "'" : ""} [${b}]${flags.transB ? "'" : ""}`,
    [normal(...a), normal(...b)],
    (p, q) => matmul(p, q, flags),
  );
const ALL_FLAGS: readonly Flags[] = [{}, { transA: true }, { transB: true }, { transA: true, transB: true }];
/** Shapes of operands of sizes m, k, n under each choice of flags. */
const products = (batchA: Shape, batchB: Shape, m: number, k: number, n: number) =>
  ALL_FLAGS.map((flags) =>
    product(
      [...batchA, ...(flags.transA ? [k, m] : [m, k])],
      [...batchB, ...(flags.transB ? [n, k] : [k, n])],
      flags,
    ),
  );

export const OPERATORS: readonly OperatorCases[] = [
  binary("add", add, "normal"),
  binary("sub", sub, "normal"),
  binary("mul", mul, "normal"),
  binary("div", div, "positive"),
  binary("maximum", maximum, "distinct"),
  binary("minimum", minimum, "distinct"),
  binary("equal", (a, b) => number(equal(a, b)), "distinct", false),
  binary("greater", (a, b) => number(greater(a, b)), "distinct", false),
  binary("greaterOrEqual", (a, b) => number(greaterOrEqual(a, b)), "distinct", false),
  binary("lessOrEqual", (a, b) => number(lessOrEqual(a, b)), "distinct", false),
  binary("and", (a, b) => number(and(greater(a, 0), greater(b, 0))), "distinct", false),
  unary("not", (a) => number(not(greater(a, 0))), "distinct", false),
  unary("clip", (a) => clip(a, 0.8, 2), "distinct"),
  unary("neg", neg, "normal"),
  unary("exp", exp, "normal"),
  unary("log", log, "positive"),
  unary("sqrt", sqrt, "positive"),
  unary("reciprocal", reciprocal, "positive"),
  unary("abs", abs, "distinct"),
  unary("sign", sign, "distinct", false),
  unary("sin", sin, "normal"),
  unary("cos", cos, "normal"),
  unary("tanh", tanh, "normal"),
  unary("erf", erf, "normal"),
  unary("sigmoid", sigmoid, "normal"),
  unary("floor", floor, "positive", false),
  unary("square", square, "normal"),
  {
    name: "cast",
    fixed: [
      of("float32 to itself", [normal(3)], (x) => cast(x, "float32")),
      of("through float64", [normal(2, 3)], (x) => mul(cast(cast(x, "float64"), "float32"), x)),
      of("through int32", [distinct(5)], (x) => cast(cast(x, "int32"), "float32"), false),
      of("through int64", [distinct(5)], (x) => cast(cast(x, "int64"), "float32"), false),
      of("through uint8", [positive(5)], (x) => cast(cast(mul(x, 90), "uint8"), "float32"), false),
    ],
  },
  {
    name: "where",
    fixed: [
      of("same shapes", [distinct(6), normal(6)], (a, b) => where(greater(a, 0), mul(a, b), b)),
      of("broadcast", [distinct(2, 1), normal(3), normal(4, 1, 1)], (c, a, b) => where(greater(c, 0), a, b)),
      of("numbers", [distinct(5)], (a) => where(lessOrEqual(a, 0), 0, a)),
    ],
  },
  {
    name: "reshape",
    fixed: [
      of("[2, 6] to [3, -1]", [normal(2, 6)], (x) => reshape(x, [3, -1])),
      of("to a scalar", [normal(1, 1)], (x) => reshape(x, [])),
      of("from a scalar", [normal()], (x) => reshape(x, [1, 1])),
    ],
    random: (rng) => {
      const shape = drawShape(rng, draw(rng, 1, 4));
      const order = [...rng.permutation(shape.length)].map((axis) => shape[axis]!);
      return of(`[${shape}] to [${order}]`, [normal(...shape)], (x) => reshape(x, order));
    },
  },
  {
    name: "expand",
    fixed: [
      of("[3] to [2, 3]", [normal(3)], (x) => expand(x, [2, 3])),
      of("[2, 1] to [4, 2, 3]", [normal(2, 1)], (x) => expand(x, [4, 2, 3])),
      of("scalar to [1, 2]", [normal()], (x) => expand(x, [1, 2])),
    ],
    random: (rng) => {
      const to = drawShape(rng, draw(rng, 0, 4));
      const from = to.map((size) => (rng.integer(2) ? 1 : size)).slice(rng.integer(to.length + 1));
      return of(`[${from}] to [${to}]`, [normal(...from)], (x) => expand(x, to));
    },
  },
  {
    name: "sumTo",
    fixed: [
      of("[4, 2, 3] to [2, 1]", [normal(4, 2, 3)], (x) => sumTo(x, [2, 1])),
      of("[2, 3] to a scalar", [normal(2, 3)], (x) => sumTo(x, [])),
      of("[1, 3] to [3]", [normal(1, 3)], (x) => sumTo(x, [3])),
    ],
  },
  reduction("sum", sum, "normal"),
  reduction("mean", mean, "normal"),
  reduction("max", max, "distinct"),
  {
    name: "silu",
    fixed: [of("matrix", [normal(2, 5)], (x) => silu(x)), of("scalar", [normal()], (x) => silu(x))],
  },
  {
    name: "softmax",
    fixed: [
      of("last axis", [normal(2, 5)], (x) => softmax(x)),
      of("axis 1 of 3", [normal(2, 4, 3)], (x) => softmax(x, 1)),
      of("one element", [normal(3, 1)], (x) => softmax(x)),
    ],
    random: (rng) => {
      const shape = drawShape(rng, draw(rng, 1, 4));
      const axis = rng.integer(shape.length);
      return of(`[${shape}] over ${axis}`, [normal(...shape)], (x) => softmax(x, axis));
    },
  },
  {
    name: "standardize",
    fixed: [
      of("last axis", [normal(2, 5)], (x) => standardize(x, [-1], 1e-5)),
      of("channels of images", [normal(2, 4, 3, 2)], (x) => standardize(x, [1], 1e-5)),
      of("two axes, large epsilon", [normal(2, 3, 4)], (x) => standardize(x, [0, 2], 0.5)),
    ],
  },
  {
    name: "transpose",
    fixed: [
      of("default", [normal(2, 3, 4)], (x) => transpose(x)),
      of("[2, 0, 1]", [normal(2, 3, 4)], (x) => transpose(x, [2, 0, 1])),
      of("[-1, 0, 1]", [normal(2, 3, 4)], (x) => transpose(x, [-1, 0, 1])),
      of("identity", [normal(2, 3)], (x) => transpose(x, [0, 1])),
    ],
    random: (rng) => {
      const shape = drawShape(rng, draw(rng, 1, 5));
      const perm = [...rng.permutation(shape.length)];
      return of(`[${shape}] by [${perm}]`, [normal(...shape)], (x) => transpose(x, perm));
    },
  },
  {
    name: "slice",
    fixed: [
      of("1:3", [normal(2, 5)], (x) => slice(x, 1, 1, 3)),
      of("-3:-1", [normal(5, 2)], (x) => slice(x, -2, -3, -1)),
      of("0:7:3", [normal(7)], (x) => slice(x, 0, 0, 7, 3)),
      of("1:8:3", [normal(2, 8)], (x) => slice(x, 1, 1, 8, 3)),
      of("2:100:4", [normal(9)], (x) => slice(x, 0, 2, 100, 4)),
    ],
    random: (rng) => {
      const shape = drawShape(rng, draw(rng, 1, 4), 7);
      const axis = rng.integer(shape.length);
      const start = rng.integer(shape[axis]!);
      const end = draw(rng, start + 1, shape[axis]!);
      const step = draw(rng, 1, 4);
      return of(`[${shape}] axis ${axis} ${start}:${end}:${step}`, [normal(...shape)], (x) =>
        slice(x, axis, start, end, step),
      );
    },
  },
  {
    name: "flip",
    fixed: [
      of("last axis", [normal(2, 5)], (x) => flip(x, [-1])),
      of("two axes", [normal(2, 3, 4)], (x) => flip(x, [0, 2])),
    ],
  },
  {
    name: "pad",
    fixed: [
      of("both sides", [normal(2, 3)], (x) => pad(x, 1, 2, 1)),
      of("before, negative axis", [normal(2, 3)], (x) => pad(x, -2, 1, 0)),
    ],
  },
  {
    name: "concat",
    fixed: [
      of("axis 0", [normal(2, 3), normal(1, 3), normal(4, 3)], (...x) => concat(x, 0)),
      of("axis -1", [normal(2, 3), normal(2, 1)], (...x) => concat(x, -1)),
      of("the same twice", [normal(2)], (x) => concat([x, x], 0)),
    ],
  },
  {
    name: "split",
    fixed: [
      of("three parts", [normal(6, 2)], (x) => {
        const [a, b, c] = split(x, [2, 1, 3], 0);
        return concat([c!, mul(a!, b!)], 0);
      }),
    ],
  },
  {
    name: "gather",
    fixed: [
      of("rows, repeated", [normal(3, 2)], (x) => gather(x, integers([2, 0, 2, 2]))),
      of("columns", [normal(2, 4)], (x) => gather(x, integers([3, 1]), 1)),
      of("middle axis by a matrix", [normal(2, 3, 2)], (x) => gather(x, integers([0, 2, 2, 1], [2, 2]), 1)),
      of("negative indices", [normal(3, 2)], (x) => gather(x, integers([-1, 2, 0]))),
      of("one row", [normal(3, 2)], (x) => gather(x, reshape(integers([1]), []))),
      of("int32 indices", [normal(3, 2)], (x) => gather(x, cast(integers([1, 1]), "int32"))),
      of("computed indices", [normal(4), distinct(3)], (x, y) => gather(x, cast(greater(y, 0), "int64"))),
    ],
  },
  {
    name: "scatterAdd",
    fixed: [
      of("repeated", [normal(4, 2)], (x) => scatterAdd(x, integers([2, 0, 2, 2]), 3)),
      of("distinct", [normal(3, 2)], (x) => scatterAdd(x, integers([4, 0, 1]), 5)),
      of("a matrix of indices", [normal(2, 2, 3)], (x) => scatterAdd(x, integers([0, 1, 1, 0], [2, 2]), 2)),
      of("one row", [normal(2)], (x) => scatterAdd(x, reshape(integers([1]), []), 3)),
      of("of scalars", [normal(3)], (x) => scatterAdd(x, integers([1, 1, 0]), 2)),
    ],
  },
  {
    name: "matmul",
    fixed: [
      ...products([], [], 2, 3, 4),
      ...products([2], [2], 3, 2, 4),
      ...products([2, 3], [], 2, 4, 3),
      ...products([], [3], 2, 4, 3),
      ...products([2, 1], [3], 2, 2, 3),
      ...products([2, 1], [1, 3], 1, 2, 1),
    ],
    random: (rng) => {
      const [batchA, batchB] = drawBroadcast(rng);
      const [m, k, n] = drawShape(rng, 3, 5) as [number, number, number];
      return products(batchA, batchB, m, k, n)[rng.integer(4)]!;
    },
  },
  {
    name: "conv2d",
    fixed: [
      convolution([2, 3, 5, 6], [4, 3, 3, 3], { padding: 1 }, true),
      convolution([1, 2, 5, 4], [3, 2, 1, 1], {}, true),
      convolution([1, 2, 7, 6], [2, 2, 3, 3], { stride: 2, padding: 1 }),
      convolution([1, 2, 8, 9], [2, 2, 3, 3], { stride: 3 }),
      convolution([2, 4, 5, 5], [6, 2, 3, 3], { padding: 1, groups: 2 }, true),
      convolution([1, 3, 5, 5], [3, 1, 3, 3], { padding: 1, groups: 3 }),
      convolution([1, 2, 5, 6], [2, 2, 2, 2], {}),
      convolution([1, 2, 5, 6], [2, 2, 4, 2], { padding: 1 }),
      convolution([1, 1, 3, 3], [1, 1, 1, 1], { padding: 2 }),
      convolution([1, 1, 5, 5], [2, 1, 2, 2], { stride: 3, padding: 1 }),
      convolution([2, 2, 6, 4], [2, 2, 1, 1], { stride: 2 }),
      convolution([2, 2, 1, 7], [3, 2, 1, 3], { stride: [1, 2], padding: [0, 1] }, true),
      convolution([2, 2, 5, 6], [3, 2, 3, 1], { padding: [1, 0] }),
      convolution([1, 2, 6, 5], [2, 2, 2, 3], { stride: [2, 3], padding: [0, 2] }),
    ],
    random: (rng) => {
      const { geometry, K, L, N, C, O, H, W } = drawConvolution(rng);
      return convolution([N, C, H, W], [O, C / geometry.groups, K, L], geometry, rng.integer(2) === 1);
    },
  },
  {
    name: "convTranspose2d",
    fixed: [
      transposed([2, 3, 4, 3], [3, 2, 3, 3], { padding: 1 }),
      transposed([1, 2, 3, 4], [2, 3, 3, 3], { stride: 2, padding: 1 }, [1, 1]),
      transposed([1, 2, 3, 4], [2, 3, 2, 2], { stride: 2 }),
      transposed([1, 2, 3, 2], [2, 1, 2, 3], { stride: 3 }, [2, 1]),
      transposed([1, 4, 3, 3], [4, 2, 3, 3], { groups: 2, stride: 2 }, [0, 1]),
      transposed([1, 2, 3, 3], [2, 2, 1, 1], {}),
    ],
    random: (rng) => {
      const { geometry, K, L, N, C, O, H, W } = drawConvolution(rng);
      const { stride, padding, groups } = geometry;
      const input = (size: number, kernel: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
      const extra = (size: number, kernel: number) => (size + 2 * padding - kernel) % stride;
      return transposed([N, O, input(H, K), input(W, L)], [O, C / groups, K, L], geometry, [
        extra(H, K),
        extra(W, L),
      ]);
    },
  },
  {
    name: "resizeNearest",
    fixed: [
      of("by 2", [normal(1, 2, 3, 2)], (x) => resizeNearest(x, 2)),
      of("by 3", [normal(2, 1, 2, 1)], (x) => resizeNearest(x, 3)),
      of("by 1 and 2", [normal(2, 1, 1, 3)], (x) => resizeNearest(x, [1, 2])),
    ],
  },
  {
    name: "averagePool",
    fixed: [
      of("by 2", [normal(1, 2, 4, 6)], (x) => averagePool(x, 2)),
      of("by 3", [normal(2, 1, 3, 6)], (x) => averagePool(x, 3)),
      of("by 3 and 2", [normal(2, 1, 3, 4)], (x) => averagePool(x, [3, 2])),
    ],
  },
  {
    name: "loop",
    fixed: [
      of(
        "a captured tensor",
        [normal(3), normal(3)],
        (x, c) => loop(3, [x], (_, [s]) => [sin(mul(s!, c))])[0]!,
      ),
      of("two states, one passed through", [normal(2), normal(2)], (x, y) => {
        const [a, b] = loop(3, [x, y], (_, [s, t]) => [t!, mul(s!, t!)]);
        return add(a!, b!);
      }),
      of("an unchanged state", [normal(2), normal(2)], (x, y) => {
        const [a] = loop(2, [x, y], (_, [s, t]) => [mul(s!, t!), t!]);
        return a!;
      }),
      of("the turn number", [normal(4, 2)], (x) => {
        const [s] = loop(4, [expand(sum(x), [2])], (i, [s]) => [mul(sin(s!), gather(x, i))]);
        return s!;
      }),
      of("an integer state", [normal(5, 2), normal(2)], (x, y) => {
        const one = reshape(integers([1]), []);
        const [s] = loop(2, [y, one], (_, [s, k]) => [mul(s!, gather(x, k!)), add(k!, one)]);
        return s!;
      }),
      of("a captured value computed outside", [normal(2, 2), normal(2, 2)], (x, w) => {
        const outside = tanh(matmul(w, w));
        const [s] = loop(3, [x], (_, [s]) => [sin(add(matmul(s!, outside), w))]);
        return mul(s!, outside);
      }),
      of("no turns", [normal(3), normal(3)], (x, c) => mul(loop(0, [x], (_, [s]) => [mul(s!, c)])[0]!, x)),
      of("one turn of a constant state", [normal(3)], (x) => loop(1, [x], () => [square(x)])[0]!),
      of("nested", [normal(2), normal(2)], (x, c) => {
        const [s] = loop(2, [x], (_, [outer]) => {
          const [t] = loop(2, [outer!], (_, [inner]) => [sin(add(mul(inner!, c), outer!))]);
          return [mul(t!, outer!)];
        });
        return s!;
      }),
      of("one loop after another", [normal(3)], (x) => {
        const [a] = loop(2, [x], (_, [s]) => [sin(s!)]);
        const [b] = loop(2, [x], (_, [s]) => [mul(s!, a!)]);
        return add(b!, a!);
      }),
      of("a convolution inside", [normal(1, 1, 4, 4), normal(1, 1, 3, 3)], (x, w) => {
        const [s] = loop(2, [x], (_, [s]) => [tanh(conv2d(s!, w, undefined, { padding: 1 }))]);
        return s!;
      }),
    ],
  },
  {
    name: "scan",
    fixed: [
      of("states and stacked values", [normal(2), normal(2)], (x, c) => {
        const { states, stacked } = scan(3, [x], (_, [s]) => ({
          states: [sin(add(s!, c))],
          stacked: [mul(s!, c)],
        }));
        return add(states[0]!, sum(square(stacked[0]!), [0]));
      }),
      of("only stacked values used", [normal(2)], (x) => {
        const { stacked } = scan(3, [x], (_, [s]) => ({ states: [sin(s!)], stacked: [s!, x] }));
        return mul(stacked[0]!, stacked[1]!);
      }),
    ],
  },
];
