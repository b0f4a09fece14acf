import { ShapeError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { reshape, sum } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { transpose } from "../ops/movement.ts";
import type { Tensor } from "../tensor.ts";
import type { NodeReader } from "./node-reader.ts";

/** A tensor whose axes have letters. */
interface Lettered {
  readonly letters: readonly string[];
  readonly x: Tensor;
}

/**
 * Einstein's sums, "bij,bjk->bik": operand after operand by matrix products. Letters that only one operand of a product has, and
 * nothing later needs, are summed first. An ellipsis, and a letter twice in one operand, are not supported.
 */
export function einsum(n: NodeReader): Tensor {
  const equation = n.text("equation", "").replaceAll(" ", "");
  const [left = "", right] = equation.split("->");
  const terms = left.split(",");
  if (!/^[a-zA-Z,]*$/.test(left + (right ?? "")) || terms.some(hasTwice))
    throw n.unsupported(`the equation ${equation}`);
  if (terms.length !== n.inputs.length)
    throw new ShapeError(`Einsum: ${n.inputs.length} terms expected, got "${equation}".`);
  const operands = terms.map((term, k) => lettered(term, n.input(k), equation));
  const wanted = right === undefined ? onceIn(terms) : [...right];
  const last = operands.slice(1).reduce((sofar, next, k) => {
    const later = new Set([...wanted, ...operands.slice(k + 2).flatMap(({ letters }) => letters)]);
    return product(sofar, next, later);
  }, operands[0]!);
  return arranged(summed(last, new Set(wanted)), wanted);
}

const hasTwice = (term: string) => new Set(term).size !== term.length;

/** Letters that occur once, in order: what is left where no result is named. */
function onceIn(terms: readonly string[]): string[] {
  const all = terms.join("");
  return [...all].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
}

function lettered(term: string, x: Tensor, equation: string): Lettered {
  if (term.length !== x.shape.length)
    throw new ShapeError(`Einsum: "${equation}" does not fit an operand of shape ${formatShape(x.shape)}.`);
  return { letters: [...term], x };
}

/** Sums over the letters that are not kept. */
function summed({ letters, x }: Lettered, kept: ReadonlySet<string>): Lettered {
  const axes = letters.flatMap((letter, axis) => (kept.has(letter) ? [] : [axis]));
  return { letters: letters.filter((letter) => kept.has(letter)), x: sum(x, axes) };
}

/** The axes in the order of the letters. */
function arranged({ letters, x }: Lettered, order: readonly string[]): Tensor {
  return transpose(
    x,
    order.map((letter) => {
      const axis = letters.indexOf(letter);
      if (axis < 0) throw new ShapeError(`Einsum: no operand has the letter ${letter} of the result.`);
      return axis;
    }),
  );
}

/** The product of two operands, summed over what both have and nothing later needs. */
function product(first: Lettered, second: Lettered, later: ReadonlySet<string>): Lettered {
  const a = summed(first, new Set([...second.letters, ...later]));
  const b = summed(second, new Set([...first.letters, ...later]));
  const inBoth = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = inBoth.filter((letter) => later.has(letter));
  const inner = inBoth.filter((letter) => !later.has(letter));
  const rows = a.letters.filter((letter) => !inBoth.includes(letter));
  const columns = b.letters.filter((letter) => !inBoth.includes(letter));
  const sizes = (of: Lettered, letters: readonly string[]) =>
    letters.map((letter) => of.x.shape[of.letters.indexOf(letter)]!);
  const count = (of: Lettered, letters: readonly string[]) =>
    sizes(of, letters).reduce((total, size) => total * size, 1);
  const left = reshape(arranged(a, [...batch, ...rows, ...inner]), [
    ...sizes(a, batch),
    ...[count(a, rows), count(a, inner)],
  ]);
  const right = reshape(arranged(b, [...batch, ...inner, ...columns]), [
    ...sizes(b, batch),
    ...[count(b, inner), count(b, columns)],
  ]);
  const shape = [...sizes(a, batch), ...sizes(a, rows), ...sizes(b, columns)];
  return { letters: [...batch, ...rows, ...columns], x: reshape(matmul(left, right), shape) };
}
