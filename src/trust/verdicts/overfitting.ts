import { type Estimate, estimateOf } from "../clusters.ts";
import { judge, type Verdict } from "../verdict.ts";

/** Errors of predictions of unseen observations may have 1.3 times the variance of those of seen ones. */
const TOLERANCE = Math.log(1.3) / 2;

/**
 * Does the prior know its training observations by heart? Hidden numbers of observations that it was trained on and of those held
 * out are predicted from the rest of each; the score is the fair CRPS over the entry's deviation under the Gaussian start
 * (`scoreOf`), which grows with the size of errors. The test is Welch's t of ln(held out / trained on).
 * @param heldOut scores of the observations        @param trained of others
 */
export function overfitting(heldOut: readonly number[], trained: readonly number[]): Verdict {
  const [unseen, seen] = [estimateOf(heldOut), estimateOf(trained)];
  const relative = ({ mean, error }: Estimate) => error / mean;
  const text = (value: number) => String(Number(value.toPrecision(3)));
  const line = (name: string, scores: readonly number[]) => ({
    name,
    points: [...scores].sort((a, b) => a - b).map((score, i) => [(i + 0.5) / scores.length, score] as const),
  });
  return judge(
    "overfitting",
    [
      {
        value: Math.log(unseen.mean / seen.mean),
        expected: 0,
        error: Math.hypot(relative(unseen), relative(seen)),
        freedom: Math.min(unseen.freedom, seen.freedom),
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
