/** Noise covariances Sigma_y = diag(d) + L L' in graphs. */

import { ShapeError } from "../../core/errors.ts";
import { identity, invert } from "../../diffusion/gaussian.ts";
import {
  add,
  div,
  expand,
  matmul,
  mul,
  type Operand,
  reshape,
  scalar,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
} from "../../graph/index.ts";
import type { NoiseCovariance, NoiseVariance } from "../../operators/operator.ts";

/** Any description of the noise as d and L. */
export function noiseCovariance(variance: NoiseVariance): NoiseCovariance {
  return typeof variance === "object" && "diagonal" in variance ? variance : { diagonal: variance };
}

/** Number of columns of L. */
export function noiseRank(variance: NoiseVariance): number {
  return noiseCovariance(variance).factor?.shape[2] ?? 0;
}

/** Sigma_y p = d p + L (L' p). @param p [B, ...M] */
export function multiplyNoise(variance: NoiseVariance, p: Tensor): Tensor {
  const { diagonal, factor } = noiseCovariance(variance);
  const own = mul(p, diagonal);
  return factor ? add(own, multiplyFactor(factor, p)) : own;
}

/** L L' p. @param L [1 or B, M, r]     @param p [B, ...M] */
export function multiplyFactor(L: Tensor, p: Tensor): Tensor {
  return spread(L, project(L, p), p.shape);
}

/** A draw from N(0, Sigma_y), sqrt(d) z + L w. @throws ShapeError if there is an L and no w */
export function colorNoise(
  variance: NoiseVariance,
  { observation, patterns }: { readonly observation: Tensor; readonly patterns?: Tensor | undefined },
): Tensor {
  const { diagonal, factor } = noiseCovariance(variance);
  const deviation = typeof diagonal === "number" ? scalar(Math.sqrt(diagonal)) : sqrt(diagonal);
  const own = mul(deviation, observation);
  if (!factor) return own;
  if (!patterns)
    throw new ShapeError(
      `noise: expected normal numbers [B, ${factor.shape[2]}] for the patterns of the noise, found none. Add them.`,
    );
  const [B, r] = patterns.shape as [number, number];
  return add(own, spread(factor, reshape(patterns, [B, 1, r]), observation.shape));
}

/**
 * What the patterns explain of a residual, and what is left: the z that minimizes (r - L z)' E^-1 (r - L z) + z' z.
 *   z = (I + L' E^-1 L)^-1 L' E^-1 r,     (E + L L')^-1 r = E^-1 (r - L z)            (Woodbury)
 * No large numbers are subtracted but in r - L z, which holds in float32 where L L' is large beside E.
 * @param weights the diagonal of E^-1, broadcasts to [B, ...M]
 * @param r [B, ...M]
 */
export function explain(
  weights: Operand,
  L: Tensor,
  r: Tensor,
): { readonly z: Tensor; readonly rest: Tensor } {
  const [, M, rank] = L.shape as [number, number, number];
  const B = r.shape[0]!;
  const E_inverse = typeof weights === "number" ? weights : reshape(expand(weights, r.shape), [B, M, 1]);
  const weighted = mul(L, E_inverse);
  const inverse = invert(add(matmul(weighted, L, { transA: true }), identity(rank)));
  const z = matmul(project(weighted, r), inverse);
  return { z, rest: sub(r, spread(L, z, r.shape)) };
}

/** r' Sigma_y^-1 r for each sample, [B]: w' E^-1 w + z' z with the parts of `explain`. @param r [B, ...M] */
export function noiseSquares(variance: NoiseVariance, r: Tensor): Tensor {
  const { diagonal, factor } = noiseCovariance(variance);
  const axes = (x: Tensor) => x.shape.flatMap((_, axis) => (axis > 0 ? [axis] : []));
  const own = (w: Tensor) => sum(div(square(w), diagonal), axes(w));
  if (!factor) return own(r);
  const { z, rest } = explain(div(1, diagonal), factor, r);
  return add(own(rest), sum(square(z), axes(z)));
}

/** L' p, [B, 1, r]. */
function project(L: Tensor, p: Tensor): Tensor {
  return matmul(reshape(p, [p.shape[0]!, 1, L.shape[1]!]), L);
}

/** L z in the shape of y. @param z [B, 1, r] */
function spread(L: Tensor, z: Tensor, shape: readonly number[]): Tensor {
  return reshape(matmul(z, L, { transB: true }), shape);
}
