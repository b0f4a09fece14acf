import { float32, type HostArray } from "../core/array.ts";

/** Grey images as a network of colour takes them. @param images [n, 1, H, W] @returns [n, channels, H, W], all equal */
export function repeatChannel(images: HostArray<"float32">, channels: number): HostArray<"float32"> {
  const [n, , H, W] = images.shape as [number, number, number, number];
  const area = H * W;
  const data = new Float32Array(n * channels * area);
  for (let plane = 0; plane < n * channels; plane++) {
    const source = Math.floor(plane / channels) * area;
    data.set(images.data.subarray(source, source + area), plane * area);
  }
  return float32(data, [n, channels, H, W]);
}
