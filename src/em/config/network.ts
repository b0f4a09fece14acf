/** The network of a configuration: its fields, and how it is built. */

import { gridOf } from "../../core/grid.ts";
import { list, oneOf, share, whole } from "../../core/kinds.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { reshape } from "../../graph/index.ts";
import { BASES } from "../../inference/model.ts";
import { mlp } from "../../nn/mlp.ts";
import type { Network } from "../../nn/network.ts";
import { unet } from "../../nn/unet.ts";
import { type DataShape, field, type Values } from "./field.ts";

/** Places that the middle one sees at the deepest level: eight convolutions with kernels of three reach 8 either way. */
const SEEN_AT_ONCE = 16;

/**
 * Levels of a U-Net by default. Sides halve twice; of latents of less than 8 places along each axis only if that is exact,
 * for what is added to them inside the network would outweigh them. Signals halve until they are seen as a whole, which
 * costs little: the places of one axis become few.
 */
function levelsOf({ latentShape }: DataShape): number {
  const lengths = gridOf(latentShape)?.lengths ?? [1];
  const longest = Math.max(...lengths);
  const halves = (times: number) => longest >= 8 || lengths.every((length) => length % 2 ** times === 0);
  if (!halves(2)) return halves(1) ? 2 : 1;
  const whole = lengths.length === 1 ? 1 + Math.ceil(Math.log2(longest / SEEN_AT_ONCE)) : 0;
  return Math.max(3, whole);
}

/** A number for each level, from the finest. */
function perLevel(data: DataShape, value: (i: number, levels: number) => number): number[] {
  const levels = levelsOf(data);
  return Array.from({ length: levels }, (_, i) => value(i, levels));
}

const BASE = field({
  kind: oneOf(BASES),
  fallback: "gaussian",
  meaning:
    "what the network corrects: the Gaussian start's denoiser, or that of N(0, I) (`normal`, the paper)",
  reason: "learning begins at the start's quality; on digits it ended better too",
});
const EMBEDDING = field({
  kind: whole(2),
  fallback: 64,
  meaning: "size of the noise level's embedding, an even number",
  reason: "the paper's choice for small networks",
});

/** `network` with type "mlp": vectors, and anything else flattened. */
const MLP_FIELDS = {
  base: BASE,
  width: field({
    kind: whole(1),
    fallback: 256,
    meaning: "neurons of each layer",
    reason: "as in the paper's low-dimensional experiment",
  }),
  blocks: field({
    kind: whole(1),
    fallback: 3,
    meaning: "residual blocks",
    reason: "learned rings, clusters, lines and +-images from clean draws; more cost more than they gave",
  }),
  embedding: EMBEDDING,
} as const;

/** `network` with type "unet": signals [C, L], images [C, H, W] and volumes [C, D, H, W]. */
const UNET_FIELDS = {
  base: BASE,
  channels: field({
    kind: list(whole(1), "whole numbers >= 1", 1),
    fallback: (data) => perLevel(data, (i, levels) => Math.min(64, 2 ** (i + 7 - Math.min(levels, 3)))),
    fallbackText:
      "[16, 32, 64]; [32, 64] or [64] below 8 places along each axis, as often as they halve; for signals 64 once more for each further halving down to 16 places",
    meaning:
      "channels of each level, finest first; each level halves the sides, which repeated edges fill up where they do not divide",
    reason:
      "clean photographs and digits: after equal time errors at small noise were .7 of those of two wider levels behind patches of 2 x 2, at large noise as small",
  }),
  blocks: field({
    kind: list(whole(1), "whole numbers >= 1", 1),
    fallback: (data) => perLevel(data, (i, levels) => (i === 0 && levels > 2 ? 1 : 2)),
    fallbackText: "[1, 2, 2, ...]; 2 for each of fewer levels",
    meaning: "residual blocks of each level, on the way down and again up",
    reason: "the finest level costs most and gains least by a second one",
  }),
  heads: field({
    kind: list(whole(0), "whole numbers >= 0", 1),
    fallback: (data) => perLevel(data, () => 0),
    fallbackText: "0 for each level",
    meaning: "attention heads of each level, 0 for none",
    reason: "small images do without",
  }),
  embedding: EMBEDDING,
  patch: field({
    kind: whole(1),
    fallback: 1,
    unit: "places",
    meaning: "side of the patches whose places become channels before the first level; 1 for none",
    reason: "with 2 a quarter of the work, but texture is hardly learned",
  }),
  dropout: field({
    kind: share("below one"),
    fallback: 0,
    meaning: "share of activations dropped while training",
    reason: "new draws in every iteration leave little to overfit",
  }),
} as const;

export const NETWORKS = { mlp: MLP_FIELDS, unet: UNET_FIELDS } as const;
export const NETWORK_TYPE = oneOf(["mlp", "unet"]);

interface MlpNetworkConfig extends Values<typeof MLP_FIELDS> {
  readonly type: "mlp";
}
interface UnetNetworkConfig extends Values<typeof UNET_FIELDS> {
  readonly type: "unet";
}
/** The network of a run. The shape of the latents gives the sizes that are missing here. */
export type NetworkConfig = MlpNetworkConfig | UnetNetworkConfig;

/** U-Nets for signals, images and volumes, MLPs for everything else. */
export function defaultNetworkType({ latentShape }: DataShape): NetworkConfig["type"] {
  return gridOf(latentShape) ? "unet" : "mlp";
}

/** Builds the network of a configuration. An MLP flattens latents of any shape. @throws ConfigError if it does not fit */
export function buildNetwork(config: NetworkConfig, latentShape: Shape): Network {
  if (config.type === "unet") return unet({ ...config, shape: latentShape });
  const flat = mlp({ ...config, features: sizeOf(latentShape) });
  if (latentShape.length === 1) return flat;
  return {
    ...flat,
    shape: latentShape,
    apply: (weights, x, logSigma) => {
      const B = x.shape[0]!;
      return reshape(flat.apply(weights, reshape(x, [B, ...flat.shape]), logSigma), [B, ...latentShape]);
    },
  };
}
