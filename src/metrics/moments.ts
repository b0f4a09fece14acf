import { firstNonFinite, type HostArray, rows } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";

/** Mean and covariance of a set of vectors, in float64. */
export interface Moments {
  /** Number of vectors, n. */
  readonly count: number;
  /** mu, [D] */
  readonly mean: Float64Array;
  /** S = sum (x - mu)(x - mu)' / (n - 1), row-major [D, D]. */
  readonly covariance: Float64Array;
}

/** Rows that enter the sums together. The block is [D, 256], small enough to stay in a processor's cache at D = 64. */
const BLOCK = 256;

/**
 * Mean and covariance of vectors that come in parts, in one pass and in memory of D^2 numbers [Chan83].
 * With n vectors behind and a block of m, of mean b and scatter B = sum (x - b)(x - b)', and d = b - mu:
 *   M <- M + B + d d' n m / (n + m),   mu <- mu + d m / (n + m),   n <- n + m;   S = M / (n - 1)
 * Unlike sums of squares it loses no digits when the mean is large. Time grows as n D^2.
 */
export class RunningMoments {
  readonly #features: number;
  readonly #mean: Float64Array;
  /** M; only the lower triangle is kept up. */
  readonly #scatter: Float64Array;
  /** The block, centred and transposed: products of two features then run over contiguous memory. */
  readonly #block: Float64Array;
  readonly #delta: Float64Array;
  #count = 0;

  /** @param features length of each vector, D        @throws ConfigError if not a positive integer */
  constructor(features: number) {
    if (!Number.isSafeInteger(features) || features < 1)
      throw new ConfigError(`RunningMoments: features must be an integer >= 1, got ${features}.`);
    this.#features = features;
    this.#mean = new Float64Array(features);
    this.#scatter = new Float64Array(features * features);
    this.#block = new Float64Array(features * BLOCK);
    this.#delta = new Float64Array(features);
  }

  /** Takes in more vectors, all or none. @param x [B, D]        @throws ShapeError, DataError if one is not finite */
  add(x: HostArray<"float32" | "float64">): void {
    const { B } = expectShape(x.shape, ["B", this.#features], "RunningMoments: rows");
    const bad = firstNonFinite(x.data);
    if (bad >= 0) {
      const [row, feature] = [Math.floor(bad / this.#features), bad % this.#features];
      throw new DataError(
        `RunningMoments: expected finite features, found ${x.data[bad]} in row ${row}, feature ${feature}. Leave that row out.`,
      );
    }
    for (let start = 0; start < B; start += BLOCK)
      this.#addBlock(rows(x, start, Math.min(start + BLOCK, B)).data);
  }

  /** The moments so far, as copies. @throws DataError if fewer than two vectors came in */
  moments(): Moments {
    const D = this.#features;
    if (this.#count < 2)
      throw new DataError(`RunningMoments: expected 2 rows or more, found ${this.#count}. Add more rows.`);
    const covariance = new Float64Array(D * D);
    for (let i = 0; i < D; i++)
      for (let j = 0; j <= i; j++) {
        const value = this.#scatter[i * D + j]! / (this.#count - 1);
        covariance[i * D + j] = value;
        covariance[j * D + i] = value;
      }
    return { count: this.#count, mean: this.#mean.slice(), covariance };
  }

  #addBlock(data: ArrayLike<number>): void {
    const D = this.#features;
    const m = data.length / D;
    const n = this.#count;
    for (let i = 0; i < D; i++) {
      let sum = 0;
      for (let row = 0; row < m; row++) sum += data[row * D + i]!;
      const b = sum / m;
      for (let row = 0; row < m; row++) this.#block[i * m + row] = data[row * D + i]! - b;
      this.#delta[i] = b - this.#mean[i]!;
    }
    const weight = (n * m) / (n + m);
    for (let i = 0; i < D; i++)
      for (let j = 0; j <= i; j++)
        this.#scatter[i * D + j]! += this.#product(i, j, m) + this.#delta[i]! * this.#delta[j]! * weight;
    for (let i = 0; i < D; i++) this.#mean[i]! += (this.#delta[i]! * m) / (n + m);
    this.#count = n + m;
  }

  /** B_ij of the block of m rows. */
  #product(i: number, j: number, m: number): number {
    const block = this.#block;
    let sum = 0;
    for (let row = 0; row < m; row++) sum += block[i * m + row]! * block[j * m + row]!;
    return sum;
  }
}

/** Mean and covariance of the rows of a matrix. @param x [n, D], n >= 2        @throws ShapeError, DataError */
export function momentsOf(x: HostArray<"float32" | "float64">): Moments {
  const { D } = expectShape(x.shape, ["n", "D"], "momentsOf: rows");
  const running = new RunningMoments(D);
  running.add(x);
  return running.moments();
}
