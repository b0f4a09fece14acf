import { float32 } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import {
  add,
  type ConvolutionOptions,
  concat,
  constant,
  conv2d,
  cos,
  matmul,
  mul,
  reshape,
  silu,
  sin,
  softmax,
  standardize,
  type Tensor,
  transpose,
} from "../graph/index.ts";
import type { ParameterSpec, Weights } from "./parameters.ts";
import { IMAGES, joinPlaces, neighbours, type Slices, splitPlaces } from "./slices.ts";

export { silu };

/** A part of a network: the parameters it needs and what it does with them. */
export interface Layer {
  readonly parameters: readonly ParameterSpec[];
  readonly apply: (weights: Weights, x: Tensor) => Tensor;
}

/** y = x W' + b on vectors [B, I]; W is [O, I], uniform in scale / sqrt(I); b starts at zero. */
export function linear(name: string, inputs: number, outputs: number, scale = 1): Layer {
  const weight = { name: `${name}.weight`, shape: [outputs, inputs], bound: scale / Math.sqrt(inputs) };
  const offset = { name: `${name}.bias`, shape: [outputs], bound: 0 };
  return {
    parameters: [weight, offset],
    apply: (weights, x) => add(matmul(x, weights[weight.name]!, { transB: true }), weights[offset.name]!),
  };
}

interface ConvOptions {
  /** Step of the kernel. Default 1. */
  readonly stride?: number;
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /** What the images stand for. Default: images. */
  readonly slices?: Slices;
}

/**
 * Convolution along 1 to 3 axes with an odd kernel k and zero padding k // 2; W [O, I, k, ...] uniform in
 * 1 / sqrt(I k ...). Signals and volumes come and go as images (slices.ts), [depth B, I, H, W].
 */
export function conv(
  name: string,
  inputs: number,
  outputs: number,
  kernel: number,
  options: ConvOptions = {},
): Layer {
  const { stride = 1, bias = true, slices = IMAGES } = options;
  const { axes, depth } = slices;
  const shape = [outputs, inputs, ...new Array<number>(axes).fill(kernel)];
  const weight = { name: `${name}.weight`, shape, bound: 1 / Math.sqrt(inputs * kernel ** axes) };
  const offset = { name: `${name}.bias`, shape: [outputs], bound: 0 };
  const padding = kernel >> 1;
  const geometry: ConvolutionOptions =
    axes === 1 ? { stride: [1, stride], padding: [0, padding] } : { stride, padding };
  return {
    parameters: bias ? [weight, offset] : [weight],
    apply: (weights, x) => {
      const read = axes === 3 ? neighbours(x, depth, kernel, stride) : x;
      const kernels = imageKernels(weights[weight.name]!);
      return conv2d(read, kernels, bias ? weights[offset.name] : undefined, geometry);
    },
  };
}

/** Kernels [O, I, k, ...] for images: of signals [O, I, 1, k], of volumes [O, k I, k, k] in the order of `neighbours`. */
function imageKernels(w: Tensor): Tensor {
  const [O, I, ...kernel] = w.shape as [number, number, ...number[]];
  if (kernel.length === 1) return reshape(w, [O, I, 1, kernel[0]!]);
  if (kernel.length === 2) return w;
  const [K, ...image] = kernel as [number, number, number];
  return reshape(transpose(w, [0, 2, 1, 3, 4]), [O, K * I, ...image]);
}

/** Layers one after the other. */
export function sequential(...layers: readonly Layer[]): Layer {
  return {
    parameters: layers.flatMap((layer) => layer.parameters),
    apply: (weights, x) => layers.reduce((value, layer) => layer.apply(weights, value), x),
  };
}

export const siluLayer: Layer = { parameters: [], apply: (_weights, x) => silu(x) };

/** (x - mean) / sqrt(variance + 1e-5) over one axis, without learned scale or shift [Ba16]. */
export function layerNorm(x: Tensor, axis: number): Tensor {
  return standardize(x, [axis], 1e-5);
}

/**
 * Multi-head attention among the places of a sample [Vaswani17]: softmax(Q'K / sqrt(d)) applied to V, heads of
 * d = C / heads channels; queries, keys and values with bias, the output without; no positional code.
 * Channels stay in front of places, so that only volumes, whose slices are apart, need a transposition.
 */
export function attention(name: string, channels: number, heads: number, slices = IMAGES): Layer {
  const [query, key, value] = ["query", "key", "value"].map((part) =>
    conv(`${name}.${part}`, channels, channels, 1, { slices }),
  ) as [Layer, Layer, Layer];
  const output = conv(`${name}.output`, channels, channels, 1, { bias: false, slices });
  return {
    parameters: [query, key, value, output].flatMap((layer) => layer.parameters),
    apply: (weights, x) => {
      const B = x.shape[0]! / slices.depth;
      const perHead = (layer: Layer) =>
        reshape(joinPlaces(layer.apply(weights, x), slices.depth), [B, heads, channels / heads, -1]);
      const scores = matmul(perHead(query), perHead(key), { transA: true });
      const shares = softmax(mul(scores, 1 / Math.sqrt(channels / heads)));
      const mixed = matmul(perHead(value), shares, { transB: true });
      return output.apply(weights, splitPlaces(mixed, slices.depth, x.shape));
    },
  };
}

/**
 * Sinusoidal embedding of ln sigma: [sin(f_i ln sigma), cos(f_i ln sigma)], f_i = 1e-4^(i / (F/2 - 1)).
 * @param logSigma [B] (or [1], shared by the batch)
 * @returns [B, features]
 */
export function noiseEmbedding(logSigma: Tensor, features: number): Tensor {
  checkEmbedding(features);
  const half = features / 2;
  const frequencies = Array.from({ length: half }, (_, i) => 1e-4 ** (i / (half - 1)));
  const phases = mul(reshape(logSigma, [sizeOf(logSigma.shape), 1]), constant(float32(frequencies)));
  return concat([sin(phases), cos(phases)], 1);
}

/** Two frequencies at least: with one, the exponent i / (F/2 - 1) has no value. @throws ConfigError */
export function checkEmbedding(features: number): void {
  if (!(Number.isInteger(features / 2) && features >= 4))
    throw new ConfigError(`network: embedding must be an even number >= 4, got ${features}.`);
}
