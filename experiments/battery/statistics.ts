/** Means and their errors. */

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation, n - 1 in the denominator. */
export function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** A figure and its standard error. */
export type Figure = readonly [value: number, error: number];

/** Mean of independent values. */
export function averageOf(values: readonly number[]): Figure {
  return [meanOf(values), deviationOf(values) / Math.sqrt(values.length)];
}

/** Sum of a over sum of b for independent pairs: its error is that of the mean of a - ratio b, over the mean of b. */
export function ratioOf(a: readonly number[], b: readonly number[]): Figure {
  const ratio = meanOf(a) / meanOf(b);
  const rest = a.map((value, i) => value - ratio * b[i]!);
  return [ratio, averageOf(rest)[1] / meanOf(b)];
}
