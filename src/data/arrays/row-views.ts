/** Arrays seen through a map of their rows: nothing is held but what is read. */

import { type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import { maskIndices } from "../../operators/kinds/mask.ts";
import { isMaskShape } from "../../operators/kinds/mask-shape.ts";
import { type ArrayRows, repeatedRows } from "./array-rows.ts";
import { movedAxis, transposed } from "./axes.ts";

/** Every number mapped, in double precision. */
export function mappedRows(array: ArrayRows, map: (value: number) => number): ArrayRows {
  return {
    ...array,
    async read(start, end) {
      const { shape, data } = await array.read(start, end);
      return hostArray(
        "float64",
        shape,
        Float64Array.from(data as Float64Array, (v) => map(Number(v))),
      );
    },
  };
}

/** One axis moved to another place. Axes count from the first, which is that of rows and stays. */
export function movedRows(array: ArrayRows, from: number, to: number): ArrayRows {
  const order = movedAxis(array.shape.length, from, to);
  return {
    ...array,
    shape: order.map((axis) => array.shape[axis]!),
    read: async (start, end) => transposed(await array.read(start, end), order),
  };
}

/** The same numbers with another shape of rows. */
export function reshapedRows(array: ArrayRows, row: Shape): ArrayRows {
  return {
    ...array,
    shape: [array.shape[0]!, ...row],
    async read(start, end) {
      const { dtype, data } = await array.read(start, end);
      return hostArray(dtype, [end - start, ...row], data);
    },
  };
}

/**
 * Rows repeated to a shape [n, ...row] by NumPy's rule, axes after the first aligned at the end.
 * @throws DataError if they do not fit
 */
export function broadcastRows(array: ArrayRows, [count, ...row]: readonly [number, ...number[]]): ArrayRows {
  const [own, ...rest] = array.shape;
  if ((own !== count && own !== 1) || !isMaskShape(rest, row))
    throw new DataError(
      `${array.name}: expected a shape that broadcasts to ${formatShape([count, ...row])}, found ${formatShape(array.shape)}. Reshape it; the first axis counts observations.`,
    );
  const each = own === count ? array : repeatedRows(array, count);
  if (sizeOf(rest) === sizeOf(row)) return reshapedRows(each, row);
  const entries = maskIndices(rest, row);
  const width = sizeOf(rest);
  return {
    ...each,
    shape: [count, ...row],
    async read(start, end): Promise<HostArray> {
      const { data } = await each.read(start, end);
      const spread = new Float64Array((end - start) * entries.length);
      for (let k = 0; k < spread.length; k++)
        spread[k] = Number(data[Math.floor(k / entries.length) * width + entries[k % entries.length]!]);
      return hostArray("float64", [end - start, ...row], spread);
    },
  };
}
