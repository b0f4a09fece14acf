import { float32, type HostArray, rows } from "../../src/core/array.ts";
import {
  type ObservationHeader,
  type Observations,
  observationKind,
} from "../../src/data/observations/observations.ts";

/** Observations through matrices, without a folder. */
export function matrixObservations(
  y: HostArray<"float32">,
  matrices: HostArray<"float32">,
  noiseVariance: number,
): Observations {
  const [count, M, N] = matrices.shape as [number, number, number];
  const header: ObservationHeader = {
    format: "diem-observations",
    version: 1,
    operator: { name: "matrix" },
    latentShape: [N],
    observationShape: [M],
    noiseVariance,
  };
  return {
    path: "memory",
    ...observationKind(header),
    count,
    read: async (start, end) => ({ y: rows(y, start, end), data: { matrix: rows(matrices, start, end) } }),
    checksum: async () => "0".repeat(64),
  };
}

/** Vectors [n, N] of which a mask of 1 and 0 shows some, without a folder. */
export function maskedObservations(
  y: HostArray<"float32">,
  mask: HostArray<"float32">,
  noiseVariance: number,
): Observations {
  const [count, N] = y.shape as [number, number];
  const header: ObservationHeader = {
    format: "diem-observations",
    version: 1,
    operator: { name: "mask", maskShape: [N] },
    latentShape: [N],
    observationShape: [N],
    noiseVariance,
  };
  return {
    path: "memory",
    ...observationKind(header),
    count,
    read: async (start, end) => ({ y: rows(y, start, end), data: { mask: rows(mask, start, end) } }),
    checksum: async () => "0".repeat(64),
  };
}

/** y = A x + noise for latents [n, N] and matrices [n, M, N]. */
export function observe(
  x: HostArray<"float32">,
  matrices: HostArray<"float32">,
  noise: () => number,
): HostArray<"float32"> {
  const [n, M, N] = matrices.shape as [number, number, number];
  const y = new Float32Array(n * M);
  for (let i = 0; i < n; i++)
    for (let m = 0; m < M; m++) {
      let total = noise();
      for (let k = 0; k < N; k++) total += matrices.data[(i * M + m) * N + k]! * x.data[i * N + k]!;
      y[i * M + m] = total;
    }
  return float32(y, [n, M]);
}
