import { float32 } from "../../core/array.ts";
import type { Shape } from "../../core/shape.ts";
import type { Coordinates } from "../../data/observations/coordinates.ts";
import type { Denoiser } from "../../diffusion/denoiser.ts";
import { add, constant, div, mul, sub, type Tensor } from "../../graph/index.ts";

/** The way from the user's units into a model's coordinates, and back: x = shift + scale z. */
export interface Border {
  /** z of x, [B, ...latent] */
  readonly into: (x: Tensor) => Tensor;
  /** x of z, [B, ...latent] */
  readonly outOf: (z: Tensor) => Tensor;
  /** The unit, which noise levels, y and the deviation of its noise are divided by. */
  readonly unit: number;
}

/** @param latentShape of one latent */
export function borderOf(coordinates: Coordinates | undefined, latentShape: Shape): Border {
  if (!coordinates) return { into: (x) => x, outOf: (z) => z, unit: 1 };
  const latent = ({ data }: Coordinates["shift"]) =>
    constant(float32(Float32Array.from(data), [1, ...latentShape]));
  const [shift, scale] = [latent(coordinates.shift), latent(coordinates.scale)];
  return {
    into: (x) => div(sub(x, shift), scale),
    outOf: (z) => add(mul(z, scale), shift),
    unit: coordinates.unit,
  };
}

/** A denoiser of a model's coordinates as one in the user's units. */
export function acrossBorder(denoiser: Denoiser, { into, outOf, unit }: Border): Denoiser {
  return (x, sigma) => outOf(denoiser(into(x), div(sigma, unit)));
}

/**
 * Noise on each entry at sigma = 1, for each index of the latent's first axis: where coordinates have units of their own, so
 * has the noise that their denoiser removes,  x_t = x + sigma noiseScale z.
 */
export function noiseScaleOf(coordinates: Coordinates | undefined, [C = 1]: Shape): number[] {
  if (!coordinates) return new Array<number>(C).fill(1);
  const { scale, unit } = coordinates;
  const each = scale.data.length / C;
  // To float32, in which a unit that all share is 1.
  return Array.from({ length: C }, (_, c) => Math.fround(scale.data[c * each]! / unit));
}
