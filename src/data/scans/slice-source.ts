import type { HostArray } from "../../core/array.ts";
import type { Shape } from "../../core/shape.ts";

/** Slices of one volume on disk, read one at a time. */
export interface SliceSource {
  /** The file, for messages. */
  readonly path: string;
  /** Number of slices. */
  readonly count: number;
  /** Shape of one slice: [H, W] for magnitudes, [coils, 2, H, W] (real and imaginary part) for k-space. */
  readonly shape: Shape;
  /** Slice i in the file's own units. @throws DataError if it is outside or cannot be read */
  read(i: number): HostArray<"float32">;
  /** Closes the file. */
  close(): void;
}
