import { ShapeError } from "../../core/errors.ts";
import { normalizeAxis } from "../../core/shape.ts";
import { expand } from "../ops/broadcast.ts";
import { concat, flip, slice } from "../ops/movement.ts";
import { scalar, type Tensor } from "../tensor.ts";
import type { NodeReader } from "./node-reader.ts";
import type { Builder } from "./read-arrays.ts";

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
export const padNode: Builder = (n) => {
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
