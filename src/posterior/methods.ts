import { ConfigError } from "../core/errors.ts";
import { check, oneOf } from "../core/kinds.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { type DiffPirOptions, diffpir } from "./diffpir.ts";
import { type DpsOptions, dps } from "./dps.ts";
import { gaussianPrior, heuristicPosterior, identityPrior, sigmaT } from "./heuristics.ts";
import { type MmpsOptions, mmps } from "./mmps.ts";
import { pigdm } from "./pigdm.ts";
import type { Measurement } from "./posterior.ts";
import { tmpd } from "./tmpd.ts";

/** Covariances V[x | x_t] by name: Tweedie's, and the heuristics of [Rozet24, algorithm 3, line 6]. */
export const COVARIANCES = ["tweedie", "identity", "sigma-t", "sigma-x"] as const;
/** Names of the covariances. */
export type CovarianceName = (typeof COVARIANCES)[number];

/** Options of all methods; each method reads its own. */
export interface MethodOptions extends MmpsOptions, DpsOptions, DiffPirOptions {
  /** `mmps`: V[x | x_t]. Default "tweedie", which is exact. */
  readonly covariance?: CovarianceName;
  /** `mmps` with the covariance "sigma-x": a Gaussian with the covariance Sigma_x. */
  readonly gaussian?: Gaussian;
}

/** Makes a denoiser of x given y from the denoiser of a prior. */
export type MakePosterior = (
  denoiser: Denoiser,
  measurement: Measurement,
  options?: MethodOptions,
) => Denoiser;

/** A way to turn the denoiser of a prior into a denoiser of the posterior given a measurement. */
export interface PosteriorMethod {
  readonly name: string;
  /** Whether it solves a linear system, and reports the solver's status. */
  readonly solves: boolean;
  readonly make: MakePosterior;
}

/** MMPS with the covariance of the options. @throws ConfigError for an unknown name, or "sigma-x" without a Gaussian */
function momentMatching(denoiser: Denoiser, measurement: Measurement, options: MethodOptions = {}): Denoiser {
  const { gaussian } = options;
  const covariance = check(oneOf(COVARIANCES), options.covariance ?? "tweedie", "mmps: covariance");
  if (covariance === "tweedie") return mmps(denoiser, measurement, options);
  if (covariance === "sigma-x" && !gaussian)
    throw new ConfigError(
      'mmps: the covariance "sigma-x" needs a Gaussian, got none. Give options.gaussian.',
    );
  const heuristics = {
    identity: () => identityPrior,
    "sigma-t": () => sigmaT,
    "sigma-x": () => gaussianPrior(gaussian!), // checked above
  };
  const make = heuristics[covariance];
  return heuristicPosterior(denoiser, measurement, make(), options);
}

const METHODS = {
  mmps: { name: "mmps", solves: true, make: momentMatching },
  dps: { name: "dps", solves: false, make: dps },
  pigdm: { name: "pigdm", solves: true, make: pigdm },
  tmpd: { name: "tmpd", solves: false, make: tmpd },
  diffpir: { name: "diffpir", solves: true, make: diffpir },
} as const satisfies Record<string, PosteriorMethod>;
/** Names of the posterior methods. */
export type PosteriorName = keyof typeof METHODS;

/**
 * The posterior methods that are denoisers, by name. Twisted sampling is not among them, because its particles depend on one
 * another; see `compileTwisted`.
 */
export const POSTERIORS: Readonly<Record<PosteriorName, PosteriorMethod>> = METHODS;

/** The names of `POSTERIORS`. */
export const POSTERIOR_NAMES = Object.keys(METHODS) as readonly PosteriorName[];

/** The method of that name. @throws ConfigError naming all methods, if there is none */
export function posteriorMethod(method: string): PosteriorMethod {
  if (method === "tds")
    throw new ConfigError(
      'posterior: "tds" is not a denoiser that a sampler can run: its particles depend on one another. Use compileTwisted, or "mmps", which guides its particles.',
    );
  return METHODS[check(oneOf(POSTERIOR_NAMES), method, "posterior: method")];
}
