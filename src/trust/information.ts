import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { inCoordinates } from "../data/observations/coordinates.ts";
import { kindsOf, type ObservationSet } from "../data/observations/observation-set.ts";
import { someObservations } from "../data/observations/split-observations.ts";
import { dotProduct } from "../gaussian/dense.ts";
import { lanczosQuadrature, symmetricEigenpairs } from "../gaussian/eigen.ts";
import { type LinearBatch, linearObservations } from "../gaussian/linear-observations.ts";
import { observedCovariance } from "../gaussian/observed-covariance.ts";
import { isPicked } from "../gaussian/picked.ts";
import type { Model } from "../inference/model.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/**
 * What a set of operators tells of latents, in observations' worth: a direction that is measured without noise counts 1 for each
 * observation that does so, a pair of them for each that measures both.
 */
export interface Information {
  /** Of directions, from the least: the eigenvalues of the sum of R_i; `share` of all N stands for each. */
  readonly directions: readonly Told[];
  /** Of second moments: pairs of entries, or combinations of the pairs of a few directions. */
  readonly pairs: readonly Told[];
  /** Of each entry, where operators only pick entries, [1, ...latent]. */
  readonly entries?: HostArray<"float32">;
  /** What the pairs are of. */
  readonly pairsOf: string;
}

export interface Told {
  readonly observations: number;
  /** What part of all directions, or pairs, it stands for. */
  readonly share: number;
}

/** Operators that are looked at, at most: masks are only read, others are solved with for each direction. */
const OPERATORS = { picked: 4096, applied: 256 } as const;
/** Latents up to this size have all their directions looked at, of larger ones a Krylov space of so many steps. */
const DENSE = 64;
const STEPS = 16;
/** Pairs of entries that are counted, and directions whose pairs are. */
const PAIRS = 4096;
const DIRECTIONS = 8;

/**
 * Each observation resolves  R_i = A_i' (A_i A_i' + Sigma_i)^-1 A_i  of a latent of unit scale, N(0, I) in the run's
 * coordinates: with F = A' Sigma^-1 A, R = F (I + F)^-1, F / (1 + F) of a direction with information F. Then
 *   directions   eigenvalues of n E[R]
 *   pairs        eigenvalues of n E[E -> R E R] on symmetric matrices: the information on second moments; for masks it is
 *                the number of observations that see both of two entries
 * Where n is large, the means are taken over some observations.
 * @param rng of probes and of the pairs that are counted
 */
export async function informationOf(
  { gaussian, coordinates }: Pick<Model, "gaussian" | "coordinates">,
  observations: ObservationSet,
  rng: Rng,
  engine: EngineOptions,
): Promise<Information> {
  const { count, header } = observations;
  const picked = kindsOf(observations).every((kind) => isPicked(kind.observations));
  const some = someObservations(observations, picked ? OPERATORS.picked : OPERATORS.applied);
  const linear = await linearObservations(inCoordinates(some, coordinates), engine, "solve");
  const batches: LinearBatch[] = [];
  try {
    for await (const { batch } of linear.batches([0, some.count])) batches.push(batch);
    const N = sizeOf(header.latentShape);
    const resolvers = await Promise.all(batches.map((batch) => resolverOf(batch, N)));
    if (picked) return await pickedInformation(resolvers, header.latentShape, count, rng);
    const basis = principalDirections(gaussian.factor, N);
    return {
      directions:
        N <= DENSE
          ? await allDirections(resolvers, N, count)
          : await someDirections(resolvers, N, count, rng),
      pairs: await secondMoments(resolvers, basis, count),
      pairsOf: `second moments of ${basis.length} directions in which the start varies the most`,
    };
  } finally {
    await linear.release();
  }
}

/** R_i v for a batch: v [n, N] to [n, N]. */
interface Resolver {
  readonly size: number;
  apply(v: Float64Array): Promise<Float64Array>;
}

async function resolverOf(batch: LinearBatch, N: number): Promise<Resolver> {
  const standard = { mean: new Float64Array(N), residual: 1, factor: new Float64Array(0), rank: 0 };
  await batch.residual(standard.mean); // an operator that is not linear is linearized there
  const covariance = await observedCovariance(batch, standard);
  return {
    size: batch.size,
    apply: async (v) => await batch.pullEach(await covariance.solve(await batch.applyEach(v))),
  };
}

/** A vector for each of n. */
function repeat(v: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * v.length);
  for (let i = 0; i < n; i++) out.set(v, i * v.length);
  return out;
}

/** E[R] v. */
async function meanOfAll(resolvers: readonly Resolver[], v: Float64Array): Promise<Float64Array> {
  const total = new Float64Array(v.length);
  let n = 0;
  for (const { size, apply } of resolvers) {
    const found = await apply(repeat(v, size));
    for (let at = 0; at < found.length; at++) total[at % v.length]! += found[at]!;
    n += size;
  }
  return total.map((value) => value / n);
}

/** R is diagonal: all of it at once. */
async function pickedInformation(
  resolvers: readonly Resolver[],
  latentShape: readonly number[],
  count: number,
  rng: Rng,
): Promise<Information> {
  const N = sizeOf(latentShape);
  const ones = new Float64Array(N).fill(1);
  const seen: Float64Array[] = [];
  for (const { size, apply } of resolvers) {
    const found = await apply(repeat(ones, size));
    for (let i = 0; i < size; i++) seen.push(found.slice(i * N, (i + 1) * N));
  }
  const worth = count / seen.length;
  const each = Float64Array.from(
    { length: N },
    (_, j) => worth * seen.reduce((sum, own) => sum + own[j]!, 0),
  );
  const pairs = pairsOf(N, rng);
  const together = pairs.map(([a, b]) => worth * seen.reduce((sum, own) => sum + own[a]! * own[b]!, 0));
  return {
    directions: sortedTold(each),
    pairs: sortedTold(together),
    entries: float32(each, [1, ...latentShape]),
    pairsOf: "pairs of entries",
  };
}

