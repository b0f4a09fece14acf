import type { HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { Safetensors } from "../nn/safetensors.ts";
import type { FitState } from "./gaussian-start.ts";
import type { TrainingProgress, TrainingState } from "./m-step/state.ts";
import { RECOMPUTE } from "./sealed.ts";

/** The M-step as arrays, and numbers as texts; JSON keeps every digit of a number. */
export function encodeProgress({ state, ...numbers }: TrainingProgress): Safetensors {
  const { step, ...tensors } = state;
  return { tensors, metadata: { numbers: JSON.stringify({ step, ...numbers }) } };
}

/** @throws DataError if the file is of another kind */
export function decodeProgress({ tensors, metadata }: Safetensors, path: string): TrainingProgress {
  const names = ["parameters", "first", "second", "average"];
  const { step, ...rest } = parseNumbers(tensors, metadata, names, path) as unknown as Omit<
    TrainingProgress,
    "state"
  > & { step: number };
  return { ...rest, state: { ...(tensors as unknown as Omit<TrainingState, "step">), step } };
}

/** The Gaussian's fit as arrays and texts. */
export function encodeFit({ iteration, gaussian, basis }: FitState): Safetensors {
  return {
    tensors: { ...gaussian, ...(basis && { basis }) },
    metadata: { numbers: JSON.stringify({ iteration }) },
  };
}

/** @throws DataError if the file is of another kind */
export function decodeFit({ tensors, metadata }: Safetensors, path: string): FitState {
  const names = ["mean", "diagonal", "factor"];
  const { iteration } = parseNumbers(tensors, metadata, names, path) as { iteration: number };
  const { basis, ...gaussian } = tensors;
  return {
    iteration,
    gaussian: gaussian as unknown as Gaussian,
    ...(basis && { basis: basis as HostArray<"float64"> }),
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
