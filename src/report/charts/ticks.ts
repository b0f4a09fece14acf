/** Positions of tick marks: multiples of 1, 2 or 5 times a power of ten. */

/** About `count` ticks within [lo, hi], at multiples of a step of 1, 2 or 5 times a power of ten, at least `minStep`. */
export function niceTicks(lo: number, hi: number, count = 5, minStep = 0): number[] {
  const step = Math.max(niceStep((hi - lo) / count), minStep);
  const first = Math.ceil(lo / step - 1e-9);
  const last = Math.floor(hi / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Ticks of a logarithmic axis: 1-2-5 below three decades, else powers of ten, thinned to eight. */
export function logTicks(lo: number, hi: number): number[] {
  const decades = Math.log10(hi / lo);
  if (decades < 0.7) return niceTicks(lo, hi);
  const every = Math.ceil(decades / 8);
  const factors = decades < 3 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(lo)); power <= Math.ceil(Math.log10(hi)); power++)
    if (power % every === 0) for (const factor of factors) ticks.push(Number(`${factor}e${power}`));
  return ticks.filter((tick) => tick >= lo * (1 - 1e-9) && tick <= hi * (1 + 1e-9));
}

/** The nearest of 1, 2, 5, 10 times a power of ten, on a logarithmic scale. */
function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const mantissa = raw / power;
  if (mantissa < Math.SQRT2) return power;
  if (mantissa < Math.sqrt(10)) return 2 * power;
  return (mantissa < Math.sqrt(50) ? 5 : 10) * power;
}
