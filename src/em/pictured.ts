/** Iterations that reports show: the first, in which EM changes most, every fourth, and the last. */
export function isPictured(k: number, iterations: number): boolean {
  return k <= 4 || k % 4 === 0 || k === iterations;
}
