import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { mapBatch, type ObservationBatch } from "../data/observations/observation-check.ts";
import { drawInBatches, type GaussianSampler } from "../gaussian/sampler.ts";

/** What draws by diffusion begin at: draws of `begin`, `each` for every stream, in as many batches as it takes. */
export async function beginAt(
  begin: GaussianSampler,
  batch: ObservationBatch,
  streams: readonly Rng[],
  each: number,
): Promise<HostArray<"float32">> {
  return await drawInBatches(
    begin,
    mapBatch(batch, (array) => repeatRows(array, each)),
    streams.flatMap((stream) => {
      const first = stream.split("begin");
      return [first, ...Array.from({ length: each - 1 }, (_, p) => first.split(p + 1))];
    }),
  );
}

/** Each row several times, one after the other. */
function repeatRows(array: HostArray<"float32">, times: number): HostArray<"float32"> {
  if (times === 1) return array;
  const [n, ...shape] = array.shape as [number, ...number[]];
  const size = sizeOf(shape);
  const out = new Float32Array(n * times * size);
  for (let row = 0; row < n * times; row++) {
    const from = Math.floor(row / times) * size;
    out.set(array.data.subarray(from, from + size), row * size);
  }
  return float32(out, [n * times, ...shape]);
}
