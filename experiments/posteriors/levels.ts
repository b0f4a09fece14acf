/** How close p(x_t | y) is when V[x | x_t] is replaced: the paper's figure 2, on the mixture. */
import { inverse, Matrix } from "ml-matrix";
import type { HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { systematicResample, weigh } from "../../src/posterior/particles.ts";
import { type Component, condition, diffuse, draw, logNormal, NOISE, type Observation } from "./problem.ts";

/** Covariances of q(y | x_t) = N(y | A x_hat, Sigma_y + A V A'). */
export const APPROXIMATIONS = ["tweedie", "sigma-x", "identity", "sigma-t"] as const;
export type Approximation = (typeof APPROXIMATIONS)[number];

export interface LevelDraws {
  /** Two independent sets from p(x_t | y), [n, N]. */
  readonly exact: readonly [HostArray<"float64">, HostArray<"float64">];
  readonly approximate: Readonly<Record<Approximation, HostArray<"float64">>>;
}

/**
 * Draws of p(x_t | y), and of q(x_t | y) ~ p(x_t) q(y | x_t) by importance resampling from the even mixture of p(x_t)
 * and p(x_t | y), whose density over p(x_t) is (1 + p(y | x_t) / p(y)) / 2 in closed form.
 */
export function drawsAtLevel(
  prior: readonly Component[],
  observation: Observation,
  sigma: number,
  { samples, proposals }: { readonly samples: number; readonly proposals: number },
  rng: Rng,
): LevelDraws {
  const exact = diffuse(condition(prior, observation), sigma);
  const noisy = diffuse(prior, sigma);
  const half = Math.ceil(proposals / 2);
  const [a, b] = [draw(noisy, half, rng), draw(exact, half, rng)];
  const N = a.shape[1]!;
  const x_t = Matrix.from1DArray(2 * half, N, [...a.data, ...b.data]);
  const logs = logLikelihoods(prior, noisy, observation, sigma, x_t);
  const evidence = logSum(condition(prior, observation).map(({ logWeight }) => logWeight));
  const pick = (name: Approximation): HostArray<"float64"> => {
    const weights = logs[name].map((q, i) => q - Math.log(1 + Math.exp(logs.exact[i]! - evidence)));
    const rows = systematicResample(weigh(weights).normalized, samples, rng);
    return {
      dtype: "float64",
      shape: [samples, N],
      data: Float64Array.from(Array.from(rows).flatMap((i) => x_t.getRow(i))),
    };
  };
  return {
    exact: [draw(exact, samples, rng), draw(exact, samples, rng)],
    approximate: {
      tweedie: pick("tweedie"),
      "sigma-x": pick("sigma-x"),
      identity: pick("identity"),
      "sigma-t": pick("sigma-t"),
    },
  };
}

/** ln p(y | x_t), and ln q(y | x_t) by covariance, for each row of x_t. */
function logLikelihoods(
  prior: readonly Component[],
  noisy: readonly Component[],
  { A, y }: Observation,
  sigma: number,
  x_t: Matrix,
): Record<Approximation | "exact", Float64Array> {
  const noise = Matrix.eye(A.rows).mul(NOISE ** 2);
  const seen = (V: Matrix) => A.mmul(V).mmul(A.transpose());
  const identity = Matrix.eye(A.columns);
  const fixed = {
    "sigma-t": seen(identity.clone().mul(sigma ** 2)),
    identity: seen(identity.clone().mul(sigma ** 2 / (1 + sigma ** 2))),
    "sigma-x": seen(inverse(inverse(covarianceOf(prior)).add(identity.clone().div(sigma ** 2)))),
  };
  const parts = prior.map(({ mean, covariance }, k) => {
    const gain = covariance.mmul(inverse(noisy[k]!.covariance));
    return { mean, gain, spread: seen(Matrix.mul(gain, sigma ** 2)) };
  });
  const out = {
    exact: new Float64Array(x_t.rows),
    tweedie: new Float64Array(x_t.rows),
    "sigma-x": new Float64Array(x_t.rows),
    identity: new Float64Array(x_t.rows),
    "sigma-t": new Float64Array(x_t.rows),
  };
  for (let i = 0; i < x_t.rows; i++) {
    const x = Matrix.columnVector(x_t.getRow(i));
    const logShares = noisy.map(
      ({ logWeight, mean, covariance }) => logWeight + logNormal(Matrix.sub(x, mean), covariance),
    );
    const total = logSum(logShares);
    const centres = parts.map(({ mean, gain }) => A.mmul(Matrix.add(mean, gain.mmul(Matrix.sub(x, mean)))));
    const predicted = Matrix.zeros(A.rows, 1);
    centres.forEach((centre, k) => {
      predicted.add(Matrix.mul(centre, Math.exp(logShares[k]! - total)));
    });
    const tweedie = Matrix.zeros(A.rows, A.rows);
    centres.forEach((centre, k) => {
      const offset = Matrix.sub(centre, predicted);
      const spread = Matrix.add(parts[k]!.spread, offset.mmul(offset.transpose()));
      tweedie.add(spread.mul(Math.exp(logShares[k]! - total)));
    });
    const r = Matrix.sub(y, predicted);
    const log = (V: Matrix) => logNormal(r, Matrix.add(V, noise));
    out.tweedie[i] = log(tweedie);
    out["sigma-x"][i] = log(fixed["sigma-x"]);
    out.identity[i] = log(fixed.identity);
    out["sigma-t"][i] = log(fixed["sigma-t"]);
    const terms = centres.map(
      (centre, k) =>
        logShares[k]! - total + logNormal(Matrix.sub(y, centre), Matrix.add(parts[k]!.spread, noise)),
    );
    out.exact[i] = logSum(terms);
  }
  return out;
}

/** Mean of the whole mixture, [N, 1]. */
export function meanOf(components: readonly Component[]): Matrix {
  const mean = Matrix.zeros(components[0]!.mean.rows, 1);
  for (const one of components) mean.add(Matrix.mul(one.mean, Math.exp(one.logWeight)));
  return mean;
}

/** Covariance of the whole mixture. */
export function covarianceOf(components: readonly Component[]): Matrix {
  const N = components[0]!.mean.rows;
  const mean = meanOf(components);
  const total = Matrix.zeros(N, N);
  for (const one of components) {
    const offset = Matrix.sub(one.mean, mean);
    total.add(Matrix.add(one.covariance, offset.mmul(offset.transpose())).mul(Math.exp(one.logWeight)));
  }
  return total;
}

function logSum(logs: readonly number[]): number {
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((sum, value) => sum + Math.exp(value - top), 0));
}
