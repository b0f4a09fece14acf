/** Probabilities in the tails of the distributions that tests are read from. */

/** P(|T| > |t|) for Student's t with `freedom` degrees of freedom. */
export function studentTail(t: number, freedom: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  if (!Number.isFinite(t)) return 0;
  return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}

/** P(F > f) for Fisher's F with a and b degrees of freedom. */
export function fisherTail(f: number, a: number, b: number): number {
  if (Number.isNaN(f)) return Number.NaN;
  if (!(f > 0)) return 1;
  return incompleteBeta(b / (b + a * f), b / 2, a / 2);
}

/** The t that Student's t exceeds in size with a probability. @param probability above 0 and below 1 */
export function studentQuantile(probability: number, freedom: number): number {
  let [lo, hi] = [0, 1];
  while (studentTail(hi, freedom) > probability) hi *= 2;
  for (let step = 0; step < 60; step++) {
    const middle = (lo + hi) / 2;
    if (studentTail(middle, freedom) > probability) lo = middle;
    else hi = middle;
  }
  return hi;
}

/** Terms of the continued fraction, at most: it converges in far fewer. */
const TERMS = 300;
const TINY = 1e-300;

/** Regularized incomplete beta function I_x(a, b) by its continued fraction, evaluated from the front. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const guarded = (value: number) => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / guarded(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / guarded(1 + term * d);
      c = guarded(1 + term / c);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return (front * fraction) / a;
}

/** ln Gamma(x) for x > 0, by Stirling's series from 10 on. */
function logGamma(x: number): number {
  if (x < 10) return logGamma(x + 1) - Math.log(x);
  const r = 1 / (x * x);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r / 1680))) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
