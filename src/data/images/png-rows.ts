/** Samples of a PNG image from the rows that its compressed data hold: filters, interlacing and packed bits undone. */

/** How the samples of a picture lie in its rows. */
export interface PngLayout {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** Samples of a pixel. */
  readonly samples: number;
  readonly isInterlaced: boolean;
}

/** Every `step`-th pixel from `first` on, as [x, y]. */
interface Pass {
  readonly first: readonly [number, number];
  readonly step: readonly [number, number];
}

const WHOLE: readonly Pass[] = [{ first: [0, 0], step: [1, 1] }];
const ADAM7: readonly Pass[] = [
  { first: [0, 0], step: [8, 8] },
  { first: [4, 0], step: [8, 8] },
  { first: [0, 4], step: [4, 8] },
  { first: [2, 0], step: [4, 4] },
  { first: [0, 2], step: [2, 4] },
  { first: [1, 0], step: [2, 2] },
  { first: [0, 1], step: [1, 2] },
];

/** Bytes of all rows, each with its filter in front. */
export function rowsSize(layout: PngLayout): number {
  return passesOf(layout).reduce((sum, { height, rowBytes }) => sum + height * (1 + rowBytes), 0);
}

/**
 * @param rows `rowsSize` bytes, which the filters are undone in
 * @returns [height, width, samples]        @throws Error for an unknown filter
 */
export function samplesOf(rows: Uint8Array, layout: PngLayout): Uint8Array | Uint16Array {
  const { width, height, depth, samples } = layout;
  const out = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * samples);
  const pixelBytes = Math.max(1, (samples * depth) >> 3);
  let start = 0;
  for (const { first, step, width: columns, height: lines, rowBytes } of passesOf(layout)) {
    let above: Uint8Array = new Uint8Array(rowBytes);
    for (let line = 0; line < lines; line++, start += 1 + rowBytes) {
      const row = rows.subarray(start + 1, start + 1 + rowBytes);
      unfilter(rows[start]!, row, above, pixelBytes);
      above = row;
      const y = first[1] + step[1] * line;
      for (let column = 0; column < columns; column++) {
        const to = (y * width + first[0] + step[0] * column) * samples;
        for (let s = 0; s < samples; s++) out[to + s] = sampleAt(row, column * samples + s, depth);
      }
    }
  }
  return out;
}

/** The passes that have pixels. */
function passesOf({ width, height, depth, samples, isInterlaced }: PngLayout) {
  return (isInterlaced ? ADAM7 : WHOLE)
    .map(({ first, step }) => {
      const columns = Math.ceil((width - first[0]) / step[0]);
      const lines = Math.ceil((height - first[1]) / step[1]);
      return {
        first,
        step,
        width: columns,
        height: lines,
        rowBytes: Math.ceil((columns * samples * depth) / 8),
      };
    })
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

/** Sample k of a row; those of less than a byte begin at the high bits. */
function sampleAt(row: Uint8Array, k: number, depth: number): number {
  if (depth === 8) return row[k]!;
  if (depth === 16) return (row[2 * k]! << 8) | row[2 * k + 1]!;
  const bit = k * depth;
  return (row[bit >> 3]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

/** Adds what the filter predicts from the bytes to the left, above, and above to the left. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  const predict = PREDICTIONS[filter];
  if (!predict) throw new Error(`filter ${filter}`);
  if (filter === 0) return;
  for (let i = 0; i < row.length; i++) {
    const hasLeft = i >= pixelBytes;
    const left = hasLeft ? row[i - pixelBytes]! : 0;
    const corner = hasLeft ? above[i - pixelBytes]! : 0;
    row[i]! += predict(left, above[i]!, corner);
  }
}

const PREDICTIONS: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** Whichever of the three is nearest to left + up - corner; the first of equals. */
function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