/** All pairs of entries, or some at random. */
function pairsOf(N: number, rng: Rng): [number, number][] {
  if ((N * (N - 1)) / 2 <= PAIRS)
    return Array.from({ length: N }, (_, a) =>
      Array.from({ length: a }, (_, b): [number, number] => [a, b]),
    ).flat();
  return Array.from({ length: PAIRS }, () => {
    const a = rng.integer(N);
    return [a, (a + 1 + rng.integer(N - 1)) % N];
  });
}

function sortedTold(values: ArrayLike<number>): Told[] {
  const share = 1 / Math.max(1, values.length);
  return Array.from(values, (observations) => ({ observations: Math.max(0, observations), share })).sort(
    (a, b) => a.observations - b.observations,
  );
}

async function allDirections(resolvers: readonly Resolver[], N: number, count: number): Promise<Told[]> {
  const R = new Float64Array(N * N);
  for (let j = 0; j < N; j++) {
    const unit = new Float64Array(N);
    unit[j] = 1;
    for (const [i, value] of (await meanOfAll(resolvers, unit)).entries()) R[i * N + j] = value;
  }
  return sortedTold(symmetricEigenpairs(R, N).values.map((value) => value * count));
}

/** Lanczos from a random vector: its eigenvalues stand for shares of all of them (stochastic quadrature [Ubaru17]). */
async function someDirections(
  resolvers: readonly Resolver[],
  N: number,
  count: number,
  rng: Rng,
): Promise<Told[]> {
  const basis: Float64Array[] = [normalized(Float64Array.from({ length: N }, () => rng.normal()))];
  const diagonal: number[] = [];
  const beside: number[] = [];
  for (let k = 0; k < STEPS; k++) {
    const next = await meanOfAll(resolvers, basis[k]!);
    diagonal.push(dotProduct(next, basis[k]!));
    // Against all before, twice: plain Lanczos loses orthogonality to rounding.
    for (let pass = 0; pass < 2; pass++)
      for (const own of basis) {
        const along = dotProduct(next, own);
        for (let j = 0; j < N; j++) next[j]! -= along * own[j]!;
      }
    const length = Math.sqrt(dotProduct(next, next));
    if (k + 1 === STEPS || length < 1e-6) break;
    beside.push(length);
    basis.push(normalized(next));
  }
  return lanczosQuadrature(diagonal, beside)
    .map(({ node, weight }) => ({ observations: Math.max(0, node * count), share: weight }))
    .sort((a, b) => a.observations - b.observations);
}

/** Orthonormal directions of the start's factor [N, r] by Gram and Schmidt; all of them where there are few. */
function principalDirections(factor: HostArray<"float32">, N: number): Float64Array[] {
  const r = factor.shape[1]!;
  const unit = (j: number) => Float64Array.from({ length: N }, (_, i) => Number(i === j));
  if (N <= DIRECTIONS) return Array.from({ length: N }, (_, j) => unit(j));
  const columns = Array.from({ length: r }, (_, a) =>
    Float64Array.from({ length: N }, (_, j) => factor.data[j * r + a]!),
  ).sort((a, b) => dotProduct(b, b) - dotProduct(a, a));
  const found: Float64Array[] = [];
  for (const column of [...columns, ...Array.from({ length: N }, (_, j) => unit(j))]) {
    if (found.length === DIRECTIONS) break;
    const before = Math.sqrt(dotProduct(column, column));
    for (const own of found) {
      const along = dotProduct(column, own);
      for (let j = 0; j < N; j++) column[j]! -= along * own[j]!;
    }
    if (dotProduct(column, column) > 1e-6 * before ** 2 && before > 0) found.push(normalized(column));
  }
  return found;
}

/** Eigenvalues of the mean of  E -> R E R  on symmetric K x K matrices, in the basis of pairs of the given directions. */
async function secondMoments(
  resolvers: readonly Resolver[],
  basis: readonly Float64Array[],
  count: number,
): Promise<Told[]> {
  const K = basis.length;
  const N = basis[0]!.length;
  const pairs = Array.from({ length: K }, (_, a) =>
    Array.from({ length: a + 1 }, (_, b) => [a, b] as const),
  ).flat();
  const G = new Float64Array(pairs.length ** 2);
  let n = 0;
  for (const { size, apply } of resolvers) {
    const columns: Float64Array[] = [];
    for (const own of basis) columns.push(await apply(repeat(own, size)));
    for (let i = 0; i < size; i++) {
      const R = basis.map((own) =>
        columns.map((column) => dotProduct(own, column.subarray(i * N, (i + 1) * N))),
      );
      for (const [p, [a, b]] of pairs.entries())
        for (const [q, [c, d]] of pairs.entries()) {
          // tr(E_ab R E_cd R) with E_ab = (a b' + b a') / sqrt(2), or a a'.
          const weight = (a === b ? 0.5 : Math.SQRT1_2) * (c === d ? 0.5 : Math.SQRT1_2) * 2;
          G[p * pairs.length + q]! += weight * (R[a]![c]! * R[b]![d]! + R[a]![d]! * R[b]![c]!);
        }
    }
    n += size;
  }
  return sortedTold(symmetricEigenpairs(G, pairs.length).values.map((value) => (value / n) * count));
}

function normalized(v: Float64Array): Float64Array {
  const length = Math.sqrt(dotProduct(v, v));
  return v.map((value) => value / length);
}
