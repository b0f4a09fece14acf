import { ConfigError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import {
  add,
  concat,
  expand,
  mul,
  reciprocal,
  reshape,
  resizeNearest,
  slice,
  split,
  sqrt,
  square,
  type Tensor,
  transpose,
} from "../graph/index.ts";
import {
  attention,
  checkEmbedding,
  conv,
  type Layer,
  layerNorm,
  linear,
  noiseEmbedding,
  sequential,
  silu,
  siluLayer,
} from "./layers.ts";
import type { Dropout, Network } from "./network.ts";
import type { Weights } from "./parameters.ts";

/** Sizes of the U-Net. */
export interface UnetConfig {
  /** Shape of one image: [channels, height, width]. */
  readonly shape: Shape;
  /** Channels of each level, from the finest; each level halves the size. */
  readonly channels: readonly number[];
  /** Residual blocks on each level, on the way down and again on the way up. */
  readonly blocks: readonly number[];
  /** Attention heads on each level; 0 for none. */
  readonly heads: readonly number[];
  /** Size of the noise embedding, even. */
  readonly embedding: number;
  /** Side of the square patches whose pixels become channels before the first level; 1 for none. */
  readonly patch: number;
  /** Share of activations dropped in each residual block while training. */
  readonly dropout: number;
}

/**
 * U-Net of residual blocks modulated by the noise level [Rozet24, appendix C, tables 2-3]. Levels halve the size by
 * strided convolution and double it by nearest up-sampling; each level's output on the way down is concatenated on the
 * way up. Sides are of any length: inside, the last row and column are repeated until every level divides.
 * @throws ConfigError if the sizes do not fit together
 */
export function unet(config: UnetConfig): Network {
  const [C, H, W] = checkConfig(config);
  const { channels, patch, dropout, embedding } = config;
  const pixels = C * patch * patch;
  const step = patch * 2 ** (channels.length - 1);
  const down = channels.map((width, i) => {
    const from = i === 0 ? pixels : channels[i - 1]!;
    return {
      head: conv(`down.${i}.head`, from, width, 3, { stride: i === 0 ? 1 : 2 }),
      blocks: level("down", i, config),
    };
  });
  const up = channels.map((width, i) => {
    const deeper = channels[i + 1];
    const blocks = level("up", i, config);
    const head = deeper === undefined ? undefined : conv(`up.${i}.merge`, deeper + width, width, 3);
    return { head, blocks };
  });
  const output = conv("output", channels[0]!, pixels, 1);
  const parts = [...down, ...up.toReversed()].flatMap(({ head, blocks }) => [head ?? [], blocks].flat());
  return {
    shape: [C, H, W],
    parameters: [...parts, output].flatMap((part) => part.parameters),
    dropoutRate: dropout,
    apply: (weights, image, logSigma, drop) => {
      const context = { weights, embedding: noiseEmbedding(logSigma, embedding), ...(drop && { drop }) };
      const run = (blocks: readonly Block[], x: Tensor) =>
        blocks.reduce((y, block) => block.apply(context, y), x);
      const skips: Tensor[] = [];
      let x = patchify(repeatEdges(image, step), patch);
      for (const [i, { head, blocks }] of down.entries()) {
        x = head.apply(weights, x);
        x = run(blocks, i === 0 ? x : layerNorm(x, 1));
        skips.push(x);
      }
      for (const [i, { head, blocks }] of [...up.entries()].toReversed()) {
        x = run(blocks, head ? head.apply(weights, concat([x, skips[i]!], 1)) : x);
        if (i > 0) x = resizeNearest(layerNorm(x, 1), 2);
      }
      const y = unpatchify(output.apply(weights, x), patch);
      return slice(slice(y, 2, 0, H), 3, 0, W);
    },
  };
}

interface BlockContext {
  readonly weights: Weights;
  /** [B, F] or [1, F] */
  readonly embedding: Tensor;
  readonly drop?: Dropout;
}
interface Block {
  readonly parameters: Layer["parameters"];
  readonly apply: (context: BlockContext, x: Tensor) => Tensor;
}

function level(way: string, i: number, config: UnetConfig): Block[] {
  const width = config.channels[i]!;
  const heads = config.heads[i]!;
  return Array.from({ length: config.blocks[i]! }, (_, b) => `${way}.${i}.block.${b}`).flatMap((name) => [
    residual(name, width, config.embedding),
    ...(heads > 0 ? [attentionBlock(`${name}.attention`, width, config.embedding, heads)] : []),
  ]);
}

/** LN((a + 1) x + b) -> conv -> SiLU -> dropout -> conv, joined as (x + c y) / sqrt(1 + c^2). */
function residual(name: string, channels: number, embedding: number): Block {
  const first = conv(`${name}.first`, channels, channels, 3);
  const second = conv(`${name}.second`, channels, channels, 3);
  return modulated(name, channels, embedding, [first, second], ({ weights, drop }, x) => {
    const hidden = silu(first.apply(weights, x));
    return second.apply(weights, drop ? drop(hidden) : hidden);
  });
}

function attentionBlock(name: string, channels: number, embedding: number, heads: number): Block {
  const layer = attention(name, channels, heads);
  return modulated(name, channels, embedding, [layer], ({ weights }, x) => layer.apply(weights, x));
}

/** The frame that residual and attention blocks share: (a, b, c) come from the noise level [Peebles23]. */
function modulated(
  name: string,
  channels: number,
  embedding: number,
  inner: readonly Layer[],
  apply: (context: BlockContext, x: Tensor) => Tensor,
): Block {
  const modulation = sequential(
    linear(`${name}.modulation.0`, embedding, embedding),
    siluLayer,
    linear(`${name}.modulation.1`, embedding, 3 * channels, 0.1),
  );
  return {
    parameters: [modulation, ...inner].flatMap((layer) => layer.parameters),
    apply: (context, x) => {
      const modulations = modulation.apply(context.weights, context.embedding);
      const [a, b, c] = split(modulations, [channels, channels, channels], 1).map((part) =>
        reshape(part, [part.shape[0]!, channels, 1, 1]),
      ) as [Tensor, Tensor, Tensor];
      const y = apply(context, layerNorm(add(mul(add(a, 1), x), b), 1));
      // (x + c y) / sqrt(1 + c^2) with the division done once per channel.
      const scale = reciprocal(sqrt(add(square(c), 1)));
      return add(mul(x, scale), mul(y, mul(c, scale)));
    },
  };
}

/** Repeats the last row and the last column of [B, C, H, W] until both sides are multiples of `step`. */
function repeatEdges(image: Tensor, step: number): Tensor {
  return [2, 3].reduce((x, axis) => {
    const size = x.shape[axis]!;
    const missing = Math.ceil(size / step) * step - size;
    if (missing === 0) return x;
    const last = slice(x, axis, size - 1, size);
    const shape = x.shape.map((length, k) => (k === axis ? missing : length));
    return concat([x, expand(last, shape)], axis);
  }, image);
}

/** Pixel unshuffle: [B, C, H, W] -> [B, p p C, H / p, W / p], channel order (row, column, C). */
export function patchify(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  const [B, C, H, W] = x.shape as [number, number, number, number];
  const blocks = transpose(reshape(x, [B, C, H / p, p, W / p, p]), [0, 3, 5, 1, 2, 4]);
  return reshape(blocks, [B, p * p * C, H / p, W / p]);
}

/** The inverse of `patchify`. */
export function unpatchify(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  const [B, C, H, W] = x.shape as [number, number, number, number];
  const blocks = transpose(reshape(x, [B, p, p, C / p / p, H, W]), [0, 3, 4, 1, 5, 2]);
  return reshape(blocks, [B, C / p / p, H * p, W * p]);
}

function checkConfig(config: UnetConfig): [number, number, number] {
  const { shape, channels, blocks, heads, embedding, dropout } = config;
  const where = "network";
  checkEmbedding(embedding);
  if (!(dropout >= 0 && dropout < 1))
    throw new ConfigError(`${where}: dropout must lie in [0, 1), got ${dropout}.`);
  if (shape.length !== 3)
    throw new ConfigError(
      `${where}: a U-Net needs images [C, H, W], got [${shape.join(", ")}]. Use the MLP.`,
    );
  if (blocks.length !== channels.length || heads.length !== channels.length)
    throw new ConfigError(
      `${where}: channels, blocks and heads must have one entry per level, got ${channels.length}, ${blocks.length} and ${heads.length}. Set network.channels, network.blocks and network.heads together.`,
    );
  const [C, H, W] = shape as [number, number, number];
  for (const [i, width] of channels.entries())
    if (heads[i]! > 0 && width % heads[i]! !== 0)
      throw new ConfigError(`${where}: ${heads[i]} heads do not divide ${width} channels on level ${i}.`);
  return [C, H, W];
}
