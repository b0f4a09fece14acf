import { DataError } from "../../core/errors.ts";
import type { Coordinates } from "../../data/observations/coordinates.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import type { Safetensors } from "../../nn/safetensors.ts";
import type { StateVectors, TrainingProgress } from "../m-step/state.ts";
import { RECOMPUTE } from "./sealed.ts";

/** The M-step as arrays, and numbers as texts; JSON keeps every digit of a number. */
export function encodeProgress({ state, ...numbers }: TrainingProgress): Safetensors {
  const { step, slowed, ...tensors } = state;
  return { tensors, metadata: { numbers: JSON.stringify({ step, slowed, ...numbers }) } };
}

/** @throws DataError if the file is of another kind */
export function decodeProgress({ tensors, metadata }: Safetensors, path: string): TrainingProgress {
  const names = ["parameters", "first", "second", "average"];
  const { step, slowed, ...rest } = parseNumbers(tensors, metadata, names, path) as unknown as Omit<
    TrainingProgress,
    "state"
  > & { step: number; slowed: number };
  return { ...rest, state: { ...(tensors as unknown as StateVectors), step, slowed } };
}

/** The Gaussian start and its coordinates. @throws DataError if the file is of another kind */
export function decodeStart(
  { tensors, metadata }: Safetensors,
  path: string,
): { readonly gaussian: Gaussian; readonly coordinates: Coordinates } {
  const names = ["mean", "diagonal", "factor", "shift", "scale"];
  const { unit, noise } = parseNumbers(tensors, metadata, names, path) as Pick<Coordinates, "unit" | "noise">;
  const { mean, diagonal, factor, shift, scale } = tensors;
  return {
    gaussian: { mean, diagonal, factor } as unknown as Gaussian,
    coordinates: { shift, scale, unit, noise } as unknown as Coordinates,
  };
}

/** The numbers; the file's checksum says that they are as they were written. */
function parseNumbers(
  tensors: Safetensors["tensors"],
  { numbers }: Safetensors["metadata"],
  names: readonly string[],
  path: string,
): object {
  if (numbers === undefined || names.some((name) => tensors[name] === undefined))
    throw new DataError(
      `${path}: expected ${names.join(", ")} and numbers, found ${Object.keys(tensors).join(", ") || "nothing"}. ${RECOMPUTE}`,
    );
  return JSON.parse(numbers) as object;
}
