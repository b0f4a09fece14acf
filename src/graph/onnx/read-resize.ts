import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, normalizeAxis } from "../../core/shape.ts";
import { matmul } from "../ops/matmul.ts";
import { transpose } from "../ops/movement.ts";
import { resizeNearest } from "../ops/resize.ts";
import { constant, type Tensor } from "../tensor.ts";
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
export const resizeNode: Builder = (n) => {
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
