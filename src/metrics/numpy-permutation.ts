const SIZE = 624;
const SHIFT = 397;

/** MT19937 [Matsumoto98], seeded as NumPy's RandomState is from an integer. @returns 32 random bits a call */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(SIZE);
  state[0] = seed >>> 0;
  for (let i = 1; i < SIZE; i++) {
    const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, before) + i;
  }
  let at = SIZE;
  return () => {
    if (at === SIZE) {
      twist(state);
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < SIZE; i++) {
    const y = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff);
    state[i] = state[(i + SHIFT) % SIZE]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}

/**
 * The order that `numpy.random.RandomState(seed).permutation(n)` gives, which published figures depend on. For random
 * numbers of diem's own there is `Rng`.
 * @param seed whole number in [0, 2^32)        @param n count, < 2^32
 */
export function numpyPermutation(seed: number, n: number): Uint32Array {
  const bits = mersenneTwister(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const mask = 2 ** (32 - Math.clz32(i)) - 1; // draws above i are thrown away, so that none is more likely
    let j = (bits() & mask) >>> 0;
    while (j > i) j = (bits() & mask) >>> 0;
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
