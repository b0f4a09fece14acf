import type { Rng } from "../../core/random.ts";
import { percent, rankPictures, shareFinding, TOLERATED, unevennessFinding } from "../rank-findings.ts";
import { coverageOf, evenness, type Ranks, rankOf } from "../ranks.ts";
import type { Trial } from "../trial.ts";
import { judge, type Verdict } from "../verdict.ts";

/** What the remedy depends on. */
export interface SamplerSettings {
  readonly method: string;
  readonly covariance: string;
  readonly steps: number;
  readonly cgSteps: number;
}

/**
 * Does the E-step draw from q(x | y)? Simulation-based calibration [Talts18]: for x ~ q and y simulated with the observations'
 * own operators and noise, x is one more draw from q(x | y), so that the rank of u' x among u' x_1 ... u' x_S is uniform for every
 * u (entries, and random directions), and so is that of (y - A x)' Sigma_y^-1 (y - A x). It tests the sampler alone: with the
 * prior itself as the truth, nothing else can be wrong. Tests and tolerances are those of the calibration.
 * @param twins drawn for, whose truth is known
 */
export function sampler(twins: Trial, settings: SamplerSettings, rng: Rng): Verdict {
  const { ranks, misfits } = twins.truth!;
  const agreement: Ranks = {
    S: ranks.S,
    each: twins.misfits.map((draws, i) => [rankOf(misfits[i]!, draws, rng.split("misfit", i))]),
  };
  const share = coverageOf(ranks, TOLERATED.level)!;
  const remedy = remedyFor(settings);
  const found = `of latents drawn from the prior, ${percent(share.mean)} lie in the central 90 % of the draws for their simulated observations`;
  const isConditioned = twins.shown.some((count) => count > 0);
  const findings = [
    shareFinding(share, `${found}.`, remedy),
    unevennessFinding(evenness(ranks, rng.split("ranks")), `${found}, but not evenly.`, remedy),
  ];
  if (isConditioned) {
    const because =
      "draws agree with their simulated observations otherwise than the latents behind them do.";
    findings.push(unevennessFinding(evenness(agreement, rng.split("agreement")), because, remedy));
  }
  const pictures = rankPictures(ranks, {
    histogram:
      "Ranks of latents of the prior among the draws for their simulated observations, along entries and random directions.",
    coverage: "Share of latents within central intervals of their draws.",
    of: "draws",
  });
  return judge("sampler", findings, pictures);
}

function remedyFor({ method, covariance, steps, cgSteps }: SamplerSettings): string {
  if (method !== "mmps")
    return `Take eStep.method mmps (it is ${method}), or more eStep.steps (now ${steps}).`;
  if (covariance !== "tweedie") return `Set eStep.covariance to tweedie (it is ${covariance}).`;
  return `Take more eStep.steps (now ${steps}) and eStep.cgSteps (now ${cgSteps}); of vectors, eStep.particles.`;
}
