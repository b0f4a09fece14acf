/** Numbers and times as a reader wants them. A missing or non-finite number is "-". */

export type Missing = null | undefined;

/** Four significant digits; thousands get commas, very large and very small numbers an exponent. */
export function formatNumber(value: number | Missing): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return trimZeros(value.toExponential(2));
  if (Number.isInteger(value) || size >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

/** The same number of decimals down a column. */
export function formatFixed(value: number | Missing, decimals: number): string {
  return typeof value === "number" && Number.isFinite(value) ? value.toFixed(decimals) : "-";
}

/** Labels of axes: short, exact for ticks. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return trimZeros(value.toExponential(2));
  return Number(value.toPrecision(10)).toLocaleString("en-US", { maximumFractionDigits: 8 });
}

/** "0.42 s", "12.3 s", "4 min 5 s", "2 h 3 min". */
export function formatSeconds(seconds: number | Missing): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "-";
  if (seconds < 59.95) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A moment in ISO 8601 as "2026-07-01 12:30:05 UTC". */
export function formatMoment(iso: string): string {
  return iso.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
}

/** now / start as "x 0.38", or "-" where a ratio says nothing. */
export function formatRatio(start: number | Missing, now: number | Missing): string {
  if (typeof start !== "number" || typeof now !== "number" || !(start > 0) || !(now > 0)) return "-";
  return `× ${Number((now / start).toPrecision(2))}`;
}

/** First letter in upper case. */
export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "1 draw", "2 draws". */
export function count(n: number, noun: string): string {
  return `${formatNumber(n)} ${noun}${n === 1 ? "" : "s"}`;
}

function trimZeros(text: string): string {
  return text.replace(/\.?0+e/, "e").replace("e+", "e");
}
