import { float32, type HostArray } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";

/**
 * Bilinear resizing as TensorFlow 1 did it (align_corners = false, no half-pixel centres, no smoothing when smaller):
 *   y = i H / H', below = floor(y), above = min(below + 1, H - 1), weight of above y - below; and so along rows.
 * Published figures of the Inception network use it. Every step is rounded to float32 in the order of torch-fidelity's
 * `interpolate_bilinear_2d_like_tensorflow1x`, so results agree to the bit.
 * @param x [B, C, H, W]        @param height H' >= 1        @param width W' >= 1
 * @returns [B, C, H', W']
 */
export function resizeLikeTensorFlow(
  x: HostArray<"float32">,
  height: number,
  width: number,
): HostArray<"float32"> {
  const { B, C, H, W } = expectShape(x.shape, ["B", "C", "H", "W"], "resizeLikeTensorFlow: x");
  if (![height, width].every((size) => Number.isSafeInteger(size) && size >= 1))
    throw new ConfigError(`resizeLikeTensorFlow: sizes must be integers >= 1, got ${height} and ${width}.`);
  const [rowsOf, columnsOf] = [grid(H, height), grid(W, width)];
  const out = new Float32Array(B * C * height * width);
  const between = (a: number, b: number, weight: number) =>
    Math.fround(a + Math.fround(Math.fround(b - a) * weight));
  for (let plane = 0; plane < B * C; plane++) {
    const source = x.data.subarray(plane * H * W, (plane + 1) * H * W);
    for (let i = 0; i < height; i++) {
      const [upper, lower] = [rowsOf.below[i]! * W, rowsOf.above[i]! * W];
      for (let j = 0; j < width; j++) {
        const [left, right, weight] = [columnsOf.below[j]!, columnsOf.above[j]!, columnsOf.weight[j]!];
        const top = between(source[upper + left]!, source[upper + right]!, weight);
        const bottom = between(source[lower + left]!, source[lower + right]!, weight);
        out[(plane * height + i) * width + j] = between(top, bottom, rowsOf.weight[i]!);
      }
    }
  }
  return float32(out, [B, C, height, width]);
}

function grid(from: number, to: number) {
  const scale = Math.fround(from / to);
  const places = Float32Array.from({ length: to }, (_, i) => i * scale);
  const below = Uint32Array.from(places); // rounds down
  return {
    below,
    above: below.map((place) => Math.min(place + 1, from - 1)),
    weight: places.map((place, i) => place - below[i]!),
  };
}
