/** Operators described by JSON. */

import { DataError, ShapeError } from "../core/errors.ts";
import { isRecord, show } from "../core/json.ts";
import type { Kind } from "../core/kinds.ts";
import { didYouMean } from "../core/nearest.ts";
import type { NestedNumbers } from "../core/nested.ts";
import type { Shape } from "../core/shape.ts";
import type { Size } from "./kinds/places.ts";

/** Which of the usual discrete Fourier transforms an operator is. */
export interface FourierForm {
  /** Whether the origin of images and the zero frequency are in the middle; else both come first, as in fft2. Default true. */
  readonly centred?: boolean;
  /** Whether the transform keeps norms (norm="ortho"); else it only sums (norm="backward"). Default true. */
  readonly orthonormal?: boolean;
}

/** An operator by name, as headers of observations hold it. Its data are arrays beside the header. */
export type OperatorSpec =
  /** y = m * x. `maskShape` broadcasts to the latent shape. Data: mask. */
  | { readonly name: "mask"; readonly maskShape: Shape }
  /** y = M x on flattened latents, with `measurements` rows. Default: as many as the observation shape says. Data: matrix. */
  | { readonly name: "matrix"; readonly measurements?: number }
  /** A window of a signal, image or volume, centred unless `start` gives its first place. */
  | { readonly name: "crop"; readonly size: Size; readonly start?: Size }
  /** Every step-th place along each axis. */
  | { readonly name: "subsample"; readonly step: number }
  /** Means over blocks of `size` places along each axis. */
  | { readonly name: "average-pool"; readonly size: number }
  /** Convolution with a kernel for each observation. Data: kernel. */
  | { readonly name: "blur"; readonly kernelShape: Size }
  /** Convolution with one kernel for all observations; that of an image is a list of rows. */
  | { readonly name: "blur"; readonly kernel: NestedNumbers }
  /** Masked k-space. `maskShape` broadcasts to [2, ...lengths]. Data: mask. */
  | ({ readonly name: "fourier"; readonly maskShape: Shape } & FourierForm)
  /** Masked k-space of several coils. `maskShape` broadcasts to [coils, 2, ...lengths]. Data: maps, mask. */
  | ({ readonly name: "multi-coil"; readonly coils: number; readonly maskShape: Shape } & FourierForm)
  /** Parallel-beam projections of square images. Data: angles, in degrees. */
  | { readonly name: "tomography"; readonly projections: number }
  /** Part after part, the first one first. Data: those of part i, named "part<i>.<name>". */
  | { readonly name: "compose"; readonly parts: readonly OperatorSpec[] }
  /** All parts of the same x, flattened and concatenated. Data: those of part i, named "part<i>.<name>". */
  | { readonly name: "stack"; readonly parts: readonly OperatorSpec[] }
  /**
   * An ONNX file, by its path relative to the folder. The first input is x and the others are data, all with a batch axis first.
   * `linear` is false for a map that is not linear. `sha256` is the checksum of the file, 64 hexadecimal digits.
   */
  | { readonly name: "onnx"; readonly path: string; readonly sha256: string; readonly linear?: boolean }
  /** A JavaScript module, see `OperatorModule`; its path and checksum as for "onnx". */
  | { readonly name: "module"; readonly path: string; readonly sha256: string };

/** Reads the fields of one specification, each with an error that names it. */
export interface SpecFields {
  has(field: string): boolean;
  /** @throws DataError if the field is missing or of another kind */
  read<T>(field: string, kind: Kind<T>): T;
  /** Where a field is, for messages. */
  path(field: string): string;
  /** @throws DataError if a field has another name */
  only(names: readonly string[]): void;
}

/** @param path where the specification is, for messages, as "obs.zarr: operator" */
export function specFields(spec: Readonly<Record<string, unknown>>, path: string): SpecFields {
  return {
    has: (field) => spec[field] !== undefined,
    read: (field, kind) => {
      const value = spec[field];
      if (!kind.accepts(value)) throw specError(`${path}.${field}`, kind.expected, value);
      return value;
    },
    path: (field) => `${path}.${field}`,
    only: (names) => {
      const unknown = Object.keys(spec).find((key) => key !== "name" && !names.includes(key));
      if (unknown !== undefined)
        throw new DataError(
          `${path}: expected fields ${["name", ...names].join(", ")}, found ${show(unknown)}. Remove it.${didYouMean(unknown, names)}`,
        );
    },
  };
}

/** Deepest nesting of operators. */
const DEEPEST = 32;

/** @throws DataError unless operators are nested less than `DEEPEST` deep: what follows goes into each by recursion */
export function expectShallow(spec: unknown, where: string): void {
  let level = [spec];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw new DataError(
        `${where}: operator: expected parts nested at most ${DEEPEST} deep, found deeper ones. Make one operator of several.`,
      );
    level = level.flatMap((part) => (isRecord(part) && Array.isArray(part.parts) ? part.parts : []));
  }
}

/** An operator in words, as "compose(blur, mask)". */
export function operatorLabel(spec: OperatorSpec): string {
  return "parts" in spec ? `${spec.name}(${spec.parts.map(operatorLabel).join(", ")})` : spec.name;
}

/** An error about a field of a specification. */
export function specError(path: string, expected: string, found: unknown, hint = ""): DataError {
  return new DataError(
    `${path}: expected ${expected}, found ${show(found)}. Correct the specification of the operator.${hint}`,
  );
}

/** Errors of shape inside a specification become errors of the file that holds it. */
export function atPath<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof ShapeError)) throw cause;
    throw new DataError(`${path}: ${cause.message}`, { cause });
  }
}

export function isSpec(value: unknown): value is Record<string, unknown> & { name: string } {
  return isRecord(value) && typeof value.name === "string";
}
