import { DataError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";

/** A decoded picture, as its file has it. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Largest value of a channel: 255 with 8 bits. */
  readonly white: number;
  /** 1 or 3, without transparency. */
  readonly channels: 1 | 3;
  /** The value of pixel i in channel c. */
  readonly at: (i: number, c: number) => number;
  /** The opacity of pixel i, 0 to `white`, where the file has one. */
  readonly alphaOf: ((i: number) => number) | undefined;
}

/** Pictures beyond this would take more than two gigabytes while they are decoded. */
const MOST_PIXELS = 1e8;

/** Checks what a file declares, before anything is allocated for it. @throws DataError for no pixels, or too many */
export function requireBearable(height: number, width: number, where: string): void {
  if (height === 0 || width === 0 || height * width > MOST_PIXELS)
    throw new DataError(
      `${where}: expected between 1 and ${MOST_PIXELS / 1e6} million pixels, found ${formatShape([height, width])}. Replace the file, or make the picture smaller.`,
    );
}
