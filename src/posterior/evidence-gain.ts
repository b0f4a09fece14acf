import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
import type { StepTaken } from "../diffusion/sampler-program.ts";
import type { StepLevels } from "../diffusion/samplers/method.ts";
import {
  add,
  div,
  greater,
  log,
  mul,
  reciprocal,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "../graph/index.ts";
import { gaussianGuided, solvingSteps } from "./gaussian-guided.ts";
import type { Measurement } from "./posterior.ts";

/**
 * What a step of a posterior draw adds to ln q(y) - ln g(y): how much better a prior q explains y than a Gaussian g. With
 * l = 1 / sigma^2, Y = l x_t = l x + W_l is a Wiener process with drift: E[x | x_t] under a prior, E[x | x_t, y] under its
 * posterior [Guo05; Liptser01, chapter 7]. The densities of the four processes q, g, q given y and g given y on one path give
 *   ln q(y) - ln g(y) = int f dl + int c' dB,   f = (|u - d_g|^2 - |u - d_q|^2 - |u - v|^2) / 2,   c = d_q - d_g - u + v,
 * d_q and d_g their denoisers, u and v those of their posteriors, the path one of q's given y with the noise B. Its mean is
 * that of f alone; the second integral, whose mean is zero, takes away what differs from path to path. Where q is g and u is v,
 * both are 0 whatever the steps, so their errors are those of the difference only, and p(y | x) has no part in it.
 *   f l is smooth in ln l, rises as l and falls as 1 / l at its ends: the trapezoid rule, and f l at either end for what lies
 *   beyond. sum of f l (ln(sigma_r / sigma_t) + ln(sigma_t / sigma_s)), 1 for a level that is not there.
 * If u is only near E[x | x_t, y] (moment matching, few steps of a solver, limits), the mean is too low by the divergence
 * int |u - E[x | x_t, y]|^2 dl / 2 of the paths from q's, of second order in the error: a lower bound if v is exact. An error e
 * that u and v share, as few steps of a solver have it, leaves int e' (d_q - d_g) dl instead, which is 0 where q is g.
 * Cost: no pass of the network beside those of the draw; the systems of v.
 * @param prior d_q
 * @param gaussian g
 * @param guided v; default: solved to rounding
 * @returns [B]
 */
export function evidenceGain(
  prior: Denoiser,
  gaussian: Gaussian,
  measurement: Measurement,
  guided: Denoiser = solvedPosterior(gaussian, measurement),
): (step: StepTaken) => Tensor {
  const plain = gaussianDenoiser(gaussian);
  return ({ x_t, mean: u, levels, noise }) => {
    const { sigma_t, sigma_s } = levels;
    const [d_q, d_g, v] = [prior(x_t, sigma_t), plain(x_t, sigma_t), guided(x_t, sigma_t)];
    const [closer, own, rest] = [sub(u, d_g), sub(u, d_q), sub(u, v)];
    const f = mul(overSample(sub(sub(square(closer), square(own)), square(rest))), 0.5);
    const drift = mul(f, quadratureWeight(levels));
    if (!noise) return drift;
    // The step x_s = m + d z has Y's noise d z / sigma_s^2; the last one has none.
    const hasNoise = greater(sigma_s, 0);
    const size = where(hasNoise, div(noise.deviation, square(where(hasNoise, sigma_s, 1))), 0);
    const c = sub(sub(closer, own), rest);
    return add(drift, overSample(mul(mul(c, perSample(size, c)), noise.z)));
  };
}

function solvedPosterior(gaussian: Gaussian, measurement: Measurement): Denoiser {
  const steps = solvingSteps(gaussian, measurement);
  return gaussianGuided(gaussianDenoiser(gaussian), measurement, gaussian, steps);
}

/** l (ln(sigma_r / sigma_t) + ln(sigma_t / sigma_s)). */
function quadratureWeight({ sigma_r, sigma_t, sigma_s }: StepLevels): Tensor {
  const [hasBefore, hasAfter] = [greater(sigma_r, sigma_t), greater(sigma_s, 0)];
  const before = where(hasBefore, log(div(sigma_r, sigma_t)), 1);
  const after = where(hasAfter, log(div(sigma_t, where(hasAfter, sigma_s, 1))), 1);
  return mul(add(before, after), reciprocal(square(sigma_t)));
}

/** Sums over all but the batch. */
function overSample(x: Tensor): Tensor {
  return sum(
    x,
    x.shape.slice(1).map((_, axis) => axis + 1),
  );
}
