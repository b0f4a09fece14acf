/** Networks and their parameters. */
export { MLP_DEFAULTS, type MlpConfig, mlp } from "../nn/mlp.ts";
export type { Network } from "../nn/network.ts";
export {
  constantWeights,
  countParameters,
  initialize,
  type Parameters,
  type Weights,
} from "../nn/parameters.ts";
export { type UnetConfig, unet } from "../nn/unet.ts";
