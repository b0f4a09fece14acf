import { float32, type HostArray } from "../../core/array.ts";
import type { ObservationBatch } from "./observation-check.ts";
import type { ObservationKind } from "./observation-kind.ts";
import { mapKinds, type ObservationSet } from "./observation-set.ts";

/**
 * The coordinates of a run: latents x of the user are  x = shift + scale z  with z of about zero mean and unit deviation.
 * Whatever the units of the data, everything inside a run is of order one.
 */
export interface Coordinates {
  /** [N], in the user's units. */
  readonly shift: HostArray<"float64">;
  /** [N], in the user's units, above 0. */
  readonly scale: HostArray<"float64">;
  /** The size of all latents together, in the user's units: what y and the noise's deviation are divided by. */
  readonly unit: number;
  /** Typical deviation of the noise on an entry, seen from the latents, in units of `scale`: the smallest of all groups. */
  readonly noise: number;
}

/** x = shift + scale z, [n, ...latent]; z itself without coordinates. */
export function toUser(coordinates: Coordinates | undefined, z: HostArray<"float32">): HostArray<"float32"> {
  if (!coordinates) return z;
  const { shift, scale } = coordinates;
  const N = shift.data.length;
  return float32(
    z.data.map((value, i) => shift.data[i % N]! + scale.data[i % N]! * value),
    z.shape,
  );
}

/** z = (x - shift) / scale, [n, ...latent]; x itself without coordinates. */
export function fromUser(
  coordinates: Coordinates | undefined,
  x: HostArray<"float32">,
): HostArray<"float32"> {
  if (!coordinates) return x;
  const { shift, scale } = coordinates;
  const N = shift.data.length;
  return float32(
    x.data.map((value, i) => (value - shift.data[i % N]!) / scale.data[i % N]!),
    x.shape,
  );
}

const scaled = (array: HostArray<"float32">, by: number) =>
  float32(
    array.data.map((value) => value / by),
    array.shape,
  );

/**
 * The same kind of observations seen from a run's coordinates: with unit u,
 *   y / u = A(shift + scale z) / u + n / u,   variances over u^2.
 * `bindMeasurement` makes the operator of z from it.
 */
export function kindInCoordinates(kind: ObservationKind, coordinates: Coordinates): ObservationKind {
  const { header, noiseFactor } = kind;
  const { unit } = coordinates;
  const { noiseVariance } = header;
  return {
    ...kind,
    coordinates,
    header: { ...header, noiseVariance: noiseVariance === "array" ? "array" : noiseVariance / unit / unit },
    ...(noiseFactor && { noiseFactor: scaled(noiseFactor, unit) }),
  };
}

/** A batch of observations in a run's coordinates: divided in float64, so that no unit leaves the range of float32. */
export function batchInCoordinates(batch: ObservationBatch, { unit }: Coordinates): ObservationBatch {
  return {
    ...batch,
    y: scaled(batch.y, unit),
    ...(batch.noiseVariance && { noiseVariance: scaled(scaled(batch.noiseVariance, unit), unit) }),
  };
}

/** A set of observations in a run's coordinates; the set itself without coordinates. */
export function inCoordinates<S extends ObservationSet>(set: S, coordinates: Coordinates | undefined): S {
  if (!coordinates) return set;
  return mapKinds(set, (observations) => ({
    ...observations,
    ...kindInCoordinates(observations, coordinates),
    read: async (start, end) => batchInCoordinates(await observations.read(start, end), coordinates),
  }));
}
