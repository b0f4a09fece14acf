type Key = readonly [number, number, number, number];

/**
 * Seeded random streams. A path of keys below a seed names a stream, such as (seed, "e-step", iteration, observation). So a draw
 * depends on its purpose, and never on batch size, number of threads or history.
 *
 * Two rounds of MurmurHash3's finalizer hash the keys; the generator is xoshiro128** [Blackman21].
 */
export class Rng {
  readonly #key: Key;
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;
  #spare: number;

  constructor(seed: number | Key) {
    this.#key = typeof seed === "number" ? expand(hashNumber(0x9e3779b9, seed)) : seed;
    [this.#s0, this.#s1, this.#s2, this.#s3] = this.#key;
    this.#spare = Number.NaN;
  }

  /** The stream of this name below this one; this stream does not advance. */
  split(...keys: readonly (string | number)[]): Rng {
    let lanes: number[] = [...this.#key];
    for (const key of keys) {
      lanes = lanes.map((lane, i) => {
        const salted = lane ^ Math.imul(i + 1, 0x85ebca6b);
        return typeof key === "number" ? hashNumber(salted, key) : hashString(salted, key);
      });
    }
    if (!lanes.some((lane) => lane !== 0)) lanes[0] = 1; // the one state xoshiro cannot leave
    return new Rng(lanes as unknown as Key);
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const product = Math.imul(this.#s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const t = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= t;
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21);
    return result >>> 0;
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.bits() * 2 ** -32;
  }

  /** Uniform integer in [0, n), 1 <= n <= 2^32, without modulo bias. */
  integer(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    let draw = this.bits();
    while (draw >= limit) draw = this.bits();
    return draw % n;
  }

  /** Standard normal, by the polar method [Marsaglia64]. */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    for (;;) {
      const u = this.bits() * 2 ** -31 - 1;
      const v = this.bits() * 2 ** -31 - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spare = v * scale;
      return u * scale;
    }
  }

  /** Fills `out` with standard normals. */
  fillNormal(out: Float32Array | Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.normal();
  }

  /** A random order of 0 ... n-1 [Fisher-Yates]. */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = order[i]!;
      order[i] = order[j]!;
      order[j] = held;
    }
    return order;
  }

  /** Gamma(shape, 1), shape > 0 [Marsaglia00]; below 1 as Gamma(shape + 1, 1) U^(1 / shape), U uniform. */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const z = this.normal();
      const v = (1 + c * z) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta(a, b) for a, b > 0, as a ratio of gammas. */
  beta(a: number, b: number): number {
    const x = this.gamma(a);
    return x / (x + this.gamma(b));
  }
}

function mix(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) | 0;
}

/** 32 bits of an integer up to 2^53, both halves of which count: two seeds give the same with probability 2^-32. */
function hashNumber(state: number, value: number): number {
  const low = value | 0;
  const high = Math.floor(value / 2 ** 32) | 0;
  return mix(mix(state ^ low) + Math.imul(high, 0x9e3779b1) + 0x6d2b79f5);
}

function hashString(state: number, text: string): number {
  let h = mix(state ^ 0x5bd1e995);
  for (let i = 0; i < text.length; i++) h = mix(Math.imul(h, 31) + text.charCodeAt(i));
  return h;
}

function expand(seed: number): Key {
  const lane = (i: number) => mix(seed + Math.imul(i, 0x9e3779b9));
  return [lane(1), lane(2), lane(3), lane(4) || 1];
}
