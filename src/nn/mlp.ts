import {
  add,
  concat,
  expand,
  mul,
  reciprocal,
  scalar,
  split,
  sqrt,
  square,
  type Tensor,
} from "../graph/index.ts";
import {
  checkEmbedding,
  type Layer,
  layerNorm,
  linear,
  noiseEmbedding,
  sequential,
  silu,
  siluLayer,
} from "./layers.ts";
import type { Network } from "./network.ts";
import type { Weights } from "./parameters.ts";

/** Sizes of the MLP. */
export interface MlpConfig {
  /** Features of x. */
  readonly features: number;
  /** Neurons of each layer. */
  readonly width: number;
  /** Residual blocks. */
  readonly blocks: number;
  /** Size of the noise embedding, even. */
  readonly embedding: number;
}

/** Sizes that suit vectors of up to some hundred entries. */
export const MLP_DEFAULTS = { width: 256, blocks: 3, embedding: 64 } as const;

/**
 * Multi-layer perceptron of residual blocks that the noise level modulates [Peebles23]. x has a linear layer of its own, because
 * the embedding of ln sigma is far larger than an x of few features and would drown it. That layer also takes a constant one,
 * which gives neurons thresholds from the start; without them LayerNorm would hide how large such an x is.
 * @throws ConfigError if the embedding is not even
 */
export function mlp(config: MlpConfig): Network {
  const { features, width, blocks, embedding } = config;
  checkEmbedding(embedding);
  const entry = linear("input", features + 1, width);
  const body = Array.from({ length: blocks }, (_, i) => residual(`block.${i}`, width, embedding));
  const output = linear("output", width, features);
  return {
    shape: [features],
    parameters: [entry, ...body, output].flatMap((part) => part.parameters),
    dropoutRate: 0,
    apply: (weights, x, logSigma) => {
      const embedded = noiseEmbedding(logSigma, embedding);
      const start = entry.apply(weights, concat([x, expand(scalar(1), [x.shape[0]!, 1])], 1));
      const h = body.reduce((value, block) => block.apply(weights, value, embedded), start);
      return output.apply(weights, layerNorm(h, -1));
    },
  };
}

interface Block {
  readonly parameters: Layer["parameters"];
  /** @param h [B, width] @param embedded [B, F] or [1, F] */
  readonly apply: (weights: Weights, h: Tensor, embedded: Tensor) => Tensor;
}

/** y = Linear SiLU ((a + 1) LN(h) + b), joined as (h + c y) / sqrt(1 + c^2); (a, b, c - 1) come from the noise level. */
function residual(name: string, width: number, embedding: number): Block {
  const modulation = sequential(
    linear(`${name}.modulation.0`, embedding, embedding),
    siluLayer,
    linear(`${name}.modulation.1`, embedding, 3 * width, 0.1),
  );
  const layer = linear(`${name}.linear`, width, width);
  return {
    parameters: [modulation, layer].flatMap((part) => part.parameters),
    apply: (weights, h, embedded) => {
      const modulations = split(modulation.apply(weights, embedded), [width, width, width], 1);
      const [a, b, c] = modulations as [Tensor, Tensor, Tensor];
      const y = layer.apply(weights, silu(add(mul(layerNorm(h, -1), add(a, 1)), b)));
      const share = add(c, 1);
      const scale = reciprocal(sqrt(add(square(share), 1)));
      return add(mul(h, scale), mul(y, mul(share, scale)));
    },
  };
}
