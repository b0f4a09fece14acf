/** Known truths, each with one thing wrong, and the verdicts that it belongs to. */
import type { EStepConfig } from "../../src/em/config/config.ts";
import type { VerdictName } from "../../src/trust/verdict.ts";
import type { Noise, Observed } from "../battery/measurements.ts";
import type { Measured } from "../battery/operators.ts";
import type { TruthName } from "../battery/truths.ts";
import { exchangeRows, misstateNoise, seeHalves, shiftMasks } from "./faults.ts";

export interface TrustCase {
  readonly name: string;
  readonly truth: TruthName;
  readonly measured: Measured;
  readonly noise: Noise;
  /** Observations. */
  readonly count: number;
  /** In words; left out where nothing is. */
  readonly wrong?: string;
  /** Verdicts of which one at least must name it. */
  readonly belongs?: readonly VerdictName[];
  /** What happens to the observations before anybody sees them. */
  readonly spoil?: (observed: Observed) => Observed;
  /**
   * The prior that is checked: the truth itself (default), the Gaussian of its moments, the very latents that were measured, each
   * blurred a little, or what a run with these settings learns.
   */
  readonly prior?: "gaussian" | "by heart" | { readonly set: readonly string[] };
  /** How it is drawn from, where not as a run would. */
  readonly eStep?: Partial<EStepConfig>;
  /** Further observations are judged, of this truth or of another; the prior counts as learned from the first ones. */
  readonly judged?: TruthName;
  readonly isTiny?: true;
}

const half: Measured = { kind: "mask", share: 0.5 };
const all: Measured = { kind: "mask", share: 1 };
const rows: Measured = { kind: "projections", count: 6 };
const low: Noise = { kind: "uniform", share: 0.02 };
/** Far less than the clusters' width: what is known by heart must be seen sharply to be recognized. */
const least: Noise = { kind: "uniform", share: 0.0005 };
const high: Noise = { kind: "uniform", share: 0.2 };
export const many = 2000;
/** Moment matching is exact for a Gaussian: one particle is as good as several. */
const exact: Pick<TrustCase, "eStep"> = { eStep: { particles: 1 } };

export const CASES: readonly TrustCase[] = [
  { name: "gaussian", ...exact, truth: "gauss-8", measured: rows, noise: high, count: many, isTiny: true },
  { name: "two clusters", truth: "two-16d", measured: half, noise: low, count: many },
  { name: "ring", truth: "ring", measured: { kind: "projections", count: 2 }, noise: low, count: many },
  { name: "unseen", truth: "four-4d", measured: half, noise: low, count: many, judged: "four-4d" },
  { name: "images", truth: "smooth-8x8", measured: half, noise: low, count: many },
  {
    ...{ name: "noise too small", ...exact, truth: "gauss-8", measured: rows, noise: high, count: many },
    wrong: "noise stated 4 times too small",
    belongs: ["noise"],
    spoil: (observed) => misstateNoise(observed, 1 / 4),
  },
  {
    ...{ name: "noise too large", ...exact, truth: "gauss-8", measured: rows, noise: high, count: many },
    wrong: "noise stated 4 times too large",
    belongs: ["noise"],
    spoil: (observed) => misstateNoise(observed, 4),
  },
  {
    ...{ name: "shifted masks", truth: "smooth-8x8", measured: half, noise: low, count: many },
    wrong: "each mask stored a pixel further",
    belongs: ["operator"],
    spoil: shiftMasks,
  },
  {
    ...{
      name: "exchanged rows",
      ...exact,
      truth: "gauss-8",
      measured: rows,
      noise: low,
      count: many,
      isTiny: true,
    },
    wrong: "two rows of each matrix exchanged",
    belongs: ["operator"],
    spoil: exchangeRows,
  },
  {
    ...{ name: "sigma-t", truth: "smooth-8x8", measured: half, noise: low, count: many },
    wrong: "V[x | x_t] = sigma_t^2 I in the E-step",
    belongs: ["sampler"],
    eStep: { covariance: "sigma-t", particles: 1 },
  },
  {
    ...{ name: "4 steps", truth: "gauss-24", measured: rows, noise: low, count: many },
    wrong: "4 steps of the sampler",
    belongs: ["sampler"],
    eStep: { steps: 4, particles: 1 },
  },
  {
    ...{
      name: "one operator",
      ...exact,
      truth: "gauss-24",
      measured: { ...rows, isShared: true },
      noise: low,
      count: many,
    },
    wrong: "one A for all, with a null space",
    belongs: ["identifiability"],
  },
  {
    ...{
      name: "halves",
      ...exact,
      truth: "gauss-8",
      measured: all,
      noise: low,
      count: many,
    },
    wrong: "pairs across the halves never measured together",
    belongs: ["identifiability"],
    spoil: seeHalves,
  },
  {
    ...{ name: "another population", truth: "two-16d", measured: half, noise: low, count: many },
    wrong: "observations of another population",
    belongs: ["shift"],
    judged: "gauss-16-decay",
  },
  {
    ...{ name: "by heart", truth: "four-4d", measured: all, noise: least, count: 64, judged: "four-4d" },
    wrong: "a prior of the 64 latents that were measured",
    belongs: ["overfitting"],
    prior: "by heart",
  },
  {
    ...{ name: "heavy tails", truth: "tails-8d", measured: rows, noise: low, count: many },
    wrong: "a Gaussian in place of heavy tails",
    belongs: ["prior"],
    prior: "gaussian",
  },
  {
    ...{ name: "one iteration", truth: "two-2d", measured: half, noise: low, count: many },
    wrong: "trained for one iteration only",
    belongs: ["convergence", "prior"],
    prior: { set: ["em.iterations=1", "mStep.finalSteps=20"] },
  },
  {
    ...{ name: "few observations", truth: "four-4d", measured: half, noise: low, count: 96 },
    wrong: "64 observations trained long",
    belongs: ["overfitting"],
    prior: { set: ["em.validation=0.34", "em.iterations=12", "mStep.steps=2000", "mStep.finalSteps=2000"] },
  },
  {
    ...{ name: "rank 1", truth: "gauss-16-rank3", measured: rows, noise: low, count: many },
    wrong: "a start of rank 1, hardly trained",
    belongs: ["prior", "calibration"],
    prior: { set: ["start.rank=1", "em.iterations=1", "mStep.finalSteps=20"] },
  },
];
