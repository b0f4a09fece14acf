import { meanOf } from "../clusters.ts";
import { impliedNoise, TOLERANCE } from "../implied-noise.ts";
import { studentTail } from "../tails.ts";
import type { Trial } from "../trial.ts";
import { judge, unknown, type Verdict } from "../verdict.ts";

/**
 * Is the noise's variance the stated one? The factor of it that draws and those for twins imply (`impliedNoise`), which for Gaussians
 * is exact; with the noise n of the twins known, their score is (n' Sigma^-1 n - M) / 2. The test is Student's t of the paired
 * differences over observations.
 * @param trial of the observations        @param twins of their twins        @param questions see `judge`
 */
export function noise(trial: Trial, twins: Trial, questions = 1): Verdict {
  const n = trial.misfits.length;
  if (meanOf(trial.shown) === 0)
    return unknown("noise", "observations of a single number do not tell noise from what is measured.");
  const found = trial.misfits.map(meanOf);
  const expected = twins.misfits.map(meanOf);
  const scores = Array.from(twins.truth!.misfits, (value, i) => (value - twins.shown[i]!) / 2);
  const { factor, error, difference, isTold } = impliedNoise({ found, expected, scores });
  const shown = `${isTold ? "" : factor > 1 ? "more than " : "less than "}${Number(factor.toPrecision(3))}`;
  const verdict = judge(
    "noise",
    [
      {
        value: factor,
        expected: 1,
        error,
        freedom: n - 1,
        probability: studentTail(difference.mean / difference.error, n - 1),
        tolerance: TOLERANCE,
        because: `draws imply a noise variance of ${shown} times the one used.`,
        remedy: `State ${shown} times that variance and train again, unless the verdict on the operator is worse: a wrong operator looks like noise, too.`,
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
    questions,
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
