import { float32, type HostArray } from "../../core/array.ts";
import { ConfigError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";

/**
 * The centre of a picture, smaller, by exact means over areas: with s = min(H / h, W / w), pixel (i, j) is the mean of
 * the picture over the square [top + i s, top + (i + 1) s) x [left + j s, left + (j + 1) s), where pixels on an edge count
 * by the share that lies inside. Means keep values in the range of the picture and do not ring.
 * @param x [C, H, W]     @param size [h, w], at most [H, W]
 * @returns [C, h, w]; what exceeds the shape of `size` is cut off on both sides
 * @throws ConfigError if the picture is smaller than the size
 */
export function resizeArea(x: HostArray<"float32">, [h, w]: readonly [number, number]): HostArray<"float32"> {
  const [C, H, W] = x.shape as [number, number, number];
  const scale = Math.min(H / h, W / w);
  if (!(scale >= 1))
    throw new ConfigError(
      `size: expected at most the picture's ${formatShape([H, W])}, got ${formatShape([h, w])}. Choose a smaller size.`,
    );
  const rows = spans(H, h, scale);
  const columns = spans(W, w, scale);
  const out = new Float32Array(C * h * w);
  const line = new Float64Array(W);
  for (let c = 0; c < C; c++)
    for (let i = 0; i < h; i++) {
      line.fill(0);
      for (const [y, share] of rows[i]!)
        for (let j = 0; j < W; j++) line[j]! += share * x.data[(c * H + y) * W + j]!;
      for (let j = 0; j < w; j++)
        out[(c * h + i) * w + j] = columns[j]!.reduce((sum, [from, share]) => sum + share * line[from]!, 0);
    }
  return float32(out, [C, h, w]);
}

/** For each of n pixels the pixels of the line of N that it covers, with their shares of the mean. */
function spans(N: number, n: number, scale: number): (readonly [number, number])[][] {
  const start = (N - scale * n) / 2;
  return Array.from({ length: n }, (_, i) => {
    const [from, to] = [start + i * scale, start + (i + 1) * scale];
    const covered: (readonly [number, number])[] = [];
    for (let k = Math.max(Math.floor(from), 0); k < Math.min(to, N); k++) {
      const share = (Math.min(to, k + 1) - Math.max(from, k)) / scale;
      if (share > 0) covered.push([k, share]);
    }
    return covered;
  });
}
