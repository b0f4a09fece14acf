import { ConfigError } from "../core/errors.ts";
import { GRIDS, type Grid, gridOf } from "../core/grid.ts";
import type { Shape } from "../core/shape.ts";
import {
  add,
  concat,
  expand,
  mul,
  reciprocal,
  reshape,
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
import { enlarge, fromImages, perChannel, type Slices, toImages } from "./slices.ts";

/** Sizes of the U-Net. */
export interface UnetConfig {
  /** Shape of one latent: a signal [C, L], an image [C, H, W] or a volume [C, D, H, W]. */
  readonly shape: Shape;
  /** Channels of each level, from the finest; each level halves the sides. */
  readonly channels: readonly number[];
  /** Residual blocks on each level, on the way down and again on the way up. */
  readonly blocks: readonly number[];
  /** Attention heads on each level; 0 for none. */
  readonly heads: readonly number[];
  /** Size of the noise embedding, even. */
  readonly embedding: number;
  /** Side of the patches whose places become channels before the first level; 1 for none. */
  readonly patch: number;
  /** Share of activations dropped in each residual block while training. */
  readonly dropout: number;
}

/**
 * U-Net of residual blocks that the noise level modulates [Rozet24, appendix C, tables 2-3]. Levels halve the size by strided
 * convolution and double it by nearest up-sampling. The output of each level on the way down is concatenated on the way up.
 * Convolutions of signals have 1 axis, and those of volumes have 3. Sides may have any length: the network repeats the last
 * place along each axis until every level divides.
 * @throws ConfigError if the sizes do not fit together
 */
export function unet(config: UnetConfig): Network {
  const { channels: C, lengths } = checkConfig(config);
  const { channels, patch, dropout, embedding } = config;
  const places = C * patch ** lengths.length;
  const step = patch * 2 ** (channels.length - 1);
  const grid = lengths.map((length) => Math.ceil(length / step) * (step / patch));
  const slicesAt = (i: number): Slices => ({
    axes: grid.length,
    depth: grid.length === 3 ? grid[0]! / 2 ** i : 1,
  });
  const down = channels.map((width, i) => {
    const from = i === 0 ? places : channels[i - 1]!;
    const halving = i === 0 ? { stride: 1, slices: slicesAt(0) } : { stride: 2, slices: slicesAt(i - 1) };
    return {
      head: conv(`down.${i}.head`, from, width, 3, halving),
      blocks: level("down", i, config, slicesAt(i)),
    };
  });
  const up = channels.map((width, i) => {
    const deeper = channels[i + 1];
    const slices = slicesAt(i);
    const blocks = level("up", i, config, slices);
    const head =
      deeper === undefined ? undefined : conv(`up.${i}.merge`, deeper + width, width, 3, { slices });
    return { head, blocks };
  });
  const output = conv("output", channels[0]!, places, 1, { slices: slicesAt(0) });
  const parts = [...down, ...up.toReversed()].flatMap(({ head, blocks }) => [head ?? [], blocks].flat());
  return {
    shape: config.shape,
    parameters: [...parts, output].flatMap((part) => part.parameters),
    dropoutRate: dropout,
    apply: (weights, latents, logSigma, drop) => {
      const context = { weights, embedding: noiseEmbedding(logSigma, embedding), ...(drop && { drop }) };
      const run = (blocks: readonly Block[], x: Tensor) =>
        blocks.reduce((y, block) => block.apply(context, y), x);
      const skips: Tensor[] = [];
      let x = toImages(patchify(repeatEdges(latents, step), patch));
      for (const [i, { head, blocks }] of down.entries()) {
        x = head.apply(weights, x);
        x = run(blocks, i === 0 ? x : layerNorm(x, 1));
        skips.push(x);
      }
      for (const [i, { head, blocks }] of [...up.entries()].toReversed()) {
        x = run(blocks, head ? head.apply(weights, concat([x, skips[i]!], 1)) : x);
        if (i > 0) x = enlarge(layerNorm(x, 1), slicesAt(i));
      }
      const y = unpatchify(fromImages(output.apply(weights, x), grid), patch);
      return lengths.reduce((cut, length, k) => slice(cut, k + 2, 0, length), y);
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

function level(way: string, i: number, config: UnetConfig, slices: Slices): Block[] {
  const width = config.channels[i]!;
  const heads = config.heads[i]!;
  return Array.from({ length: config.blocks[i]! }, (_, b) => `${way}.${i}.block.${b}`).flatMap((name) => [
    residual(name, width, config.embedding, slices),
    ...(heads > 0 ? [attentionBlock(`${name}.attention`, width, config.embedding, heads, slices)] : []),
  ]);
}

/** LN((a + 1) x + b) -> conv -> SiLU -> dropout -> conv, joined as (x + c y) / sqrt(1 + c^2). */
function residual(name: string, channels: number, embedding: number, slices: Slices): Block {
  const first = conv(`${name}.first`, channels, channels, 3, { slices });
  const second = conv(`${name}.second`, channels, channels, 3, { slices });
  return modulated(name, channels, embedding, slices, [first, second], ({ weights, drop }, x) => {
    const hidden = silu(first.apply(weights, x));
    return second.apply(weights, drop ? drop(hidden) : hidden);
  });
}

function attentionBlock(
  name: string,
  channels: number,
  embedding: number,
  heads: number,
  slices: Slices,
): Block {
  const layer = attention(name, channels, heads, slices);
  return modulated(name, channels, embedding, slices, [layer], ({ weights }, x) => layer.apply(weights, x));
}

/** The frame that residual and attention blocks share: (a, b, c) come from the noise level [Peebles23]. */
function modulated(
  name: string,
  channels: number,
  embedding: number,
  { depth }: Slices,
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
        perChannel(part, depth),
      ) as [Tensor, Tensor, Tensor];
      const y = apply(context, layerNorm(add(mul(add(a, 1), x), b), 1));
      // (x + c y) / sqrt(1 + c^2) with the division done once per channel.
      const scale = reciprocal(sqrt(add(square(c), 1)));
      return add(mul(x, scale), mul(y, mul(c, scale)));
    },
  };
}

/** Repeats the last place along each axis of [B, C, ...lengths] until all lengths are multiples of `step`. */
function repeatEdges(latents: Tensor, step: number): Tensor {
  return latents.shape.reduce((x, _, axis) => {
    if (axis < 2) return x;
    const size = x.shape[axis]!;
    const missing = Math.ceil(size / step) * step - size;
    if (missing === 0) return x;
    const last = slice(x, axis, size - 1, size);
    const shape = x.shape.map((length, k) => (k === axis ? missing : length));
    return concat([x, expand(last, shape)], axis);
  }, latents);
}

/** Pixel unshuffle: [B, C, H, W] -> [B, p p C, H / p, W / p], channel order (row, column, C); likewise along 1 and 3 axes. */
export function patchify(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  const [B, C, ...lengths] = x.shape as [number, number, ...number[]];
  const inside = lengths.map((_, k) => 3 + 2 * k);
  const blocks = reshape(x, [B, C, ...lengths.flatMap((n) => [n / p, p])]);
  const ordered = transpose(blocks, [0, ...inside, 1, ...inside.map((axis) => axis - 1)]);
  return reshape(ordered, [B, p ** lengths.length * C, ...lengths.map((n) => n / p)]);
}

/** The inverse of `patchify`. */
export function unpatchify(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  const [B, channels, ...lengths] = x.shape as [number, number, ...number[]];
  const n = lengths.length;
  const C = channels / p ** n;
  const blocks = reshape(x, [B, ...lengths.map(() => p), C, ...lengths]);
  const ordered = transpose(blocks, [0, n + 1, ...lengths.flatMap((_, k) => [n + 2 + k, 1 + k])]);
  return reshape(ordered, [B, C, ...lengths.map((length) => length * p)]);
}

function checkConfig(config: UnetConfig): Grid {
  const { shape, channels, blocks, heads, embedding, dropout } = config;
  const where = "network";
  checkEmbedding(embedding);
  if (!(dropout >= 0 && dropout < 1))
    throw new ConfigError(`${where}: dropout must lie in [0, 1), got ${dropout}.`);
  const grid = gridOf(shape);
  if (!grid)
    throw new ConfigError(`${where}: a U-Net needs ${GRIDS}, got [${shape.join(", ")}]. Use the MLP.`);
  if (blocks.length !== channels.length || heads.length !== channels.length)
    throw new ConfigError(
      `${where}: channels, blocks and heads must have one entry per level, got ${channels.length}, ${blocks.length} and ${heads.length}. Set network.channels, network.blocks and network.heads together.`,
    );
  for (const [i, width] of channels.entries())
    if (heads[i]! > 0 && width % heads[i]! !== 0)
      throw new ConfigError(`${where}: ${heads[i]} heads do not divide ${width} channels on level ${i}.`);
  return grid;
}
