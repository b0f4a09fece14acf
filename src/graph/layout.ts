import { sameShape, sizeOf } from "../core/shape.ts";
import { blockedConvOp, reorderInput, reorderOutput, reorderOutputOp } from "./ops/blocked.ts";
import {
  affine,
  averageBlocks,
  channelMean,
  lanesOf,
  scaleInputs,
  scaleOutputs,
  spreadLanes,
  sumPixels,
  takeLane,
  upsample,
  withAdded,
  withBias,
} from "./ops/blocked-image.ts";
import { reshape, sum } from "./ops/broadcast.ts";
import { neg } from "./ops/elementwise.ts";
import { concat, pad, slice } from "./ops/movement.ts";
import { node, type Tensor } from "./tensor.ts";
import { dependents, reachable, rewrite } from "./traverse.ts";

/**
 * Keeps images in the engine's blocked layout between convolutions. `lower` puts every convolution between a reordering
 * into blocks and one back; here the operators in between move in front of the reordering, so that reorderings meet:
 *   ReorderInput(ReorderOutput(z)) = z,   f(ReorderOutput(z), ...) = ReorderOutput(f'(z, ...))
 * and some join a convolution, which adds a bias and another image on its way. What has no rule stays as it is.
 * @param b channels in a block; 1 where the engine has no such layout
 * @param roots for the body of a loop, its placeholders
 */
export function keepBlocked(outputs: readonly Tensor[], b: number, roots?: readonly Tensor[]): Tensor[] {
  if (b === 1) return [...outputs];
  const order = reachable(outputs);
  const uses = countUses(outputs, order);
  const inside = roots && dependents(order, roots);
  const visit = (t: Tensor, original: Tensor) => {
    const alone = (k: number) => {
      const from = original.inputs[k]!;
      return uses.get(from) === 1 && (inside === undefined || inside.has(from));
    };
    return RULES[t.op.name]?.(t, { b, alone }) ?? (t.op.elementwise && elementwise(t, b)) ?? t;
  };
  return rewrite(outputs, visit, (results, inside) => keepBlocked(results, b, inside), roots);
}

function countUses(outputs: readonly Tensor[], order: readonly Tensor[]): ReadonlyMap<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const count = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1);
  outputs.forEach(count);
  for (const t of order) t.inputs.forEach(count);
  return uses;
}

interface Context {
  readonly b: number;
  /**
   * Whether nothing else needs the k-th input, so that the convolution it comes from may change. One outside a loop stays
   * there: changed, it would be computed in every turn.
   */
  readonly alone: (k: number) => boolean;
}

/** What a tensor on rewritten inputs is replaced by; undefined if it stays. */
type Rule = (t: Tensor, context: Context) => Tensor | undefined;

const RULES: Readonly<Record<string, Rule>> = {
  ReorderInput: (t) => blocks(t.inputs[0]!),
  BlockedConv: scaleInputs,
  Mul: (t, { alone }) =>
    eitherOrder(t, (image, other, k) => {
      if (!isPerChannel(other, t)) return undefined;
      const inside = other.shape[0] === 1 && image.op === blockedConvOp && alone(k);
      return inside ? scaleOutputs(image, other) : affine({ image, scale: other });
    }),
  Add: (t, { alone }) =>
    eitherOrder(t, (image, other) => (isPerChannel(other, t) ? withBias(image, other) : undefined)) ??
    eitherOrder(t, (image, other, k) =>
      sameShape(other.shape, t.shape) && (image.op !== blockedConvOp || alone(k))
        ? withAdded(image, blocks(other) ?? reorderInput(other))
        : undefined,
    ),
  Sub: (t) => {
    const [x, other] = t.inputs as [Tensor, Tensor];
    const image = blocks(x);
    const fits = image && sameShape(image.shape, t.shape) && isPerChannel(other, t);
    return fits ? reorderOutput(withBias(image, neg(other))) : undefined;
  },
  ReduceMean: (t, { b }) => {
    const image = blocks(t.inputs[0]!);
    return image && t.attributes.axes.join() === "1" ? takeLane(channelMean(image, b)) : undefined;
  },
  ReduceSum: (t) => {
    const image = blocks(t.inputs[0]!);
    const axes = t.attributes.axes.join();
    if (!image || (axes !== "2,3" && axes !== "0,2,3")) return undefined;
    const sums = sumPixels(image);
    return axes === "2,3" ? sums : sum(sums, [0], true);
  },
  Resize: (t) => {
    const image = blocks(t.inputs[0]!);
    return image && reorderOutput(upsample(image, t.attributes.scale));
  },
  AveragePool: (t) => {
    const image = blocks(t.inputs[0]!);
    return image && reorderOutput(averageBlocks(image, t.attributes.scale));
  },
  Pad: (t) => {
    const image = blocks(t.inputs[0]!);
    const { axes, before, after } = t.attributes;
    return image && axes.join() === "0" ? reorderOutput(pad(image, 0, before[0], after[0])) : undefined;
  },
  Concat: (t, { b }) => {
    const images = t.inputs.map(blocks);
    const whole =
      t.attributes.axis === 1 && t.inputs.every((x) => x.shape.length === 4 && x.shape[1]! % b === 0);
    if (!whole || images.every((image) => !image)) return undefined;
    return reorderOutput(
      concat(
        images.map((image, k) => image ?? reorderInput(t.inputs[k]!)),
        1,
      ),
    );
  },
  Slice: (t, { b }) => {
    const image = blocks(t.inputs[0]!);
    const { starts, ends, steps, axes } = t.attributes;
    if (image && axes.join() === "0") return reorderOutput(slice(image, 0, starts[0], ends[0], steps[0]));
    const whole = axes.join() === "1" && starts[0] % b === 0 && ends[0] % b === 0 && steps[0] === 1;
    return image && whole ? reorderOutput(slice(image, 1, starts[0], ends[0])) : undefined;
  },
};

