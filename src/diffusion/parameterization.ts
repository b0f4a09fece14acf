import { float32, type HostArray } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import {
  add,
  constant,
  div,
  expand,
  log,
  maximum,
  minimum,
  mul,
  reciprocal,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
} from "../graph/index.ts";
import { type Denoiser, perSample } from "./denoiser.ts";

/** What a denoising network may predict. */
export const PARAMETERIZATIONS = ["mean", "noise", "v", "score"] as const;
/** One of `PARAMETERIZATIONS`. */
export type Parameterization = (typeof PARAMETERIZATIONS)[number];

/** A network of others: (x, time) -> output of x's shape; x [B, ...], time [B]. */
export type TimedNetwork = (x: Tensor, time: Tensor) => Tensor;

/**
 * The denoiser that a network stands for which was trained on x_t = x + sigma_t z and is told sigma_t (variance exploding):
 *   mean: h;   noise: x_t - sigma_t h;   score: x_t + sigma_t^2 h                          [Karras22, eq. 3]
 * @throws ConfigError for v, which is a combination with the weights of a variance-preserving process
 */
export function explodingDenoiser(network: TimedNetwork, parameterization: Parameterization): Denoiser {
  if (parameterization === "v")
    throw new ConfigError(
      'prior: expected parameterization "v" with a variance-preserving process, found it without. Give its alpha-bar.',
    );
  return (x_t, sigma_t) => {
    const s = perSample(sigma_t, x_t);
    const h = network(x_t, ofEach(sigma_t, x_t));
    if (parameterization === "mean") return h;
    return parameterization === "noise" ? sub(x_t, mul(s, h)) : add(x_t, mul(square(s), h));
  };
}

/**
 * The denoiser that a network stands for which was trained on x'_t = sqrt(a_t) x + sqrt(1 - a_t) z, t = 0 ... T - 1, and is told
 * t (variance preserving [Ho20]). With sigma_t^2 = (1 - a_t) / a_t it sees x'_t = sqrt(a_t) x_t, and E[x | x_t] is
 *   mean: h;   noise: x_t - sigma_t h;   v: sqrt(a_t) x'_t - sqrt(1 - a_t) h [Salimans22];   score: x_t + (1 - a_t) / sqrt(a_t) h
 * Between the levels of the table t is linear in ln sigma; beyond them it stays at the ends.
 * @param alphaBar a_t, falling, [T]
 */
export function preservingDenoiser(
  network: TimedNetwork,
  parameterization: Parameterization,
  alphaBar: HostArray,
): Denoiser {
  const levels = preservingLevels(alphaBar);
  return (x_t, sigma_t) => {
    const s = perSample(sigma_t, x_t);
    const root = reciprocal(sqrt(add(square(s), 1))); // sqrt(a_t)
    const h = network(mul(root, x_t), ofEach(timeOf(sigma_t, levels), x_t));
    switch (parameterization) {
      case "mean":
        return h;
      case "noise":
        return sub(x_t, mul(s, h));
      case "v":
        return sub(mul(square(root), x_t), mul(mul(s, root), h));
      case "score":
        return add(x_t, mul(mul(square(s), root), h));
    }
  };
}

/** The noise levels sqrt((1 - a) / a) of alpha-bar, rising. @throws ConfigError unless it falls within (0, 1) */
export function preservingLevels({ data }: HostArray): number[] {
  const values = Array.from(data as Float64Array, Number);
  const falls = values.every((a, t) => a > 0 && a < 1 && (t === 0 || a < values[t - 1]!));
  if (values.length < 2 || !falls)
    throw new ConfigError(
      `prior: expected an alpha-bar of two or more numbers that fall, all in (0, 1), found ${values.slice(0, 4).join(", ")}${values.length > 4 ? ", ..." : ""}. Give the cumulative products of 1 - beta.`,
    );
  return values.map((a) => Math.sqrt((1 - a) / a));
}

/** Alpha-bar by name, over 1000 steps: betas from 1e-4 to 0.02 [Ho20], or the cosine [Nichol21, eq. 17]. */
export const ALPHA_BARS: Readonly<Record<string, () => HostArray<"float32">>> = {
  linear: () => {
    let product = 1;
    return float32(
      Float32Array.from({ length: 1000 }, (_, t) => {
        product *= 1 - (1e-4 + (t / 999) * (0.02 - 1e-4));
        return product;
      }),
    );
  },
  cosine: () => {
    const f = (t: number) => Math.cos((((t / 1000 + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    let product = 1;
    return float32(
      Float32Array.from({ length: 1000 }, (_, t) => {
        product *= 1 - Math.min(1 - f(t + 1) / f(t), 0.999);
        return product;
      }),
    );
  },
};

/** t at which a level is reached: for each step of the table the share of it that lies below ln sigma. [B] or [1] */
function timeOf(sigma_t: Tensor, levels: readonly number[]): Tensor {
  const logs = levels.map(Math.log);
  const lower = constant(float32(logs.slice(0, -1), [1, logs.length - 1]));
  const width = constant(
    float32(
      logs.slice(1).map((value, k) => value - logs[k]!),
      [1, logs.length - 1],
    ),
  );
  const shares = div(sub(reshape(log(sigma_t), [-1, 1]), lower), width);
  return sum(minimum(maximum(shares, 0), 1), [1]);
}

/** A value for each sample, [B], of one for all or each. */
function ofEach(values: Tensor, x: Tensor): Tensor {
  return expand(values, [x.shape[0]!]);
}
