/** Posterior denoisers E[x | x_t, y], one for each method, with the solvers that they use. */

export { type DiffPirOptions, diffpir } from "../posterior/diffpir.ts";
export { type DpsOptions, dps } from "../posterior/dps.ts";
export { gaussianPosterior } from "../posterior/gaussian.ts";
export {
  type Covariance,
  gaussianPrior,
  heuristicPosterior,
  identityPrior,
  sigmaT,
} from "../posterior/heuristics.ts";
export {
  COVARIANCES,
  type CovarianceName,
  type MakePosterior,
  type MethodOptions,
  POSTERIORS,
  type PosteriorMethod,
  type PosteriorName,
  posteriorMethod,
} from "../posterior/methods.ts";
export { type MmpsOptions, mmps } from "../posterior/mmps.ts";
export {
  compileTwisted,
  type TwistedDraws,
  type TwistedRequest,
  type TwistedSampler,
  type TwistedSpec,
} from "../posterior/particles/tds.ts";
export { pigdm } from "../posterior/pigdm.ts";
export type { Measurement, PosteriorOptions, SolverStatus } from "../posterior/posterior.ts";
export { type ConjugateGradientOptions, conjugateGradient } from "../posterior/solvers/conjugate-gradient.ts";
export { gmres } from "../posterior/solvers/gmres.ts";
export type { LinearSolver, Product, Solution, SolverOptions } from "../posterior/solvers/linear-system.ts";
export { type Linearization, linearize } from "../posterior/solvers/linearize.ts";
export { multiplyNoise, noiseSquares } from "../posterior/solvers/noise.ts";
export type { SolverName, SystemOptions } from "../posterior/solvers/solver.ts";
export { tmpd } from "../posterior/tmpd.ts";
export { totalVariation, zeroFilled } from "../posterior/total-variation.ts";
