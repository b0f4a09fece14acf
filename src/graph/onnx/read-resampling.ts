/** ONNX operators that take images, or signals, to other sizes or into other coordinates. */

import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, normalizeAxis } from "../../core/shape.ts";
import { expand, reshape } from "../ops/broadcast.ts";
import { maximum } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, flip, slice, transpose } from "../ops/movement.ts";
import { resizeNearest } from "../ops/resize.ts";
import { constant, scalar, type Tensor } from "../tensor.ts";
import type { NodeReader } from "./node-reader.ts";
import type { Builder } from "./read-arrays.ts";

/** Multiplies along an axis: y[.., i, ..] = sum_j M[i, j] x[.., j, ..]. @param M [size, size of the axis] */
function alongAxis(x: Tensor, axis: number, M: Tensor): Tensor {
  const last = x.shape.length - 1;
  if (axis === last) return matmul(x, M, { transB: true });
  const order = x.shape.map((_, k) => (k === axis ? last : k === last ? axis : k));
  return transpose(matmul(transpose(x, order), M, { transB: true }), order);
}

/** Where a pixel of the result lies among those of the input. */
type Place = (i: number) => number;

function placeOf(n: NodeReader, from: number, to: number, scale: number): Place {
  const rule = n.text("coordinate_transformation_mode", "half_pixel");
  const places: Readonly<Record<string, Place>> = {
    half_pixel: (i) => (i + 0.5) / scale - 0.5,
    pytorch_half_pixel: (i) => (to > 1 ? (i + 0.5) / scale - 0.5 : 0),
    align_corners: (i) => (to > 1 ? (i * (from - 1)) / (to - 1) : 0),
    asymmetric: (i) => i / scale,
  };
  const place = places[rule];
  if (!place) throw n.unsupported(`the rule ${rule}`);
  return place;
}

/** How a resize mixes the pixels of an axis. [to, from] */
function resizeMatrix(n: NodeReader, mode: string, from: number, to: number, scale: number): Tensor {
  expectBearable([to, from], "Resize");
  const place = placeOf(n, from, to, scale);
  const M = new Float32Array(to * from);
  const put = (i: number, j: number, weight: number) => {
    M[i * from + Math.min(Math.max(j, 0), from - 1)]! += weight;
  };
  for (let i = 0; i < to; i++) {
    const at = place(i);
    const low = Math.floor(at);
    if (mode === "nearest") put(i, roundPlace(n, at), 1);
    else if (mode === "linear") {
      const share = Math.min(Math.max(at, 0), from - 1) - Math.min(Math.max(low, 0), from - 1);
      put(i, low, 1 - share);
      put(i, low + 1, share);
    } else
      for (let k = -1; k <= 2; k++) put(i, low + k, cubic(at - low - k, n.float("cubic_coeff_a", -0.75)));
  }
  return constant(float32(M, [to, from]));
}

function roundPlace(n: NodeReader, at: number): number {
  const rule = n.text("nearest_mode", "round_prefer_floor");
  const rules: Readonly<Record<string, Place>> = {
    round_prefer_floor: (x) => Math.ceil(x - 0.5),
    round_prefer_ceil: (x) => Math.floor(x + 0.5),
    floor: Math.floor,
    ceil: Math.ceil,
  };
  const round = rules[rule];
  if (!round) throw n.unsupported(`nearest_mode ${rule}`);
  return round(at);
}

/** The kernel of cubic convolution [Keys81] at a distance. */
function cubic(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
}

/** Axis by axis a product with a constant matrix; pixels that are repeated whole times, without one. */
const resize: Builder = (n) => {
  const x = n.input(0);
  const mode = n.text("mode", "nearest");
  if (!["nearest", "linear", "cubic"].includes(mode)) throw n.unsupported(`the mode ${mode}`);
  n.only("antialias", 0);
  n.only("exclude_outside", 0);
  n.only("keep_aspect_ratio_policy", "stretch");
  const axes = (n.integers("axes") ?? x.shape.map((_, k) => k)).map((axis) =>
    normalizeAxis(axis, x.shape.length, "Resize"),
  );
  const given = n.has(3) ? n.constants(3) : n.constants(2);
  if (given.length !== axes.length)
    throw new ShapeError(`Resize: ${axes.length} sizes or scales expected, got ${given.length}.`);
  return axes.reduce((value, axis, k) => {
    const from = x.shape[axis]!;
    const to = n.has(3) ? given[k]! : Math.floor(from * given[k]!);
    const scale = n.has(3) ? to / from : given[k]!;
    if (!(Number.isSafeInteger(to) && to > 0 && scale > 0))
      throw new ShapeError(`Resize: positive sizes expected, got ${formatShape(given)}.`);
    return to === from && scale === 1
      ? value
      : alongAxis(value, axis, resizeMatrix(n, mode, from, to, scale));
  }, x);
};

