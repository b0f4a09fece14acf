import type { HostArray } from "../core/array.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";

/** Window of [Wang04]: an 11 x 11 Gaussian of standard deviation 1.5, of sum 1. */
const RADIUS = 5;
const SIGMA = 1.5;
const K1 = 0.01;
const K2 = 0.03;

/**
 * Structural similarity of one image [Wang04, eq. 13], its mean over the places where the whole window fits and over channels.
 *   (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2)),  C1 = (0.01 L)^2, C2 = (0.03 L)^2
 * Local moments weigh by the window; covariances are those of the window, without Bessel's correction.
 * @param x [H, W] or [C, H, W], at least 11 x 11     @param dataRange L, largest minus smallest possible value
 * @param y of the same shape
 * @throws ShapeError if the shapes differ or are smaller than the window
 */
export function ssim(x: HostArray<"float32">, y: HostArray<"float32">, dataRange: number): number {
  const [H, W] = x.shape.slice(-2) as [number, number];
  const fits = (x.shape.length === 2 || x.shape.length === 3) && Math.min(H, W) >= 2 * RADIUS + 1;
  if (!fits || !sameShape(x.shape, y.shape))
    throw new ShapeError(
      `ssim: expected two images of one shape, at least 11 x 11, got ${formatShape(x.shape)} and ${formatShape(y.shape)}.`,
    );
  const area = H * W;
  const channels = x.data.length / area;
  let total = 0;
  for (let c = 0; c < channels; c++) {
    const plane = (a: HostArray<"float32">) => a.data.subarray(c * area, (c + 1) * area);
    total += planeSsim(plane(x), plane(y), H, W, dataRange);
  }
  return total / channels;
}

function planeSsim(x: Float32Array, y: Float32Array, H: number, W: number, dataRange: number): number {
  const blurred = (value: (i: number) => number) =>
    blur(
      Float64Array.from({ length: H * W }, (_, i) => value(i)),
      H,
      W,
    );
  const meanX = blurred((i) => x[i]!);
  const meanY = blurred((i) => y[i]!);
  const squareX = blurred((i) => x[i]! ** 2);
  const squareY = blurred((i) => y[i]! ** 2);
  const product = blurred((i) => x[i]! * y[i]!);
  const c1 = (K1 * dataRange) ** 2;
  const c2 = (K2 * dataRange) ** 2;
  let sum = 0;
  for (let i = 0; i < meanX.length; i++) {
    const [mx, my] = [meanX[i]!, meanY[i]!];
    const varianceX = squareX[i]! - mx * mx;
    const varianceY = squareY[i]! - my * my;
    const covariance = product[i]! - mx * my;
    sum +=
      ((2 * mx * my + c1) * (2 * covariance + c2)) /
      ((mx * mx + my * my + c1) * (varianceX + varianceY + c2));
  }
  return sum / meanX.length;
}

const WINDOW = (() => {
  const weights = Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - RADIUS) / SIGMA) ** 2),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
})();

/** The window's averages wherever it fits: [H - 10, W - 10]. The Gaussian is a product of two lines. */
function blur(x: Float64Array, H: number, W: number): Float64Array {
  const [h, w] = [H - 2 * RADIUS, W - 2 * RADIUS];
  const across = new Float64Array(H * w);
  for (let i = 0; i < across.length; i++) {
    const at = Math.floor(i / w) * W + (i % w);
    WINDOW.forEach((weight, k) => {
      across[i]! += weight * x[at + k]!;
    });
  }
  const out = new Float64Array(h * w);
  for (let i = 0; i < out.length; i++)
    WINDOW.forEach((weight, k) => {
      out[i]! += weight * across[i + k * w]!;
    });
  return out;
}
