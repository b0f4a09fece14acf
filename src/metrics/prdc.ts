import { firstNonFinite, type HostArray, hostArray } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";
import { input, matmul } from "../graph/index.ts";
import { compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** How well two sets of feature vectors cover each other. All figures are shares, except density, which may exceed 1. */
export interface Prdc {
  /** Share of fake samples inside a ball around some real one [Kynkaanniemi19]. */
  readonly precision: number;
  /** Share of real samples inside a ball around some fake one [Kynkaanniemi19]. */
  readonly recall: number;
  /** Balls around real samples that hold a fake one, divided by k, on average over fake samples [Naeem20]. */
  readonly density: number;
  /** Share of real samples whose ball holds a fake one [Naeem20]. */
  readonly coverage: number;
  /** Samples that k others of their set equal: the balls around them are empty, and lower all figures. */
  readonly repeated: { readonly real: number; readonly fake: number };
}

/** Options of `prdc`. */
export interface PrdcOptions {
  /** k: the ball around a sample reaches to its k-th nearest neighbour in its own set. */
  readonly neighbours?: number;
  /** Called between blocks, with the share of the work done; what it throws ends the work. */
  readonly onProgress?: (share: number) => void;
}

/** [Naeem20] takes 5, [Kynkaanniemi19] 3. */
export const PRDC_DEFAULTS = { neighbours: 5 } as const;

type Features = HostArray<"float32" | "float64">;

/** Squared radii below this part of |x|^2 are rounding: those samples are equal. */
const EQUAL = 1e-12;

/** Vectors of a block. Its matrix of distances, 2 MB, is all that is held of the n x m. */
const BLOCK = 512;

/**
 * Precision, recall, density and coverage of `fake` against `real`. With r(x) the distance of x to its k-th nearest
 * neighbour in its own set, and |.| Euclidean:
 *   precision = mean_j [ exists i: |x_i - y_j| < r(x_i) ],   recall = mean_i [ exists j: |x_i - y_j| < r(y_j) ],
 *   density = mean_j sum_i [ |x_i - y_j| < r(x_i) ] / k,     coverage = mean_i [ min_j |x_i - y_j| < r(x_i) ]
 * [Kynkaanniemi19, eq. 1-2], [Naeem20, eq. 3-4]; x real, y fake. Invariant to scaling, rotation and shift of both sets.
 * Balls are open, as in the package prdc; torch-fidelity takes closed ones, which differs only between equal distances.
 * Distances come in blocks from |x|^2 + |y|^2 - 2 x'y about the mean of the real set, in float64, products by the engine:
 * time grows as (n + m)^2 D, memory as (n + m) D.
 * @param real [n, D], n > k        @param fake [m, D], m > k
 * @throws ConfigError if k is not a positive integer, DataError if a set has no k neighbours or a number is not finite
 */
export async function prdc(
  real: Features,
  fake: Features,
  options: PrdcOptions = {},
  engine: EngineOptions = {},
): Promise<Prdc> {
  const k = options.neighbours ?? PRDC_DEFAULTS.neighbours;
  if (!Number.isSafeInteger(k) || k < 1)
    throw new ConfigError(`prdc: neighbours must be an integer >= 1, got ${k}.`);
  const { D } = expectShape(real.shape, ["n", "D"], "prdc: real");
  expectShape(fake.shape, ["m", D], "prdc: fake");
  const origin = meanOf(real, D);
  const [x, y] = [centre(real, origin, k, "real"), centre(fake, origin, k, "fake")];
  const program = await productProgram(D);
  const total = x.blocks ** 2 + y.blocks ** 2 + x.blocks * y.blocks;
  let done = 0;
  const step = () => options.onProgress?.(++done / total);
  try {
    const radii = await squaredRadii(program, x, k, step);
    const fakeRadii = await squaredRadii(program, y, k, step);
    return await compare(program, x, y, radii, fakeRadii, k, step);
  } finally {
    await program.release();
  }

  function productProgram(D: number): Promise<Program> {
    const [a, b] = [input([BLOCK, D], "float64"), input([D, BLOCK], "float64")];
    return compile({ inputs: { a, b }, outputs: { product: matmul(a, b) } }, engine);
  }
}

/** Vectors about a common origin, with their squared lengths. */
interface Cloud {
  readonly count: number;
  readonly blocks: number;
  readonly squares: Float64Array;
  /** Rows [I BLOCK, (I + 1) BLOCK), filled up with zeros. */
  readonly block: (I: number) => HostArray<"float64">;
  /** The same transposed. */
  readonly transposed: (I: number) => HostArray<"float64">;
}

function meanOf({ data, shape }: Features, D: number): Float64Array {
  const mean = new Float64Array(D);
  for (let i = 0; i < data.length; i++) mean[i % D]! += data[i]! / shape[0]!;
  return mean;
}

function centre({ data, shape }: Features, origin: Float64Array, k: number, which: string): Cloud {
  const [count, D] = shape as [number, number];
  if (count <= k)
    throw new DataError(
      `prdc: expected more than ${k} samples, so that each has ${k} neighbours, found ${count} in the ${which} set. Draw more samples.`,
    );
  const bad = firstNonFinite(data);
  if (bad >= 0)
    throw new DataError(`prdc: expected finite features, found ${data[bad]} in the ${which} set.`);
  const squares = new Float64Array(count);
  for (let i = 0; i < data.length; i++) squares[Math.floor(i / D)]! += (data[i]! - origin[i % D]!) ** 2;
  const fill = (I: number, place: (row: number, d: number) => number, size: readonly number[]) => {
    const out = new Float64Array(BLOCK * D);
    const end = Math.min(count - I * BLOCK, BLOCK);
    for (let row = 0; row < end; row++)
      for (let d = 0; d < D; d++) out[place(row, d)] = data[(I * BLOCK + row) * D + d]! - origin[d]!;
    return hostArray("float64", size, out);
  };
  return {
    count,
    blocks: Math.ceil(count / BLOCK),
    squares,
    block: (I) => fill(I, (row, d) => row * D + d, [BLOCK, D]),
    transposed: (I) => fill(I, (row, d) => d * BLOCK + row, [D, BLOCK]),
  };
}

/** Calls `visit` with the squared distance of every pair, a block of x after the other. */
async function distances(
  program: Program,
  x: Cloud,
  y: Cloud,
  step: () => void,
  visit: (i: number, j: number, squared: number) => void,
): Promise<void> {
  for (let I = 0; I < x.blocks; I++) {
    const a = x.block(I);
    for (let J = 0; J < y.blocks; J++) {
      const { product } = await program.run({ a, b: y.transposed(J) });
      const [iEnd, jEnd] = [Math.min(x.count, (I + 1) * BLOCK), Math.min(y.count, (J + 1) * BLOCK)];
      for (let i = I * BLOCK; i < iEnd; i++)
        for (let j = J * BLOCK; j < jEnd; j++) {
          const dot = Number(product!.data[(i % BLOCK) * BLOCK + (j % BLOCK)]);
          visit(i, j, Math.max(0, x.squares[i]! + y.squares[j]! - 2 * dot));
        }
      step();
    }
  }
}

/** Squared distances to the k-th nearest other point, [count]. */
async function squaredRadii(program: Program, x: Cloud, k: number, step: () => void): Promise<Float64Array> {
  const nearest = new Float64Array(x.count * k).fill(Number.POSITIVE_INFINITY); // ascending in each row
  await distances(program, x, x, step, (i, j, squared) => {
    if (i === j || squared >= nearest[i * k + k - 1]!) return;
    let at = i * k + k - 1;
    for (; at > i * k && nearest[at - 1]! > squared; at--) nearest[at] = nearest[at - 1]!;
    nearest[at] = squared;
  });
  return Float64Array.from({ length: x.count }, (_, i) => {
    const radius = nearest[i * k + k - 1]!;
    return radius <= EQUAL * x.squares[i]! ? 0 : radius;
  });
}

async function compare(
  program: Program,
  x: Cloud,
  y: Cloud,
  radii: Float64Array,
  fakeRadii: Float64Array,
  k: number,
  step: () => void,
): Promise<Prdc> {
  const balls = new Uint32Array(y.count); // around real samples, that hold each fake one
  const reached = new Uint8Array(x.count); // by the ball of some fake sample
  const covered = new Uint8Array(x.count);
  await distances(program, x, y, step, (i, j, squared) => {
    if (squared < radii[i]!) {
      balls[j]!++;
      covered[i] = 1;
    }
    if (squared < fakeRadii[j]!) reached[i] = 1;
  });
  const sum = (values: ArrayLike<number>) => {
    let total = 0;
    for (let i = 0; i < values.length; i++) total += values[i]!;
    return total;
  };
  const zeros = (values: Float64Array) => values.filter((value) => value === 0).length;
  return {
    precision: sum(balls.map((count) => Math.min(count, 1))) / y.count,
    recall: sum(reached) / x.count,
    density: sum(balls) / (k * y.count),
    coverage: sum(covered) / x.count,
    repeated: { real: zeros(radii), fake: zeros(fakeRadii) },
  };
}
