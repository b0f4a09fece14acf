import type { Rng } from "../../core/random.ts";
import type { Answers } from "../held-out/answers.ts";
import { percent, rankPictures, shareFinding, TOLERATED, unevennessFinding } from "../rank-findings.ts";
import { coverageOf, evenness, type Ranks, rankOf } from "../ranks.ts";
import { judge, type Verdict } from "../verdict.ts";

/**
 * May the intervals be believed? A fifth of each observation's numbers, y_2, is hidden; draws x_s given the others predict it by
 * A_2 x_s + n_s. If prior and sampler are right, the rank of a number among its S predictions is uniform on 0 ... S, so that
 * the central interval of level 1 - 2 k / (S + 1) holds this share of them. Tested are
 *   the share within the central 90 % (tolerated: 85 to 95 %), by Student's t over observations, and
 *   evenness of the ranks (Neyman's smooth test with Hotelling's T^2 over observations).
 * Numbers of one observation depend on each other, observations do not; errors are no less than those of twins, whose ranks are even.
 */
export function calibration(answers: readonly Answers[], twins: readonly Answers[], rng: Rng): Verdict {
  const ranks = ranksOf(answers, rng.split("ranks"));
  const even = ranksOf(twins, rng.split("twins"));
  const shares = [0.5, 0.9, 0.99].flatMap((level) => {
    const found = coverageOf(ranks, level);
    return found ? [`${percent(found.mean)} of them in the central ${percent(level)}`] : [];
  });
  const told = `of numbers that were hidden, the rest predicts ${shares.join(", ")}`;
  const shape = evenness(ranks, rng.split("ties"), even);
  const share = coverageOf(ranks, TOLERATED.level, even)!;
  const remedy = remedyFor(shape.mean[1]!, Math.abs(shape.mean[0]! / shape.errors[0]!) > 3);
  const findings = [
    shareFinding(share, `${told}.`, remedy),
    unevennessFinding(shape, `${told}; their ranks among the predictions are uneven.`, remedy),
  ];
  const pictures = rankPictures(ranks, {
    histogram:
      "Ranks of hidden numbers among their predictions: even if intervals can be believed, high at both ends if they are too narrow, high in the middle if they are too wide.",
    coverage: "Share of hidden numbers within central intervals of their predictions.",
    of: "predictions",
  });
  return judge("calibration", findings, pictures);
}

function remedyFor(width: number, isBiased: boolean): string {
  if (width > 0)
    return "Intervals are too narrow: see the verdicts on noise, operator and sampler first; if they are ok, the prior is: train longer or on more observations.";
  if (isBiased)
    return "Predictions lie to one side: look for an offset in the measurements or a wrong operator; else train longer.";
  return "Intervals are too wide: see the verdicts on noise and sampler first; if they are ok, train longer.";
}

/** Ranks of hidden numbers among their predictions. */
export function ranksOf(answers: readonly Answers[], rng: Rng): Ranks {
  return {
    S: answers[0]!.predictions.length,
    each: answers.map(({ measured, predictions }, i) => {
      const stream = rng.split(i);
      return measured.map((value, at) =>
        rankOf(
          value,
          predictions.map((own) => own[at]!),
          stream,
        ),
      );
    }),
  };
}
