/** Points in an order where neighbours stand together, cut into blocks with bounding boxes. */
export interface PointBlocks {
  /** Number of points, n, and of coordinates, D. */
  readonly count: number;
  readonly dimensions: number;
  /** Points per block; the last block may hold fewer. */
  readonly size: number;
  readonly blocks: number;
  /** Coordinates in the new order, row-major [n, D]. */
  readonly points: Float64Array;
  /** Corners of each block's bounding box, [blocks, D]. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/**
 * Orders points as the leaves of a k-d tree [Bentley75]: the widest side of the box is halved, and so on.
 * @param points row-major [n, D]
 * @param size points per block
 */
export function pointBlocks(points: Float64Array, dimensions: number, size: number): PointBlocks {
  const D = dimensions;
  const count = points.length / D;
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const split = (start: number, end: number): void => {
    if (end - start <= size) return;
    const axis = widestAxis(points, D, order.subarray(start, end));
    order.subarray(start, end).sort((a, b) => points[a * D + axis]! - points[b * D + axis]!);
    const middle = start + size * Math.ceil((end - start) / size / 2); // so that only the last block is short
    split(start, middle);
    split(middle, end);
  };
  split(0, count);
  const sorted = new Float64Array(points.length);
  order.forEach((from, to) => {
    sorted.set(points.subarray(from * D, (from + 1) * D), to * D);
  });
  const blocks = Math.ceil(count / size);
  const lower = new Float64Array(blocks * D).fill(Number.POSITIVE_INFINITY);
  const upper = new Float64Array(blocks * D).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < count; i++)
    for (let d = 0; d < D; d++) {
      const at = Math.floor(i / size) * D + d;
      lower[at] = Math.min(lower[at]!, sorted[i * D + d]!);
      upper[at] = Math.max(upper[at]!, sorted[i * D + d]!);
    }
  return { count, dimensions, size, blocks, points: sorted, lower, upper };
}

/** Squared distances between the boxes of two sets of blocks, [a.blocks, b.blocks]: no two of their points are closer. */
export function squaredGaps(a: PointBlocks, b: PointBlocks): Float64Array {
  const D = a.dimensions;
  const gaps = new Float64Array(a.blocks * b.blocks);
  for (let I = 0; I < a.blocks; I++)
    for (let J = 0; J < b.blocks; J++) {
      let total = 0;
      for (let d = 0; d < D; d++) {
        const [i, j] = [I * D + d, J * D + d];
        total += Math.max(a.lower[i]! - b.upper[j]!, b.lower[j]! - a.upper[i]!, 0) ** 2;
      }
      gaps[I * b.blocks + J] = total;
    }
  return gaps;
}

function widestAxis(points: Float64Array, D: number, indices: Uint32Array): number {
  let widest = 0;
  let width = -1;
  for (let d = 0; d < D; d++) {
    let lo = Number.POSITIVE_INFINITY;
    let hi = Number.NEGATIVE_INFINITY;
    for (const i of indices) {
      lo = Math.min(lo, points[i * D + d]!);
      hi = Math.max(hi, points[i * D + d]!);
    }
    if (hi - lo > width) [widest, width] = [d, hi - lo];
  }
  return widest;
}
