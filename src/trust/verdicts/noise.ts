import { estimateOf, jackknife, meanOf } from "../clusters.ts";
import { studentTail } from "../tails.ts";
import type { Trial } from "../trial.ts";
import { judge, unknown, type Verdict } from "../verdict.ts";

/**
 * How far the variance may be from the stated one: where noise alone decides, intervals of 90 % hold 85 % if the true variance is
 * 1.3 times the stated one, and 95 % at .7 of it.
 */
const TOLERANCE = 0.3;

/**
 * Is the noise's variance the stated one? EM's own update of the variance is  s^2 <- E_{x | y} |y - A x|^2 / M. With the stated
 * variance in place, T_i = E_{x | y_i} (y_i - A_i x)' Sigma_i^-1 (y_i - A_i x) is the score of a factor f of the variance; it
 * moves little where a latent can follow the noise. Twins (`makeTwins`) have f = 1 and known noise n, which tells how much:
 *   d E[T] / d f = Cov(T, (n' Sigma^-1 n - M) / 2),        f = 1 + (mean T - mean T of the twins) / (d E[T] / d f),
 * which for Gaussians is exact at any f. Twins are drawn for by the same sampler, so its smallest level and its errors cancel. The
 * test is Student's t of the paired differences over observations.
 * @param trial of the observations        @param twins of their twins
 */
export function noise(trial: Trial, twins: Trial): Verdict {
  const n = trial.misfits.length;
  if (meanOf(trial.shown) === 0)
    return unknown("noise", "observations of a single number do not tell noise from what is measured.");
  const found = trial.misfits.map(meanOf);
  const expected = twins.misfits.map(meanOf);
  const scores = Array.from(twins.truth!.misfits, (value, i) => (value - twins.shown[i]!) / 2);
  const slope = jackknife(
    expected.map((value, i) => [value, scores[i]!, value * scores[i]!]),
    ([value, score, product]) => product! - value! * score!,
  );
  const difference = estimateOf(found.map((value, i) => value - expected[i]!));
  const isTold = slope.mean > 3 * slope.error;
  // Where the slope is hardly known, its largest value says by how much the variance is off at least.
  const most = isTold ? slope.mean : slope.mean + 2 * slope.error;
  const factor = 1 + difference.mean / most;
  const shown = `${isTold ? "" : factor > 1 ? "more than " : "less than "}${Number(factor.toPrecision(3))}`;
  const verdict = judge(
    "noise",
    [
      {
        value: factor,
        expected: 1,
        error: Math.hypot(difference.error, isTold ? (factor - 1) * slope.error : 0) / most,
        freedom: n - 1,
        probability: studentTail(difference.mean / difference.error, n - 1),
        tolerance: TOLERANCE,
        because: `draws imply a noise variance of ${shown} times the stated one.`,
        remedy: `State ${shown} times the variance and train again, unless the verdict on the operator is worse: a wrong operator looks like noise, too.`,
      },
    ],
    [
      {
        caption:
          "Residuals of the draws for each observation, (y - A x)' Σ⁻¹ (y - A x) over the number of entries, in order of size, beside those of twins: observations simulated from the prior with the stated noise.",
        x: "share of observations",
        y: "residual / stated noise",
        lines: [sorted("observations", found, trial.shown), sorted("twins", expected, twins.shown)],
      },
    ],
  );
  if (isTold || verdict.level === "wrong" || verdict.level === "doubtful") return verdict;
  return unknown(
    "noise",
    "latents can follow whatever was measured, so the measurements do not tell noise from signal.",
    "Measure some things twice, or state the noise from the instrument.",
  );
}

function sorted(name: string, values: readonly number[], counts: Float64Array) {
  const each = values.map((value, i) => value / counts[i]!).sort((a, b) => a - b);
  const step = Math.max(1, Math.floor(each.length / 60));
  const points = each.flatMap((y, i) => (i % step === 0 ? [[(i + 0.5) / each.length, y] as const] : []));
  return { name, points };
}
