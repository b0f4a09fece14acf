import { float32, type HostArray } from "../../core/array.ts";
import { mapKinds, type ObservationSet } from "./observation-set.ts";
import type { Observations } from "./observations.ts";

/** The same observations with another covariance of the noise, f Sigma_y. @param factor f, above 0 */
export function scaleNoise<S extends ObservationSet>(set: S, factor: number): S {
  return mapKinds(set, (observations) => scaleKind(observations, factor));
}

function scaleKind(observations: Observations, factor: number): Observations {
  const { header, noiseFactor } = observations;
  const { noiseVariance } = header;
  return {
    ...observations,
    header: { ...header, noiseVariance: noiseVariance === "array" ? "array" : noiseVariance * factor },
    ...(noiseFactor && { noiseFactor: times(noiseFactor, Math.sqrt(factor)) }),
    async read(start, end) {
      const batch = await observations.read(start, end);
      return batch.noiseVariance ? { ...batch, noiseVariance: times(batch.noiseVariance, factor) } : batch;
    },
  };
}

function times(array: HostArray<"float32">, by: number): HostArray<"float32"> {
  return float32(
    array.data.map((value) => value * by),
    array.shape,
  );
}
