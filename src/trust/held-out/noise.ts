import type { HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { addGram, choleskyFactor, inverseOf, timesVector, transposedTimes } from "../../gaussian/dense.ts";

/** Entries of an observation whose noise is known, and those whose noise is to be drawn. */
export interface NoiseQuestion {
  readonly shown: readonly number[];
  readonly hidden: readonly number[];
  /** Variance of the noise of each entry of y, besides the patterns. */
  readonly variance: (entry: number) => number;
  /** L of Sigma_y = diag(d) + L L', [...observationShape, q]. */
  readonly patterns: HostArray<"float32"> | undefined;
}

/**
 * A draw of the noise n_2 on hidden entries given that on the others, n_1 = y_1 - A_1 x. They are independent but for the
 * patterns that they share: n = sqrt(d) w + L u, with
 *   u | n_1 ~ N(K^-1 L_1' D_1^-1 n_1, K^-1),   K = I + L_1' D_1^-1 L_1.
 * @param known n_1, asked for only where there are patterns
 */
export function drawHiddenNoise(question: NoiseQuestion, known: () => Float64Array, stream: Rng): number[] {
  const { hidden, variance, patterns } = question;
  const own = hidden.map((entry) => Math.sqrt(variance(entry)) * stream.normal());
  if (!patterns) return own;
  const q = patterns.shape.at(-1)!;
  const shared = timesVector(rowsOf(patterns, hidden), sharedNoise(question, known(), q, stream));
  return own.map((value, at) => value + shared[at]!);
}

/** A draw of u given n_1, [q]. */
function sharedNoise(
  { shown, variance, patterns }: NoiseQuestion,
  n_1: Float64Array,
  q: number,
  stream: Rng,
): Float64Array {
  const L_1 = rowsOf(patterns!, shown);
  const weights = Float64Array.from(shown, (entry) => 1 / variance(entry));
  const K = Float64Array.from({ length: q * q }, (_, at) => Number(at % (q + 1) === 0));
  addGram(L_1, weights, q, K);
  const inverse = inverseOf(choleskyFactor(K, q)!, q);
  const mean = timesVector(
    inverse,
    transposedTimes(
      L_1,
      q,
      n_1.map((value, m) => weights[m]! * value),
    ),
  );
  const w = new Float64Array(q);
  stream.fillNormal(w);
  const deviation = timesVector(choleskyFactor(inverse, q)!, w);
  return mean.map((value, a) => value + deviation[a]!);
}

function rowsOf(patterns: HostArray<"float32">, entries: readonly number[]): Float64Array {
  const q = patterns.shape.at(-1)!;
  return Float64Array.from({ length: entries.length * q }, (_, at) => {
    const row = entries[Math.floor(at / q)]!;
    return patterns.data[row * q + (at % q)]!;
  });
}

/** Variance of an entry's noise, its part in the patterns included. */
export function noiseVarianceOf({ variance, patterns }: NoiseQuestion, entry: number): number {
  if (!patterns) return variance(entry);
  return rowsOf(patterns, [entry]).reduce((sum, value) => sum + value * value, variance(entry));
}
