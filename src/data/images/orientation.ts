/** Which way up cameras say that a picture is: the orientation tag of EXIF, a TIFF directory within the file. */

const TAG = 0x0112;
const LITTLE_ENDIAN = 0x49; // "II"; "MM" is big-endian
const ENTRY_BYTES = 12;

/** 1 to 8 as EXIF data state it from their TIFF header on; 1, as stored, where they state nothing or are damaged. */
export function orientationOf(tiff: Uint8Array): number {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = tiff[0] === LITTLE_ENDIAN;
  const short = (at: number) => (at + 2 <= tiff.length ? view.getUint16(at, little) : 0);
  const directory = tiff.length >= 8 ? view.getUint32(4, little) : tiff.length;
  for (let k = 0; k < short(directory); k++) {
    const entry = directory + 2 + ENTRY_BYTES * k;
    if (short(entry) !== TAG) continue;
    const value = short(entry + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/**
 * A picture of H x W stored pixels as it is meant to be seen.
 * @returns its height and width, and the stored index r W + c of the pixel that is seen at index i
 */
export function oriented(
  orientation: number,
  [H, W]: readonly [number, number],
): { height: number; width: number; stored: (i: number) => number } {
  const isTurned = orientation >= 5; // rows and columns change places
  const fromBelow = [3, 4, 6, 7].includes(orientation);
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const [height, width] = isTurned ? [W, H] : [H, W];
  return {
    height,
    width,
    stored(i) {
      const [row, column] = [Math.floor(i / width), i % width];
      const [r, c] = isTurned ? [column, row] : [row, column];
      return (fromBelow ? H - 1 - r : r) * W + (fromRight ? W - 1 - c : c);
    },
  };
}
