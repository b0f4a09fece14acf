/** Data whose distribution is known and lies on a curve or a surface: random smooth manifolds. */

import { float32, type HostArray, hostArray } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { corruptor } from "./corrupt.ts";
import { observationsInMemory } from "./observations/observation-arrays.ts";
import type { Observations } from "./observations/observations.ts";

/** Options of `manifoldPoints`. */
export interface ManifoldOptions {
  /** Number of points, n. */
  readonly count: number;
  /** N, of the space around the manifold. */
  readonly dimensions: number;
  /** M, of the manifold itself. Default 1, a curve. */
  readonly parameters?: number;
  /** Decay of the frequencies' amplitudes, alpha: k^-alpha. Default 3. */
  readonly smoothness?: number;
  /** The manifold is drawn from split("manifold"), the points from split("points"). */
  readonly rng: Rng;
}

/** Defaults of `manifoldPoints`. */
export const MANIFOLD_DEFAULTS = { parameters: 1, smoothness: 3 } as const;

/** Waves with an amplitude below this are left out. */
const LEAST_AMPLITUDE = 1e-3;
/** Points fill this interval in each dimension. */
const RANGE = [-2, 2] as const;

/**
 * Points of a random smooth manifold [Zenke21]: with z, a, b, c uniform in [0, 1],
 *   x_i = prod_m sum_k a_imk k^-alpha sin(2 pi (k b_imk z_m + c_imk)),   k = 1 ... ceil(1e-3^(-1/alpha)),
 * and then each dimension stretched to fill [-2, 2].
 * @returns x [n, N]        @throws ConfigError if a number is out of range
 */
export function manifoldPoints(options: ManifoldOptions): HostArray<"float64"> {
  const { count, dimensions: N, parameters: M, smoothness, rng } = { ...MANIFOLD_DEFAULTS, ...options };
  for (const [name, value, least] of [
    ["count", count, 2],
    ["dimensions", N, 1],
    ["parameters", M, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new ConfigError(`manifoldPoints: ${name} must be an integer >= ${least}, got ${value}.`);
  if (!(smoothness >= 1))
    throw new ConfigError(`manifoldPoints: smoothness must be a number >= 1, got ${smoothness}. Use 3.`);
  // Rounded first: a count of waves that is whole must not become the next one.
  const K = Math.ceil(Number((LEAST_AMPLITUDE ** (-1 / smoothness)).toPrecision(12)));
  const [a, b, c] = ["a", "b", "c"].map((name) => {
    const stream = rng.split("manifold", name);
    return Float64Array.from({ length: N * M * K }, () => stream.uniform());
  }) as [Float64Array, Float64Array, Float64Array];
  const places = rng.split("points");
  const x = new Float64Array(count * N);
  for (let point = 0; point < count; point++) {
    const z = Float64Array.from({ length: M }, () => places.uniform());
    for (let i = 0; i < N; i++) {
      let product = 1;
      for (let m = 0; m < M; m++) {
        let sum = 0;
        for (let k = 1; k <= K; k++) {
          const at = (i * M + m) * K + k - 1;
          sum += (a[at]! / k ** smoothness) * Math.sin(2 * Math.PI * (k * b[at]! * z[m]! + c[at]!));
        }
        product *= sum;
      }
      x[point * N + i] = product;
    }
  }
  for (let i = 0; i < N; i++) stretch(x, i, N);
  return hostArray("float64", [count, N], x);
}

/** Options of `manifoldObservations`. */
export interface ManifoldObservationOptions {
  /** Projections per point, rows of A. Default 2. */
  readonly measurements?: number;
  /** Default 1e-4. */
  readonly noiseVariance?: number;
  /** Limits of the points to state in the header. Default none. */
  readonly range?: readonly [number, number];
  /** The stream below which pair i draws. */
  readonly rng: Rng;
  readonly engine?: EngineOptions;
}

/** Defaults of `manifoldObservations`: those of the paper. */
export const MANIFOLD_OBSERVATION_DEFAULTS = { measurements: 2, noiseVariance: 1e-4 } as const;

/**
 * Pairs (y, A), y = A x + noise, one for each point: the rows of A are uniform on the unit sphere [Rozet24, 5.1].
 * @param points x [n, N]
 */
export async function manifoldObservations(
  points: HostArray<"float32" | "float64">,
  options: ManifoldObservationOptions,
): Promise<Observations> {
  const { measurements, noiseVariance, rng, engine, range } = {
    ...MANIFOLD_OBSERVATION_DEFAULTS,
    ...options,
  };
  const latentShape = points.shape.slice(1);
  const simulation = corruptor({ name: "matrix", measurements }, latentShape, {
    noiseVariance,
    rng,
    ...(engine && { engine }),
  });
  try {
    const { y, data } = await simulation.make(float32(points.data, points.shape), 0);
    const { operator } = simulation.header;
    return observationsInMemory({ y, data, noiseVariance, operator, ...(range && { range }) });
  } finally {
    await simulation.release();
  }
}

/** Maps dimension i of all points linearly to the range. */
function stretch(x: Float64Array, i: number, N: number): void {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (let at = i; at < x.length; at += N) {
    lo = Math.min(lo, x[at]!);
    hi = Math.max(hi, x[at]!);
  }
  const [from, to] = RANGE;
  for (let at = i; at < x.length; at += N) x[at] = from + ((x[at]! - lo) / (hi - lo)) * (to - from);
}
