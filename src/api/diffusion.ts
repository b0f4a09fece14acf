/** Noise schedules, denoisers, samplers and the denoising loss. */
export { type Base, gaussianBase, normalBase } from "../diffusion/base.ts";
export type { Denoiser } from "../diffusion/denoiser.ts";
export { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
export { denoisingLoss } from "../diffusion/loss.ts";
export { type Mixture, mixtureDenoiser } from "../diffusion/mixture.ts";
export { ALPHA_BARS, PARAMETERIZATIONS, type Parameterization } from "../diffusion/parameterization.ts";
export { precondition } from "../diffusion/precondition.ts";
export { compileSampler, type Draws, type Sampler, type SamplerSpec } from "../diffusion/sample.ts";
export type { SamplerMethod, SamplerOptions } from "../diffusion/samplers/method.ts";
export { SAMPLERS, type SamplerName } from "../diffusion/samplers.ts";
export { noiseLevels, type Schedule, sigmaAt, VE_DEFAULTS } from "../diffusion/schedule.ts";
