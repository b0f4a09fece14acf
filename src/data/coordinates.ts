import { float32, type HostArray } from "../core/array.ts";
import type { Observations } from "./observations.ts";

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
}

/** Coordinates that change nothing, for N entries. */
export function identityCoordinates(N: number): Coordinates {
  return {
    shift: { dtype: "float64", shape: [N], data: new Float64Array(N) },
    scale: { dtype: "float64", shape: [N], data: new Float64Array(N).fill(1) },
    unit: 1,
  };
}

/** x = shift + scale z, [n, ...latent]. */
export function toUser({ shift, scale }: Coordinates, z: HostArray<"float32">): HostArray<"float32"> {
  const N = shift.data.length;
  return float32(
    z.data.map((value, i) => shift.data[i % N]! + scale.data[i % N]! * value),
    z.shape,
  );
}

/** z = (x - shift) / scale, [n, ...latent]. */
export function fromUser({ shift, scale }: Coordinates, x: HostArray<"float32">): HostArray<"float32"> {
  const N = shift.data.length;
  return float32(
    x.data.map((value, i) => (value - shift.data[i % N]!) / scale.data[i % N]!),
    x.shape,
  );
}

/**
 * The same observations seen from a run's coordinates: with unit u,
 *   y / u = A(shift + scale z) / u + n / u,   variances over u^2,
 * divided in float64, so that no unit, however small, leaves the range of float32. `bindMeasurement` does the rest.
 */
export function inCoordinates(observations: Observations, coordinates: Coordinates): Observations {
  const { header, noiseFactor } = observations;
  const { unit } = coordinates;
  const scaled = (array: HostArray<"float32">, by: number) =>
    float32(
      array.data.map((value) => value / by),
      array.shape,
    );
  return {
    ...observations,
    coordinates,
    header: {
      ...header,
      noiseVariance:
        header.noiseVariance === "array" ? "array" : (header.noiseVariance / unit / unit),
    },
    ...(noiseFactor && { noiseFactor: scaled(noiseFactor, unit) }),
    async read(start, end) {
      const batch = await observations.read(start, end);
      return {
        ...batch,
        y: scaled(batch.y, unit),
        ...(batch.noiseVariance && { noiseVariance: scaled(scaled(batch.noiseVariance, unit), unit) }),
      };
    },
  };
}
