import { ShapeError } from "../core/errors.ts";

/**
 * Peak signal-to-noise ratio in decibels, of one image.
 *   10 log10(L^2 / mean((x - y)^2))
 * @param x images of the same size     @param dataRange L, largest minus smallest possible value
 * @param y of the same shape
 * @returns Infinity for equal images      @throws ShapeError if the sizes differ
 */
export function psnr(x: ArrayLike<number>, y: ArrayLike<number>, dataRange: number): number {
  if (x.length !== y.length || x.length === 0)
    throw new ShapeError(`psnr: images must have the same size, got ${x.length} and ${y.length} pixels.`);
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += (x[i]! - y[i]!) ** 2;
  return 10 * Math.log10((dataRange * dataRange * x.length) / squares);
}
