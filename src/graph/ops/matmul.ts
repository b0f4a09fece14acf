import { ShapeError } from "../../core/errors.ts";
import { broadcastShapes, formatShape, sizeOf } from "../../core/shape.ts";
import { node, type Op, type Tensor } from "../tensor.ts";
import { reshape, sumTo } from "./broadcast.ts";
import { transpose } from "./movement.ts";

type Flags = { readonly transA?: boolean; readonly transB?: boolean };

const matmulOp: Op = {
  name: "MatMul",
  // FusedMatMul reads a transposed operand in place, which saves a Transpose node.
  lower: ({ attributes: { transA, transB } }) =>
    transA || transB
      ? { type: "FusedMatMul", domain: "com.microsoft", attributes: { transA: +transA, transB: +transB } }
      : { attributes: {} },
  expand: (t, { freeBatch }) => {
    const [a, b] = t.inputs as [Tensor, Tensor];
    const { transA, transB } = t.attributes as Required<Flags>;
    if (freeBatch === undefined || !(transA || transB)) return undefined;
    return matmul(transA ? transpose(a) : a, transB ? transpose(b) : b);
  },
  // With P = op(A) op(B): dP/dop(A) is G op(B)', dP/dop(B) is op(A)' G; a transposed operand transposes the rule.
  vjp: (t, g) => {
    const [a, b] = t.inputs as [Tensor, Tensor];
    const { transA, transB } = t.attributes as Required<Flags>;
    const da = transA ? matmul(b, g, { transA: transB, transB: true }) : matmul(g, b, { transB: !transB });
    // Weights shared by a batch: one product over all its rows, not a product per sample and then their sum.
    const [left, right] = b.shape.length === 2 && !transA ? [mergeRows(a), mergeRows(g)] : [a, g];
    const db = transB
      ? matmul(right, left, { transA: true, transB: transA })
      : matmul(left, right, { transA: !transA });
    return [sumTo(da, a.shape), sumTo(db, b.shape)];
  },
};

/** Matrix product over the last two axes; the axes before them broadcast. */
export function matmul(a: Tensor, b: Tensor, { transA = false, transB = false }: Flags = {}): Tensor {
  const [rows, innerA] = lastTwo(a, transA);
  const [innerB, columns] = lastTwo(b, transB);
  if (innerA !== innerB)
    throw new ShapeError(
      `matmul: inner sizes differ: ${formatShape(a.shape)}${transA ? "'" : ""} and ${formatShape(b.shape)}${transB ? "'" : ""}.`,
    );
  if (a.dtype !== b.dtype) throw new ShapeError(`matmul: dtypes ${a.dtype} and ${b.dtype} differ. Cast one.`);
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), "matmul");
  return node(matmulOp, [a, b], [...batch, rows, columns], a.dtype, { transA, transB });
}

function lastTwo(x: Tensor, transposed: boolean): [number, number] {
  if (x.shape.length < 2)
    throw new ShapeError(
      `matmul: at least 2 axes expected, got ${formatShape(x.shape)}. Reshape vectors first.`,
    );
  const [m, n] = x.shape.slice(-2) as [number, number];
  return transposed ? [n, m] : [m, n];
}

const mergeRows = (x: Tensor) => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
