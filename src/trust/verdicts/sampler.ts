import type { Rng } from "../../core/random.ts";
import {
  coverageCurve,
  coverageOf,
  EVEN_ENOUGH,
  evenness,
  histogramOf,
  type Ranks,
  rankOf,
} from "../ranks.ts";
import type { Trial } from "../trial.ts";
import { type Finding, judge, type Verdict } from "../verdict.ts";
import { percent, TOLERATED } from "./calibration.ts";

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
  const findings: Finding[] = [
    {
      value: share.mean,
      expected: TOLERATED.level,
      error: share.error,
      freedom: share.freedom,
      tolerance: TOLERATED.by,
      because: `${found}.`,
      remedy,
    },
    unevenness(ranks, `${found}, but not evenly.`, remedy, rng.split("ranks")),
    ...(isConditioned
      ? [
          unevenness(
            agreement,
            "draws agree with their simulated observations otherwise than the latents behind them do.",
            remedy,
            rng.split("agreement"),
          ),
        ]
      : []),
  ];
  return judge("sampler", findings, [
    {
      caption:
        "Ranks of latents of the prior among the draws for their simulated observations, along entries and random directions.",
      x: "rank / number of draws",
      y: "share",
      lines: histogramOf(ranks),
      reference: { y: 1, label: "even ranks" },
    },
    {
      caption: "Share of latents within central intervals of their draws.",
      x: "level of the interval",
      y: "share inside",
      lines: coverageCurve(ranks),
    },
  ]);
}

function unevenness(ranks: Ranks, because: string, remedy: string, rng: Rng): Finding {
  const { squared, probability } = evenness(ranks, rng);
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

function remedyFor({ method, covariance, steps, cgSteps }: SamplerSettings): string {
  if (method !== "mmps")
    return `Take eStep.method mmps (it is ${method}), or more eStep.steps (now ${steps}).`;
  if (covariance !== "tweedie") return `Set eStep.covariance to tweedie (it is ${covariance}).`;
  return `Take more eStep.steps (now ${steps}) and eStep.cgSteps (now ${cgSteps}); of vectors, eStep.particles.`;
}
