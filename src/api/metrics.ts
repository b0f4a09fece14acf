/** Figures of samples: distances between distributions, image quality, moments, coverage. */
export { coverage, drawMoments, drawQuantiles } from "../metrics/draws.ts";
export {
  type FeatureNetwork,
  type FeatureNetworkOptions,
  featureNetwork,
  type ImageFeatures,
} from "../metrics/feature-network.ts";
export { frechetDistance } from "../metrics/frechet.ts";
export {
  type InceptionScore,
  type InceptionScoreOptions,
  inceptionScore,
} from "../metrics/inception-score.ts";
export { type Lpips, lpips } from "../metrics/lpips.ts";
export { type Moments, momentsOf, RunningMoments } from "../metrics/moments.ts";
export { type Prdc, type PrdcOptions, prdc } from "../metrics/prdc.ts";
export { psnr } from "../metrics/psnr.ts";
export { resizeLikeTensorFlow } from "../metrics/resize.ts";
export { type SinkhornOptions, sinkhorn, sinkhornDivergence, type Transport } from "../metrics/sinkhorn.ts";
export { ssim } from "../metrics/ssim.ts";
