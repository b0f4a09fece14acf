/** What can be wrong with observations: each takes right ones and returns those that a user would give by mistake. */
import { float32, type HostArray } from "../../src/core/array.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Observed } from "../battery/measurements.ts";

/** The noise's variance is stated so many times too large. */
export function misstateNoise(observed: Observed, factor: number): Observed {
  const { noiseVariance: stated } = observed;
  if (typeof stated === "number") return { ...observed, noiseVariance: factor * stated };
  return {
    ...observed,
    noiseVariance: float32(
      stated.data.map((value) => factor * value),
      stated.shape,
    ),
  };
}

/** Each mask is stored a pixel further than it measured. */
export function shiftMasks(observed: Observed): Observed {
  const { mask, ...rest } = observed.data as { readonly mask: HostArray<"float32"> };
  const size = sizeOf(mask.shape.slice(1));
  const moved = mask.data.map((_, at) => {
    const place = at % size;
    return mask.data[at - place + ((place + size - 1) % size)]!;
  });
  return masked({ ...observed, data: rest }, float32(moved, mask.shape));
}

/** Only the first or the second half of the entries is seen, in turn: no pair across the halves ever is. */
export function seeHalves(observed: Observed): Observed {
  const { mask } = observed.data as { readonly mask: HostArray<"float32"> };
  const size = sizeOf(mask.shape.slice(1));
  const halves = mask.data.map((_, at) => {
    const isFirst = at % size < size / 2;
    return Number(isFirst === (Math.floor(at / size) % 2 === 0));
  });
  return masked(observed, float32(halves, mask.shape));
}

/** What the mask does not show is no measurement. */
function masked(observed: Observed, mask: HostArray<"float32">): Observed {
  const n = mask.shape[0]!;
  const y = observed.y.data.slice();
  const [M, size] = [y.length / n, sizeOf(mask.shape.slice(1))];
  for (let at = 0; at < y.length; at++) {
    const i = Math.floor(at / M);
    if (mask.data[i * size + ((at % M) % size)] === 0) y[at] = 0; // channels share a mask
  }
  return { ...observed, data: { ...observed.data, mask }, y: float32(y, observed.y.shape) };
}

/** The first two rows of each matrix are stored in each other's place. */
export function exchangeRows(observed: Observed): Observed {
  const { matrix } = observed.data as { readonly matrix: HostArray<"float32"> };
  const [n, M, N] = matrix.shape as [number, number, number];
  const data = matrix.data.slice();
  for (let i = 0; i < n; i++) {
    const [first, second] = [i * M * N, (i * M + 1) * N];
    data.set(matrix.data.subarray(second, second + N), first);
    data.set(matrix.data.subarray(first, first + N), second);
  }
  return { ...observed, data: { ...observed.data, matrix: float32(data, matrix.shape) } };
}
