import type { Rng } from "../core/random.ts";

/** Random signs, [n, size]. @param rng of row i */
export function signsOf(n: number, size: number, rng: (i: number) => Rng): Float64Array {
  const out = new Float64Array(n * size);
  for (let i = 0; i < n; i++) {
    const stream = rng(i);
    for (let j = 0; j < size; j++) out[i * size + j] = stream.uniform() < 0.5 ? -1 : 1;
  }
  return out;
}