/** The image in blocks that a plain one is reordered from, with all its channels. */
function blocks(x: Tensor): Tensor | undefined {
  const from = x.op === reorderOutputOp ? x.inputs[0]! : undefined;
  return from && sameShape(from.shape, x.shape) ? from : undefined;
}

/** A rule for two operands of which either may be the image in blocks, where that has the shape of the result. */
function eitherOrder(
  t: Tensor,
  rule: (image: Tensor, other: Tensor, k: number) => Tensor | undefined,
): Tensor | undefined {
  for (const k of [0, 1]) {
    const image = blocks(t.inputs[k]!);
    const result = image && sameShape(image.shape, t.shape) && rule(image, t.inputs[1 - k]!, k);
    if (result) return reorderOutput(result);
  }
  return undefined;
}

/** Factors or offsets per channel, [N or 1, C, 1, 1], next to images [N, C, H, W]. */
function isPerChannel(x: Tensor, { shape: [N, C, H, W] }: Tensor): boolean {
  const [n, ...rest] = x.shape;
  return (n === 1 || n === N) && sameShape(rest, [C!, 1, 1]) && H! * W! > 1;
}

/** An elementwise operator on images in blocks, numbers, and values per pixel or per sample. */
function elementwise(t: Tensor, b: number): Tensor | undefined {
  const { shape, dtype } = t;
  if (shape.length !== 4 || dtype !== "float32" || t.inputs.some((x) => x.dtype !== "float32"))
    return undefined;
  const on = (inputs: readonly Tensor[], to: readonly number[]) =>
    node(t.op, inputs, to, dtype, t.attributes);
  const lanes = (x: Tensor) => (sameShape(x.shape, shape) ? lanesOf(x) : undefined);
  if (shape[1] === 1 && t.inputs.some(lanes) && t.inputs.every((x) => lanes(x) ?? isNumber(x))) {
    const inputs = t.inputs.map((x) => lanes(x) ?? x);
    return takeLane(on(inputs, inputs.find((x) => !isNumber(x))!.shape));
  }
  const [N, C, H, W] = shape as [number, number, number, number];
  if (!t.inputs.some(blocks) || C % b !== 0) return undefined;
  const kinds = t.inputs.map((x) => {
    if (isNumber(x)) return "number";
    if (sameShape(x.shape, shape)) return "image";
    if (sameShape(x.shape, [N, 1, H, W])) return "pixel";
    return sameShape(x.shape, [N, 1, 1, 1]) ? "sample" : undefined;
  });
  if (kinds.includes(undefined)) return undefined;
  // Rows of numbers that meet the same number, or the same lanes: long ones, since the engine broadcasts row by row.
  const view = kinds.includes("pixel")
    ? [N, C / b, H * W * b]
    : kinds.includes("sample")
      ? [N, 1, C * H * W]
      : shape;
  const inputs = t.inputs.map((x, k) => {
    if (kinds[k] === "number") return reshape(x, []);
    if (kinds[k] === "pixel") return reshape(lanesOf(x) ?? spreadLanes(x, b), [N, 1, H * W * b]);
    if (kinds[k] === "sample") return reshape(x, [N, 1, 1]);
    return reshape(blocks(x) ?? reorderInput(x), view);
  });
  return reorderOutput(reshape(on(inputs, view), shape));
}

const isNumber = (x: Tensor) => sizeOf(x.shape) === 1;
