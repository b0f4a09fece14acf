/**
 * The continuous ranked probability score of S draws p_s of a number against what was measured, y:
 *   CRPS = mean_s |p_s - y| - 1 / (2 S (S - 1)) sum_{s != r} |p_s - p_r|,
 * in the units of y, smaller is better. It is "fair" [Ferro14]: its expectation is that of infinitely many draws, so it is
 * smallest, on average, for draws from the distribution that y comes from, however few they are.
 * @param draws p_s, at least two
 */
export function fairCrps(draws: ArrayLike<number>, y: number): number {
  const S = draws.length;
  let error = 0;
  let spread = 0;
  for (let s = 0; s < S; s++) {
    error += Math.abs(draws[s]! - y);
    for (let r = 0; r < s; r++) spread += Math.abs(draws[s]! - draws[r]!);
  }
  return error / S - spread / (S * (S - 1));
}
