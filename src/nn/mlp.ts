import { concat, expand, type Tensor } from "../graph/index.ts";
import { checkEmbedding, layerNorm, linear, noiseEmbedding, silu } from "./layers.ts";
import type { Network } from "./network.ts";

/** Sizes of the MLP. */
export interface MlpConfig {
  /** Features of x. */
  readonly features: number;
  /** Neurons of each hidden layer. */
  readonly hidden: readonly number[];
  /** Size of the noise embedding, even. */
  readonly embedding: number;
}

/** Hidden layers and embedding of the paper's low-dimensional experiment (appendix C, table 2). */
export const MLP_DEFAULTS = { hidden: [256, 256, 256], embedding: 64 } as const;

/**
 * Multi-layer perceptron on concat(x, embedding of ln sigma): (Linear, SiLU, LayerNorm) for each hidden layer, then
 * Linear [Rozet24, appendix C].
 * @throws ConfigError if the embedding is not even
 */
export function mlp(config: MlpConfig): Network {
  const { features, hidden, embedding } = config;
  checkEmbedding(embedding);
  const widths = [features + embedding, ...hidden];
  const layers = hidden.map((width, i) => linear(`hidden.${i}`, widths[i]!, width));
  const output = linear("output", widths.at(-1)!, features);
  return {
    shape: [features],
    parameters: [...layers, output].flatMap((layer) => layer.parameters),
    dropoutRate: 0,
    apply: (weights, x, logSigma) => {
      const embedded = expand(noiseEmbedding(logSigma, embedding), [x.shape[0]!, embedding]);
      const start: Tensor = concat([x, embedded], 1);
      const body = layers.reduce((value, layer) => layerNorm(silu(layer.apply(weights, value)), -1), start);
      return output.apply(weights, body);
    },
  };
}