/** Repeating pixels of images a whole number of times. About the pixels' centres, all ways to round to the nearest agree. */
const resizeNode: Builder = (n) => {
  const x = n.input(0);
  const isNearest = n.text("mode", "nearest") === "nearest" && x.shape.length === 4 && !n.integers("axes");
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const sizes = isNearest
    ? n.has(3)
      ? n.constants(3)
      : n.constants(2).map((scale, axis) => Math.floor(x.shape[axis]! * scale))
    : [];
  const scale = (sizes[2] ?? 0) / H;
  const isWhole = Number.isInteger(scale) && scale >= 1;
  if (!isWhole || formatShape(sizes) !== formatShape([N, C, H * scale, W * scale])) return resize(n);
  const rule = n.text("coordinate_transformation_mode", "half_pixel");
  const rounding = n.text("nearest_mode", "round_prefer_floor");
  const isCentred =
    ["half_pixel", "pytorch_half_pixel"].includes(rule) && rounding.startsWith("round_prefer");
  return isCentred || (rule === "asymmetric" && rounding === "floor") ? resizeNearest(x, scale) : resize(n);
};

/** What stands before and after an axis. */
function paddingOf(n: NodeReader, x: Tensor, axis: number, before: number, after: number) {
  const mode = n.text("mode", "constant");
  const size = x.shape[axis]!;
  const repeated = (part: Tensor, times: number) =>
    expand(
      part,
      x.shape.map((length, k) => (k === axis ? times : length)),
    );
  if (mode === "constant") {
    const value = n.has(2) ? (n.constants(2)[0] ?? 0) : 0;
    const same = (times: number) => repeated(scalar(value), times);
    return [same, same].map((make, k) => ({ size: [before, after][k]!, make }));
  }
  if (mode === "edge")
    return [
      { size: before, make: (times: number) => repeated(slice(x, axis, 0, 1), times) },
      { size: after, make: (times: number) => repeated(slice(x, axis, size - 1, size), times) },
    ];
  if (mode !== "reflect" && mode !== "wrap") throw n.unsupported(`the mode ${mode}`);
  const least = mode === "reflect" ? size - 1 : size;
  if (before > least || after > least)
    throw new ShapeError(
      `Pad: ${mode} of at most ${least} expected on axis ${axis}, got ${before} and ${after}.`,
    );
  if (mode === "wrap")
    return [
      { size: before, make: (times: number) => slice(x, axis, size - times, size) },
      { size: after, make: (times: number) => slice(x, axis, 0, times) },
    ];
  return [
    { size: before, make: (times: number) => flip(slice(x, axis, 1, times + 1), [axis]) },
    { size: after, make: (times: number) => flip(slice(x, axis, size - 1 - times, size - 1), [axis]) },
  ];
}

/** Padding of each axis in turn, by a value or by what is there; negative padding cuts. */
const padNode: Builder = (n) => {
  const pads = n.constants(1);
  const axes = n.has(3) ? n.constants(3) : n.input(0).shape.map((_, k) => k);
  return axes.reduce((value, given, k) => {
    const axis = normalizeAxis(given, value.shape.length, "Pad");
    const [before, after] = [pads[k] ?? 0, pads[k + axes.length] ?? 0];
    const cut = slice(value, axis, Math.max(-before, 0), value.shape[axis]! + Math.min(after, 0));
    const [left, right] = paddingOf(n, cut, axis, Math.max(before, 0), Math.max(after, 0)) as [Part, Part];
    const parts = [
      left.size > 0 ? left.make(left.size) : [],
      cut,
      right.size > 0 ? right.make(right.size) : [],
    ];
    return concat(parts.flat(), axis);
  }, n.input(0));
};

interface Part {
  readonly size: number;
  readonly make: (times: number) => Tensor;
}

