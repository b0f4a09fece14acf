/** Latents as pictures on a canvas: images as such, everything else as curves. */
import type { Shape } from "../src/core/shape.ts";

/** Values that are shown black and white. */
export type Limits = readonly [number, number];

/** Pixels of the screen for each of an image. */
const SCREEN = 84;
const CURVE = { width: 220, height: 90 } as const;

/** Channels, height and width of latents that are images; undefined for others. */
export function imageOf(shape: Shape): readonly [number, number, number] | undefined {
  const [C, H, W] = shape;
  return shape.length === 3 && (C === 1 || C === 3) ? [C, H!, W!] : undefined;
}

/** Smallest and largest value; apart from each other. */
export function limitsOf(data: Float32Array): Limits {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high > low ? [low, high] : [low - 1, low + 1];
}

/** Draws one latent. @param zoom screen pixels for one of an image; default: about 84 for its height */
export function draw(
  canvas: HTMLCanvasElement,
  data: Float32Array,
  shape: Shape,
  limits: Limits,
  zoom?: number,
): void {
  const image = imageOf(shape);
  if (image) drawImage(canvas, data, image, limits, zoom);
  else drawCurve(canvas, data, limits);
}

function drawImage(
  canvas: HTMLCanvasElement,
  data: Float32Array,
  [C, H, W]: readonly [number, number, number],
  [low, high]: Limits,
  zoom = Math.max(1, Math.round(SCREEN / H)),
): void {
  Object.assign(canvas, { width: W, height: H });
  Object.assign(canvas.style, { width: `${W * zoom}px`, height: `${H * zoom}px` });
  const context = canvas.getContext("2d")!;
  const pixels = context.createImageData(W, H);
  for (let at = 0; at < H * W; at++) {
    for (let c = 0; c < 3; c++) {
      const value = data[Math.min(c, C - 1) * H * W + at]!;
      pixels.data[4 * at + c] = (255 * (value - low)) / (high - low);
    }
    pixels.data[4 * at + 3] = Number.isFinite(data[at]!) ? 255 : 0;
  }
  context.putImageData(pixels, 0, 0);
}

function drawCurve(canvas: HTMLCanvasElement, data: Float32Array, [low, high]: Limits): void {
  const { width, height } = CURVE;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d")!;
  context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--series-0") || "#0072b2";
  context.beginPath();
  for (const [i, value] of data.entries()) {
    const x = ((i + 0.5) / data.length) * width;
    const y = height - ((value - low) / (high - low)) * height;
    if (i === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  }
  context.stroke();
}
