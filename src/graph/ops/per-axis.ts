/** A number for rows and one for columns. */
export type Pair = readonly [rows: number, columns: number];

/** A pair, or one number for both. */
export type PerAxis = number | Pair;

export function perAxis(value: PerAxis): Pair {
  return typeof value === "number" ? [value, value] : value;
}
