/**
 * Hue and saturation in the sense of HSV [Smith78], without the way there and back. With V the largest channel of a pixel,
 * m the smallest and d = V - m, hue is the place of the third between the two, and saturation d / (V - black).
 */
import {
  abs,
  add,
  clip,
  concat,
  div,
  equal,
  floor,
  greater,
  maximum,
  minimum,
  mul,
  slice,
  sub,
  type Tensor,
  where,
} from "../../graph/index.ts";

/**
 * Turns the hue of each pixel; V and d stay, so the result does not depend on what values stand for black and white.
 *   h = (g - b) / d, 2 + (b - r) / d or 4 + (r - g) / d, where r, g or b is V;  h <- h + 6 turn (mod 6)
 *   r = m + d [|h - 3| - 1],  g = m + d [2 - |h - 2|],  b = m + d [2 - |h - 4|],  [.] limited to 0 ... 1
 * @param x RGB images, [B, 3, H, W]
 * @param turn share of the circle, [B, 1, 1, 1]
 */
export function turnHue(x: Tensor, turn: Tensor): Tensor {
  const { r, g, b, V, m, d, divisor } = extremes(x);
  const sector = (from: Tensor, to: Tensor, start: number) => add(div(sub(from, to), divisor), start);
  const h = where(equal(V, r), sector(g, b, 0), where(equal(V, g), sector(b, r, 2), sector(r, g, 4)));
  const turned = add(h, mul(turn, 6));
  const h6 = sub(turned, mul(floor(div(turned, 6)), 6));
  const shares = [sub(abs(sub(h6, 3)), 1), sub(2, abs(sub(h6, 2))), sub(2, abs(sub(h6, 4)))];
  return concat(
    shares.map((share) => add(m, mul(d, clip(share, 0, 1)))),
    1,
  );
}

/**
 * Multiplies the saturation of each pixel, up to full saturation (m = black); V and hue stay.
 *   d' = min(factor d, V - black),  c <- V - (V - c) d' / d
 * @param x RGB images, [B, 3, H, W]
 * @param factor [B, 1, 1, 1]
 * @param black the value of black, where it is known: the limit follows from it
 */
export function scaleSaturation(x: Tensor, factor: Tensor, black?: number): Tensor {
  const { V, d, divisor } = extremes(x);
  const scaled = mul(d, factor);
  const limited = black === undefined ? scaled : minimum(scaled, maximum(sub(V, black), 0));
  return sub(V, mul(sub(V, x), div(limited, divisor)));
}

/** Channels, the largest and the smallest, each [B, 1, H, W]; `divisor` is d, but 1 for greys. */
function extremes(x: Tensor) {
  const [r, g, b] = [0, 1, 2].map((channel) => slice(x, 1, channel, channel + 1)) as [Tensor, Tensor, Tensor];
  const V = maximum(maximum(r, g), b);
  const m = minimum(minimum(r, g), b);
  const d = sub(V, m);
  return { r, g, b, V, m, d, divisor: where(greater(d, 0), d, 1) };
}
