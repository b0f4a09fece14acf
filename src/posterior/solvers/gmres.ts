import { perSample } from "../../diffusion/denoiser.ts";
import {
  abs,
  add,
  and,
  cast,
  concat,
  div,
  expand,
  greater,
  matmul,
  maximum,
  mul,
  neg,
  not,
  reshape,
  scalar,
  split,
  sqrt,
  square,
  sub,
  type Tensor,
  where,
} from "../../graph/index.ts";
import {
  dot,
  type Product,
  type Solution,
  type SolverOptions,
  solvedBelow,
  unsolved,
} from "./linear-system.ts";

/** Rounding of float32: what is smaller than this, relative to what it is left of, holds no digit. */
const ROUNDING = 2 ** -23;

/**
 * Generalized minimal residuals for a batch of systems [Saad86], for any M: the v that minimizes |b - M v| among the
 * combinations of the directions made so far. Conjugate gradients assume that M is symmetric, but the Jacobian of a network need
 * not be. N steps cost N products, and the companion of v is the same combination of the companions of the directions.
 * With a preconditioner z = M^-1 q it is the flexible method [Saad93]: the directions are the z, and the residual stays that of
 * the given system. A sample stops, and keeps what it has, if it is solved or its newest direction adds nothing (M singular).
 *   M z_k = sum_i h_ik q_i,  q_i orthonormal, q_0 = b / |b|                                   (Arnoldi)
 *   rotations of rows turn h into a triangle R and |b| e_0 into g:  R y = g,  v = sum_k y_k z_k
 * What the rotations leave of g below the triangle is the residual.
 * @param product M p, with a companion
 * @param b right-hand sides, [B, ...M]
 */
export function gmres(product: Product, b: Tensor, options: SolverOptions): Solution {
  const { steps, tolerance, preconditioner = (q: Tensor) => q } = options;
  const asRow = (x: Tensor) => reshape(x, [b.shape[0]!, 1, -1]);
  const norm = dot(asRow(b), asRow(b));
  const floor = solvedBelow(norm, tolerance);
  const length = root(norm);
  const zeros = (like: Tensor) => expand(scalar(0), like.shape);
  const columns: Column[] = [];
  let basis = divided(asRow(b), length);
  let q = basis;
  let left = length;
  let largest = zeros(norm);
  let stopped = zeros(norm);
  let taken = zeros(norm);
  const directions = Array.from({ length: steps }, () => {
    const direction = preconditioner(reshape(q, b.shape));
    const made = product(direction);
    const arnoldi = orthogonalize(asRow(made.product), basis);
    largest = maximum(largest, arnoldi.size);
    const active = and(greater(square(left), floor), not(greater(stopped, 0)));
    const column = rotate(arnoldi, columns, { active, left, smallest: mul(largest, ROUNDING) });
    columns.push(column);
    taken = add(taken, cast(active, "float32"));
    stopped = add(stopped, cast(and(active, not(column.used)), "float32"));
    left = column.left;
    q = arnoldi.next;
    basis = concat([basis, q], 1);
    return { direction, companion: made.companion };
  });
  const y = backSubstitute(columns);
  const combine = (start: Tensor, parts: readonly Tensor[]) =>
    parts.reduce((total, part, k) => add(total, mul(perSample(y[k]!, part), part)), start);
  const figure = (values: Tensor) => perSample(values, b);
  return {
    solution: combine(
      zeros(b),
      directions.map(({ direction }) => direction),
    ),
    companion: combine(
      zeros(directions[0]?.companion ?? product(b).companion),
      directions.map(({ companion }) => companion),
    ),
    residual: figure(divided(abs(left), length)),
    steps: figure(taken),
    breakdown: figure(unsolved(stopped, square(left), norm)),
  };
}

/** M z_k in the basis; figures are [B, 1, 1]. */
interface Arnoldi {
  /** h_ik for i <= k */
  readonly along: readonly Tensor[];
  /** h_ik for i = k + 1, >= 0 */
  readonly across: Tensor;
  /** |M z_k| */
  readonly size: Tensor;
  /** q_(k+1), [B, 1, M]; zero where M z_k lies in the basis */
  readonly next: Tensor;
}

/** Takes w [B, 1, M] apart along the basis [B, k, M]; twice, which is enough for orthogonality to rounding [Giraud05]. */
function orthogonalize(w: Tensor, basis: Tensor): Arnoldi {
  const once = matmul(w, basis, { transB: true });
  const rough = sub(w, matmul(once, basis));
  const again = matmul(rough, basis, { transB: true });
  const rest = sub(rough, matmul(again, basis));
  const size = root(dot(w, w));
  const remaining = root(dot(rest, rest));
  const across = where(greater(remaining, mul(size, ROUNDING)), remaining, 0);
  const count = basis.shape[1]!;
  return {
    along: split(add(once, again), new Array(count).fill(1), 2),
    across,
    size,
    next: divided(rest, across),
  };
}

/** A column of the triangle R, the rotation that made it, and what it leaves of g; [B, 1, 1] each. */
interface Column {
  /** R_ik for i <= k */
  readonly entries: readonly Tensor[];
  readonly cosine: Tensor;
  readonly sine: Tensor;
  /** g_k */
  readonly target: Tensor;
  /** g_(k+1) before the next rotation: plus or minus |b - M v| */
  readonly left: Tensor;
  /** Whether the column takes part in the solution, bool. */
  readonly used: Tensor;
}

function rotate(
  { along, across }: Arnoldi,
  before: readonly Column[],
  { active, left, smallest }: Record<"active" | "left" | "smallest", Tensor>,
): Column {
  const entries = [...along];
  before.forEach(({ cosine, sine }, i) => {
    const [upper, lower] = [entries[i]!, entries[i + 1]!];
    entries[i] = add(mul(cosine, upper), mul(sine, lower));
    entries[i + 1] = sub(mul(cosine, lower), mul(sine, upper));
  });
  const last = entries.pop()!;
  const pivot = root(add(square(last), square(across)));
  const used = and(active, greater(pivot, smallest));
  const safe = where(used, pivot, 1);
  const cosine = where(used, div(last, safe), 1);
  const sine = where(used, div(across, safe), 0);
  return {
    entries: [...entries, safe],
    cosine,
    sine,
    target: mul(cosine, left),
    left: where(used, neg(mul(sine, left)), left),
    used,
  };
}

/** y with R y = g; zero where a column is not used. */
function backSubstitute(columns: readonly Column[]): Tensor[] {
  const y: Tensor[] = [];
  for (let k = columns.length - 1; k >= 0; k--) {
    const { entries, target, used } = columns[k]!;
    const known = columns
      .slice(k + 1)
      .reduce((sum, later, j) => sub(sum, mul(later.entries[k]!, y[k + 1 + j]!)), target);
    y[k] = where(used, div(known, entries[k]!), 0);
  }
  return y;
}

/** The square root, with derivative zero instead of infinity at zero. */
function root(x: Tensor): Tensor {
  const positive = greater(x, 0);
  return where(positive, sqrt(where(positive, x, 1)), 0);
}

/** x / length, zero where the length is zero. */
function divided(x: Tensor, length: Tensor): Tensor {
  const positive = greater(length, 0);
  return where(positive, div(x, where(positive, length, 1)), 0);
}
