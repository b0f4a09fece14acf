/** How close p(x_t | y) is when V[x | x_t] is replaced: the paper's figure 2, on the mixture. */
import { inverse, Matrix } from "ml-matrix";
import type { HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import {
  type Component,
  condition,
  diffuse,
  draw,
  FEATURES,
  logNormal,
  logSum,
  MEASUREMENTS,
  NOISE,
  type Observation,
} from "./problem.ts";

/** Covariances V of q(y | x_t) = N(y | A x_hat, Sigma_y + A V A'). */
export const APPROXIMATIONS = ["tweedie", "sigma-x", "identity", "sigma-t"] as const;
export type Approximation = (typeof APPROXIMATIONS)[number];
const TARGETS = ["exact", ...APPROXIMATIONS] as const;

/** n draws of p(x_t | y), and of q(x_t | y) for each covariance, [n, N]. */
export type LevelDraws = Readonly<Record<Approximation | "exact", HostArray<"float64">>>;

/**
 * Draws of p(x_t | y) and of each q(x_t | y) ~ p(x_t) q(y | x_t), by importance resampling from the even mixture of
 * p(x_t) and p(x_t | y), whose density over p(x_t) is (1 + p(y | x_t) / p(y)) / 2 in closed form.
 *
 * Draw i of each is the proposal k with the largest ln w_k + G_ik, G standard Gumbel [Gumbel54]. The G are common to
 * all: where q = p all draws coincide, and otherwise only as many differ as q differs from p. Independent draws of 256
 * points in 16 dimensions would differ by more than q and p do.
 */
export function drawsAtLevel(
  prior: readonly Component[],
  observation: Observation,
  sigma: number,
  { samples, proposals }: { readonly samples: number; readonly proposals: number },
  rng: Rng,
): LevelDraws {
  const posterior = condition(prior, observation);
  const half = Math.ceil(proposals / 2);
  const noisy = diffuse(prior, sigma);
  const x_t = [...draw(noisy, half, rng).data, ...draw(diffuse(posterior, sigma), half, rng).data];
  const evidence = logSum(posterior.map(({ logWeight }) => logWeight));
  const likelihoods = likelihoodsAt(prior, observation, sigma);
  const logWeights = TARGETS.map(() => new Float64Array(2 * half));
  for (let k = 0; k < 2 * half; k++) {
    const logs = likelihoods(x_t.slice(k * FEATURES, (k + 1) * FEATURES));
    const proposal = Math.log1p(Math.exp(logs.exact - evidence));
    TARGETS.forEach((name, t) => {
      logWeights[t]![k] = logs[name] - proposal;
    });
  }
  const chosen = commonDraws(logWeights, samples, rng);
  const points = (rows: Uint32Array): HostArray<"float64"> => ({
    dtype: "float64",
    shape: [samples, FEATURES],
    data: Float64Array.from(Array.from(rows).flatMap((k) => x_t.slice(k * FEATURES, (k + 1) * FEATURES))),
  });
  return Object.fromEntries(TARGETS.map((name, t) => [name, points(chosen[t]!)])) as LevelDraws; // a key per target
}

/** n indices for each set of weights, with Gumbel noise in common. */
function commonDraws(logWeights: readonly Float64Array[], n: number, rng: Rng): Uint32Array[] {
  const chosen = logWeights.map(() => new Uint32Array(n));
  for (let i = 0; i < n; i++) {
    const best = new Float64Array(logWeights.length).fill(Number.NEGATIVE_INFINITY);
    for (let k = 0; k < logWeights[0]!.length; k++) {
      const gumbel = -Math.log(-Math.log(rng.uniform()));
      for (let t = 0; t < best.length; t++) {
        const value = logWeights[t]![k]! + gumbel;
        if (!(value > best[t]!)) continue;
        best[t] = value;
        chosen[t]![i] = k;
      }
    }
  }
  return chosen;
}

/** x_t -> ln p(y | x_t), and ln q(y | x_t) for each covariance. */
export function likelihoodsAt(
  prior: readonly Component[],
  { A, y }: Observation,
  sigma: number,
): (x_t: readonly number[]) => Record<(typeof TARGETS)[number], number> {
  const M = MEASUREMENTS;
  const noise = Matrix.eye(M).mul(NOISE ** 2);
  const seen = (V: Matrix) => Matrix.add(A.mmul(V).mmul(A.transpose()), noise);
  const scaled = (variance: number) => Matrix.eye(FEATURES).mul(variance);
  const fixed = {
    "sigma-x": logNormal(seen(inverse(Matrix.add(inverse(covarianceOf(prior)), scaled(1 / sigma ** 2))))),
    identity: logNormal(seen(scaled(sigma ** 2 / (1 + sigma ** 2)))),
    "sigma-t": logNormal(seen(scaled(sigma ** 2))),
  };
  const parts = diffuse(prior, sigma).map(({ logWeight, mean, covariance: total }, k) => {
    const gain = prior[k]!.covariance.mmul(inverse(total));
    const S = seen(Matrix.mul(gain, sigma ** 2));
    const AG = A.mmul(gain).to2DArray();
    const seenMean = A.mmul(mean).to1DArray();
    const centre = (offset: readonly number[]) =>
      AG.map((row, m) => row.reduce((sum, entry, d) => sum + entry * offset[d]!, seenMean[m]!));
    return {
      logWeight,
      mean: mean.to1DArray(),
      share: logNormal(total),
      centre,
      S,
      likelihood: logNormal(S),
    };
  });
  const target = y.to1DArray();
  const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);
  return (x_t) => {
    const found = parts.map(({ logWeight, mean, share, centre }) => {
      const offset = minus(x_t, mean);
      return { logShare: logWeight + share(offset), centre: centre(offset) };
    });
    const total = logSum(found.map(({ logShare }) => logShare));
    const shares = found.map(({ logShare }) => Math.exp(logShare - total));
    const predicted = target.map((_, m) =>
      found.reduce((sum, { centre }, k) => sum + shares[k]! * centre[m]!, 0),
    );
    // The moments of y given x_t: spread within the components, and between them.
    const S = Matrix.zeros(M, M);
    parts.forEach((part, k) => {
      const offset = Matrix.columnVector(minus(found[k]!.centre, predicted));
      S.add(Matrix.add(part.S, offset.mmul(offset.transpose())).mul(shares[k]!));
    });
    const r = minus(target, predicted);
    const terms = found.map(
      ({ logShare, centre }, k) => logShare - total + parts[k]!.likelihood(minus(target, centre)),
    );
    return {
      exact: logSum(terms),
      tweedie: logNormal(S)(r),
      "sigma-x": fixed["sigma-x"](r),
      identity: fixed.identity(r),
      "sigma-t": fixed["sigma-t"](r),
    };
  };
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
