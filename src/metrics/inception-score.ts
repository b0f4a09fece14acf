import { firstNonFinite, type HostArray } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";
import { numpyPermutation } from "./numpy-permutation.ts";

/** Mean over the parts, and their standard deviation, with n in the denominator as in published figures. */
export interface InceptionScore {
  readonly mean: number;
  readonly deviation: number;
}

/** How samples are divided into parts. */
export interface InceptionScoreOptions {
  /** Number of parts, >= 1; each is scored by itself. Default 10. */
  readonly splits?: number;
  /** Seed of the order in which rows go into the parts; null keeps their order. Default 2020. */
  readonly seed?: number | null;
}

/** Those of torch-fidelity, which published figures use. */
export const INCEPTION_SCORE_DEFAULTS = {
  splits: 10,
  seed: 2020,
} as const satisfies Required<InceptionScoreOptions>;

/**
 * The inception score [Salimans16] of the class probabilities p(c | x) = softmax(logits) of samples:
 *   exp( mean over x of sum_c p(c | x) ln(p(c | x) / p(c)) ),   p(c) = mean over x of p(c | x)
 * for each of 10 parts of the samples, in float64. It is 1 if the class says nothing of the sample and at most the number
 * of classes. Equal to torch-fidelity's, whose shuffling is NumPy's.
 * @param logits [n, C], n >= splits
 * @throws ConfigError for fewer than one split, DataError if there are fewer rows than splits or a number is not finite
 */
export function inceptionScore(
  logits: HostArray<"float32" | "float64">,
  options: InceptionScoreOptions = {},
): InceptionScore {
  const { splits, seed } = { ...INCEPTION_SCORE_DEFAULTS, ...options };
  const { n } = expectShape(logits.shape, ["n", "C"], "inceptionScore: logits");
  if (!Number.isSafeInteger(splits) || splits < 1)
    throw new ConfigError(`inceptionScore: splits must be an integer >= 1, got ${splits}.`);
  if (n < splits)
    throw new DataError(
      `inceptionScore: expected at least ${splits} samples, one for each split, found ${n}. Draw more samples.`,
    );
  const bad = firstNonFinite(logits.data);
  if (bad >= 0)
    throw new DataError(
      `inceptionScore: expected finite logits, found ${logits.data[bad]}. Look at the samples.`,
    );
  const order = seed === null ? Uint32Array.from({ length: n }, (_, i) => i) : numpyPermutation(seed, n);
  const scores = Array.from({ length: splits }, (_, k) =>
    scoreOf(logits, order.subarray(Math.floor((k * n) / splits), Math.floor(((k + 1) * n) / splits))),
  );
  const mean = scores.reduce((sum, score) => sum + score, 0) / splits;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / splits;
  return { mean, deviation: Math.sqrt(variance) };
}

/** sum_c p ln(p / q) averaged over rows is (mean of sum_c p ln p) - sum_c q ln q, for q is the mean of p. */
function scoreOf({ data, shape }: HostArray<"float32" | "float64">, picked: Uint32Array): number {
  const C = shape[1]!;
  const q = new Float64Array(C);
  const p = new Float64Array(C);
  let negentropy = 0;
  for (const row of picked) {
    const scores = data.subarray(row * C, (row + 1) * C);
    let largest = Number.NEGATIVE_INFINITY;
    for (const score of scores) largest = Math.max(largest, score);
    let total = 0;
    for (let c = 0; c < C; c++) {
      p[c] = Math.exp(scores[c]! - largest);
      total += p[c]!;
    }
    const logTotal = Math.log(total) + largest;
    for (let c = 0; c < C; c++) {
      const probability = p[c]! / total;
      q[c]! += probability / picked.length;
      negentropy += (probability * (scores[c]! - logTotal)) / picked.length;
    }
  }
  return Math.exp(q.reduce((sum, value) => sum - (value > 0 ? value * Math.log(value) : 0), negentropy));
}