/** exp(-+ 2 pi i j n / N) as [Re | Im] rows; real and imaginary parts are the last axis of a signal. */
const dft: Builder = (n) => {
  const x = n.input(0);
  const rank = x.shape.length;
  const axis = normalizeAxis(
    n.has(2) ? n.constants(2)[0]! : n.integer("axis", n.opset < 20 ? 1 : -2),
    rank,
    "DFT",
  );
  const isInverse = n.integer("inverse", 0) === 1;
  const size = x.shape[axis]!;
  const N = n.has(1) ? n.constants(1)[0]! : size;
  const parts = x.shape.at(-1)!;
  if (parts > 2 || axis === rank - 1)
    throw new ShapeError(
      `DFT: real or complex numbers in the last axis expected, got ${formatShape(x.shape)}.`,
    );
  const kept = n.integer("onesided", 0) === 1 ? Math.floor(N / 2) + 1 : N;
  const used = Math.min(size, N);
  const moved = transposeToEnd(slice(x, axis, 0, used), axis);
  const M = dftMatrix({ N, kept, used, parts, isInverse });
  const flat = reshape(moved, [-1, used * parts]);
  const y = reshape(matmul(flat, M), [...moved.shape.slice(0, -2), kept, 2]);
  return transposeFromEnd(y, axis);
};

function dftMatrix(of: { N: number; kept: number; used: number; parts: number; isInverse: boolean }): Tensor {
  const { N, kept, used, parts, isInverse } = of;
  expectBearable([used * parts, kept * 2], "DFT");
  const M = new Float32Array(used * parts * kept * 2);
  for (let j = 0; j < used; j++)
    for (let k = 0; k < kept; k++) {
      const angle = ((isInverse ? 2 : -2) * Math.PI * ((j * k) % N)) / N;
      const [c, s] = [Math.cos(angle), Math.sin(angle)].map((value) => value / (isInverse ? N : 1)) as [
        number,
        number,
      ];
      const at = (part: number) => (j * parts + part) * kept * 2 + k * 2;
      M.set([c, s], at(0));
      if (parts === 2) M.set([-s, c], at(1));
    }
  return constant(float32(M, [used * parts, kept * 2]));
}

/** Brings an axis next to the last one, and back. */
function transposeToEnd(x: Tensor, axis: number): Tensor {
  const last = x.shape.length - 1;
  const others = x.shape.flatMap((_, k) => (k === axis || k === last ? [] : [k]));
  return transpose(x, [...others, axis, last]);
}
function transposeFromEnd(y: Tensor, axis: number): Tensor {
  const last = y.shape.length - 1;
  const order = Array.from({ length: last - 1 }, (_, k) => k);
  order.splice(axis, 0, last - 1);
  return transpose(y, [...order, last]);
}

/** Largest of each window, tap after tap; of equal ones the first in order of rows has the derivative, as in PyTorch. */
const maxPool: Builder = (n) => {
  if (n.outputs > 1) throw n.unsupported("the indices");
  n.only("ceil_mode", 0);
  if (!["NOTSET", "VALID"].includes(n.text("auto_pad", "NOTSET"))) throw n.unsupported("auto_pad");
  const kernel = n.integers("kernel_shape") ?? [];
  const spatial = n.input(0).shape.length - 2;
  const each = (name: string, fallback: number) => n.integers(name) ?? kernel.map(() => fallback);
  const [strides, dilations] = [each("strides", 1), each("dilations", 1)];
  const pads = n.integers("pads") ?? Array.from({ length: 2 * spatial }, () => 0);
  if (kernel.length !== spatial || pads.some((size) => size < 0))
    throw new ShapeError(`MaxPool: a window of ${spatial} axes expected, got ${formatShape(kernel)}.`);
  return kernel.reduceRight((value, size, k) => {
    const axis = k + 2;
    const padded = surround(value, axis, pads[k]!, pads[k + spatial]!);
    const reach = (size - 1) * dilations[k]!;
    const count = Math.floor((padded.shape[axis]! - reach - 1) / strides[k]!) + 1;
    if (count < 1) throw new ShapeError(`MaxPool: a window within ${formatShape(padded.shape)} expected.`);
    const taps = Array.from({ length: size }, (_, tap) => {
      const start = tap * dilations[k]!;
      return slice(padded, axis, start, start + (count - 1) * strides[k]! + 1, strides[k]!);
    });
    return taps.reduce((largest, tap) => maximum(largest, tap));
  }, n.input(0));
};

/** Padding below every number. */
function surround(x: Tensor, axis: number, before: number, after: number): Tensor {
  const side = (size: number) =>
    size === 0
      ? []
      : [
          expand(
            scalar(Number.NEGATIVE_INFINITY),
            x.shape.map((length, k) => (k === axis ? size : length)),
          ),
        ];
  return concat([...side(before), x, ...side(after)], axis);
}

/** Builders by the type of the node. */
export const RESAMPLING_BUILDERS: Readonly<Record<string, Builder>> = {
  Resize: resizeNode,
  Pad: padNode,
  DFT: dft,
  MaxPool: maxPool,
};
