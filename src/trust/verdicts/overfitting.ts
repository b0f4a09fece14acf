import { type Estimate, estimateOf, meanOf } from "../clusters.ts";
import { judge, type Verdict } from "../verdict.ts";

/** Errors of predictions of unseen observations may have 1.3 times the variance of those of seen ones. */
const TOLERANCE = Math.log(1.3) / 2;

/** How well the hidden numbers of an observation are predicted from the rest: `scoreOf`. */
export interface Predicted {
  readonly score: number;
  /** The score under the Gaussian start, which has few numbers to learn: how hard these are to predict. */
  readonly start: number;
}

/**
 * Does the prior know its training observations by heart? Hidden numbers of observations that it was trained on and of those held
 * out are predicted from the rest of each; the score is the fair CRPS over the entry's deviation under the Gaussian start
 * (`scoreOf`), which grows with the size of errors. What the start predicts of the same numbers takes away how hard they are
 * (`withoutHardness`). The test is Welch's t of ln(held out / trained on).
 * @param heldOut of the observations        @param trained of others
 */
export function overfitting(heldOut: readonly Predicted[], trained: readonly Predicted[]): Verdict {
  const scores = withoutHardness(heldOut, trained);
  const [unseen, seen] = [estimateOf(scores[0]), estimateOf(scores[1])];
  const relative = ({ mean, error }: Estimate) => error / mean;
  const text = (value: number) => String(Number(value.toPrecision(3)));
  const line = (name: string, predicted: readonly Predicted[]) => ({
    name,
    points: predicted
      .map(({ score }) => score)
      .sort((a, b) => a - b)
      .map((score, i) => [(i + 0.5) / predicted.length, score] as const),
  });
  return judge(
    "overfitting",
    [
      {
        value: Math.log(unseen.mean / seen.mean),
        expected: 0,
        error: Math.hypot(relative(unseen), relative(seen)),
        freedom: Math.min(unseen.freedom, seen.freedom) - 1,
        tolerance: TOLERANCE,
        oneSided: true,
        because: `hidden numbers of observations that were never trained on are predicted with a score of ${text(unseen.mean)}, those of training observations with ${text(seen.mean)} (CRPS; smaller is better).`,
        remedy:
          "Train on more observations, or for fewer iterations (the best one by held-out numbers is the default everywhere), or take a smaller network.",
      },
    ],
    [
      {
        caption:
          "Scores of predictions of hidden numbers, in order of size: of observations that were held out, and of those trained on.",
        x: "share of observations",
        y: "score",
        lines: [line("held out", heldOut), line("trained on", trained)],
      },
    ],
  );
}

/**
 * Scores of two groups less what the start's scores c explain of them (analysis of covariance):
 *   s_i - b (c_i - mean c),   b = sum over groups of (c - mean)'(s - mean) / sum over groups of |c - mean|^2.
 */
function withoutHardness(...groups: readonly (readonly Predicted[])[]): [number[], number[]] {
  const centre = meanOf(groups.flat().map(({ start }) => start));
  let [across, within] = [0, 0];
  for (const group of groups) {
    const [s, c] = [meanOf(group.map(({ score }) => score)), meanOf(group.map(({ start }) => start))];
    for (const { score, start } of group) {
      across += (start - c) * (score - s);
      within += (start - c) ** 2;
    }
  }
  const b = within > 0 ? across / within : 0;
  return groups.map((group) => group.map(({ score, start }) => score - b * (start - centre))) as [
    number[],
    number[],
  ];
}
