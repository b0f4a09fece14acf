/** How programs take observations: what they are fed, and the measurement that the inputs stand for. */
import { float32 } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import type { Mapped } from "../../core/tree.ts";
import { add, constant, expand, mul, reshape, sub, type Tensor } from "../../graph/index.ts";
import { seenEntries } from "../../operators/measured.ts";
import type { Measurement } from "../../posterior/posterior.ts";
import { inputsOf } from "../../runtime/inputs.ts";
import type { ObservationKind } from "./observation-kind.ts";

/** What of an observation a program takes; `ObservationBatch` holds the arrays under the same names. */
export interface MeasurementShapes {
  readonly y: Shape;
  /** The operator's, by its names. */
  readonly data: Readonly<Record<string, Shape>>;
  /** If it varies from observation to observation. */
  readonly noiseVariance?: Shape;
}

/** The inputs of a program that stand for observations. */
export type MeasurementInputs = Mapped<MeasurementShapes, Shape, Tensor>;

/** Shapes for one observation. */
export function measurementShapes({ header, family }: ObservationKind): MeasurementShapes {
  return {
    y: header.observationShape,
    data: family.data,
    ...(header.noiseVariance === "array" && { noiseVariance: header.observationShape }),
  };
}

/** The inputs of a program for n observations. */
export function measurementInputs(kind: ObservationKind, n: number): MeasurementInputs {
  return inputsOf(measurementShapes(kind), n);
}

/**
 * The measurement that such inputs stand for. In coordinates x = shift + scale z of unit u (y is then y / u already)
 *   y - A(shift) / u = A(scale z) / u + n  if A is linear, else  y = A(shift + scale z) / u + n.
 * @throws DataError for a variance that float32 does not hold
 */
export function bindMeasurement(kind: ObservationKind, inputs: MeasurementInputs): Measurement {
  const { header, family, coordinates } = kind;
  const diagonal = header.noiseVariance === "array" ? inputs.noiseVariance! : held(header.noiseVariance);
  const factor = noiseFactor(kind, inputs);
  const own = family.bind(inputs.data);
  const { y } = inputs;
  const linear = family.linear ?? true;
  const { channelsAlike = false, picks, orthogonal = picks !== undefined } = family;
  const common = { variance: factor ? { diagonal, factor } : diagonal, linear, mixes: !orthogonal };
  if (!coordinates) return { operator: own, y, channelsAlike, ...common };
  const { shift, scale, unit } = coordinates;
  const latent = (values: Float64Array, over: number) =>
    constant(
      float32(
        Float32Array.from(values, (value) => value / over),
        [1, ...header.latentShape],
      ),
    );
  if (!linear) {
    const place = (z: Tensor) => add(latent(shift.data, 1), mul(latent(scale.data, 1), z));
    return { operator: (z) => mul(own(place(z)), 1 / unit), y, ...common };
  }
  const [gains, centre] = [latent(scale.data, unit), latent(shift.data, unit)];
  const isPlain = scale.data.every((value) => value === unit);
  return {
    operator: isPlain ? own : (z) => own(mul(gains, z)),
    channelsAlike: channelsAlike && isPlain,
    y: sub(y, own(expand(centre, [y.shape[0]!, ...header.latentShape]))),
    ...common,
  };
}

/** Between these float32 has all digits of a number and of its reciprocal. */
const [LEAST, MOST] = [2 ** -126, 2 ** 126];

function held(variance: number): number {
  if (variance >= LEAST && variance <= MOST) return variance;
  throw new DataError(
    `noiseVariance: expected a variance that float32 holds, found ${variance} in squared units of the latents' deviation. State the true variance of the noise; 1e-6 for nearly none.`,
  );
}

/**
 * The patterns of the noise, [1 or B, M, r]. Where a mask hides y its rows are zero: the 0 that stands there was not
 * measured, and tells nothing of the noise that it would share with others.
 */
function noiseFactor(kind: ObservationKind, inputs: MeasurementInputs): Tensor | undefined {
  const { family, noiseFactor: shared } = kind;
  if (!shared) return undefined;
  const M = sizeOf(family.observationShape);
  const L = constant(float32(shared.data, [1, M, shared.shape.at(-1)!]));
  const B = inputs.y.shape[0]!;
  const seen = seenEntries(family, inputs.data, B);
  return seen ? mul(L, reshape(seen, [B, M, 1])) : L;
}

/** Shape of the normal numbers that a draw of the noise takes for its patterns, if there are any. */
export function patternShape({ noiseFactor }: ObservationKind): { readonly patterns?: Shape } {
  return noiseFactor ? { patterns: [noiseFactor.shape.at(-1)!] } : {};
}
