/** Ranks of a number among draws that shall come from the same distribution. */

import type { Rng } from "../core/random.ts";
import { type Estimate, estimateOf, meanOf, type VectorTest, vectorTest } from "./clusters.ts";
import type { Line } from "./verdict.ts";

/** How many of the draws lie below; among equals any place is as likely. @returns 0 ... S */
export function rankOf(value: number, draws: ArrayLike<number>, rng: Rng): number {
  let [below, equal] = [0, 0];
  for (let s = 0; s < draws.length; s++) {
    if (draws[s]! < value) below++;
    else if (draws[s] === value) equal++;
  }
  return equal === 0 ? below : below + rng.integer(equal + 1);
}

/** Ranks of the numbers of each observation among S draws each. */
export interface Ranks {
  readonly S: number;
  readonly each: readonly (readonly number[])[];
}

/**
 * Share of the numbers inside the central interval between the k-th smallest and the k-th largest of S draws, which is
 * (S + 1 - 2 k) / (S + 1) if draws and numbers follow one distribution. Mean over observations, with the error that they leave,
 * but not less than that of numbers that are independent, nor than that of ranks known to be even: where all of a few lie inside,
 * their own scatter says nothing.
 * @param level such as 0.9        @param even ranks of simulated observations, as many
 * @returns undefined if S draws have no such interval
 */
export function coverageOf({ S, each }: Ranks, level: number, even?: Ranks): Estimate | undefined {
  const k = ((1 - level) * (S + 1)) / 2;
  if (Math.abs(k - Math.round(k)) > 1e-9 || k < 0.5) return undefined;
  const inside = (rank: number) => rank >= Math.round(k) && rank <= S - Math.round(k);
  const shareOf = (ranks: readonly number[]) => ranks.filter(inside).length / ranks.length;
  const { mean, error, freedom } = estimateOf(each.map(shareOf));
  const numbers = each.reduce((sum, ranks) => sum + ranks.length, 0);
  const least = Math.sqrt((level * (1 - level)) / numbers);
  return {
    mean,
    error: Math.max(error, least, even ? estimateOf(even.each.map(shareOf)).error : 0),
    freedom,
  };
}

/** Legendre's polynomials of degree 1 and 2 on [-1, 1], of mean square 1: ranks to one side, and ranks at both ends. */
const SHAPES: readonly ((v: number) => number)[] = [
  (v) => Math.sqrt(3) * v,
  (v) => (Math.sqrt(5) / 2) * (3 * v ** 2 - 1),
];

/**
 * Whether ranks are even: Neyman's smooth test with errors over observations. With u = (rank + U) / (S + 1), U uniform, each
 * observation has the means of h_k(2 u - 1); their means are zero if ranks are even, and the sum of their squares is
 * int (density of u - 1)^2 as far as these shapes show it.
 * @param even see `coverageOf`
 */
export function evenness({ S, each }: Ranks, rng: Rng, even?: Ranks): VectorTest {
  const shapesOf = (ranks: readonly number[]) => {
    const means = SHAPES.map(() => 0);
    for (const rank of ranks) {
      const v = (2 * (rank + rng.uniform())) / (S + 1) - 1;
      for (const [k, shape] of SHAPES.entries()) means[k]! += shape(v) / ranks.length;
    }
    return means;
  };
  const independent = meanOf(each.map((ranks) => 1 / ranks.length));
  const simulated = even?.each.map(shapesOf);
  const least = SHAPES.map((_, k) => {
    const own = simulated && estimateOf(simulated.map((row) => row[k]!)).error ** 2 * simulated.length;
    return Math.max(independent, own ?? 0);
  });
  return vectorTest(each.map(shapesOf), least);
}

/**
 * What evenness may lack: if 85 % of the numbers lie in the central 90 %, the density is 1.5 outside and .944 inside, so
 *   int (density - 1)^2 = .1 * .5^2 + .9 * .056^2 = .028.
 */
export const EVEN_ENOUGH = 0.1 * 0.5 ** 2 + 0.9 * (0.05 / 0.9) ** 2;

/** The rank histogram over `bins` that divide S + 1: shares times bins, so that even ranks give 1; the band is two standard errors of even ranks. */
export function histogramOf({ S, each }: Ranks): Line[] {
  const bins = [10, 5, 4, 2].find((count) => (S + 1) % count === 0) ?? 1;
  const width = (S + 1) / bins;
  const heights = Array.from({ length: bins }, (_, b) =>
    estimateOf(
      each.map(
        (ranks) => (bins * ranks.filter((rank) => Math.floor(rank / width) === b).length) / ranks.length,
      ),
    ),
  );
  const edges = (b: number) => [b / bins, (b + 1) / bins] as const;
  return [
    {
      name: "share of ranks, over that of even ranks",
      points: heights.flatMap(({ mean }, b) => edges(b).map((x) => [x, mean] as const)),
      band: heights.flatMap(({ mean, error }, b) =>
        edges(b).map((x) => [x, Math.max(0, mean - 2 * error), mean + 2 * error] as const),
      ),
    },
  ];
}

/** Coverage of central intervals of all levels that S draws have. */
export function coverageCurve(ranks: Ranks): Line[] {
  const { S } = ranks;
  const step = Math.max(1, Math.round((S + 1) / 40));
  const found: { level: number; share: Estimate }[] = [];
  for (let k = step; 2 * k < S + 1; k += step) {
    const level = (S + 1 - 2 * k) / (S + 1);
    const share = coverageOf(ranks, level);
    if (share) found.unshift({ level, share });
  }
  return [
    {
      name: "found",
      points: found.map(({ level, share }) => [level, share.mean]),
      band: found.map(({ level, share }) => [
        level,
        share.mean - 2 * share.error,
        share.mean + 2 * share.error,
      ]),
    },
    {
      name: "as it should be",
      points: [
        [0, 0],
        [1, 1],
      ],
    },
  ];
}
