/** What ranks of truths among draws give to judge: the same for numbers that were hidden and for latents that are known. */

import type { Estimate, VectorTest } from "./clusters.ts";
import { coverageCurve, EVEN_ENOUGH, histogramOf, type Ranks } from "./ranks.ts";
import type { Finding, Picture } from "./verdict.ts";

/** Share of truths that a central interval of 90 % may hold: outside, intervals mislead whoever reads them. */
export const TOLERATED = { level: 0.9, by: 0.05 } as const;

/** The share within the central interval. */
export function shareFinding({ mean, error, freedom }: Estimate, because: string, remedy: string): Finding {
  return { value: mean, expected: TOLERATED.level, error, freedom, tolerance: TOLERATED.by, because, remedy };
}

/** How uneven ranks are. */
export function unevennessFinding(
  { squared, probability }: Pick<VectorTest, "squared" | "probability">,
  because: string,
  remedy: string,
): Finding {
  return {
    value: squared.mean,
    expected: 0,
    error: squared.error,
    freedom: squared.freedom,
    tolerance: EVEN_ENOUGH,
    probability,
    oneSided: true,
    because,
    remedy,
  };
}

/** The histogram of ranks, and the share within central intervals of each level. */
export function rankPictures(
  ranks: Ranks,
  { histogram, coverage, of }: { readonly histogram: string; readonly coverage: string; readonly of: string },
): Picture[] {
  return [
    {
      caption: histogram,
      x: `rank / number of ${of}`,
      y: "share",
      lines: histogramOf(ranks),
      reference: { y: 1, label: "even ranks" },
    },
    { caption: coverage, x: "level of the interval", y: "share inside", lines: coverageCurve(ranks) },
  ];
}

export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
