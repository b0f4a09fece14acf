import type { Rng } from "../core/random.ts";

/** Probes of random signs for each observation, as long as the vectors given. @param rng of observation i */
export function signsLike(vectors: readonly Float64Array[], rng: (i: number) => Rng): Float64Array[] {
  return vectors.map((own, i) => {
    const stream = rng(i);
    return own.map(() => (stream.uniform() < 0.5 ? -1 : 1));
  });
}
