import type { HostArray } from "../../core/array.ts";
import type { OperatorFamily } from "../../operators/operator.ts";
import { operatorFamily } from "../../operators/registry.ts";
import type { Coordinates } from "./coordinates.ts";
import type { ObservationHeader } from "./observation-header.ts";

/** What all observations of a set share; a program is compiled for one kind. */
export interface ObservationKind {
  readonly header: ObservationHeader;
  /** The operators that the header stands for, with their code loaded. */
  readonly family: OperatorFamily;
  /** L of Sigma_y = diag(d) + L L', [...observationShape, r]; present exactly if the header has a noiseRank. */
  readonly noiseFactor?: HostArray<"float32">;
  /** Whether all observations are known to have the same operator and noise. */
  readonly isShared?: boolean;
  /** Coordinates of the latents, if they are not in your units; y and the noise are then in multiples of their `unit`. */
  readonly coordinates?: Coordinates;
}

/** Makes the kind that a header describes, if no operator is code. @throws DataError naming the field that is wrong */
export function observationKind(
  header: ObservationHeader,
  noiseFactor?: HostArray<"float32">,
  where = "observationKind",
): ObservationKind {
  const family = operatorFamily(header.operator, header.latentShape, header.observationShape, where);
  return { header, family, ...(noiseFactor && { noiseFactor }) };
}
