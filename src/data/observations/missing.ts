/** Entries that were not measured, told by NaN or by an infinite variance, hidden behind a mask. */

import { hostArray } from "../../core/array.ts";
import { sizeOf } from "../../core/shape.ts";
import { partName } from "../../operators/kinds/parts.ts";
import { operatorKind } from "../../operators/registry.ts";
import type { OperatorSpec } from "../../operators/spec.ts";
import type { ArrayRows } from "../arrays/array-rows.ts";
import { broadcastRows } from "../arrays/row-views.ts";
import { inferHeader, type ObservationParts } from "./observation-arrays.ts";

/** What is said to be missing of y: entries that are NaN, or none. */
export type Missing = "nan" | "none";

type Parts = ObservationParts<ArrayRows>;
type RowShape = readonly [number, ...number[]];

/** Observations that are looked at together. */
const CHUNK = 256;

/**
 * The parts with a mask that hides what is missing too: the operator's own, or one behind the operator. Where nothing is
 * missing the operator stays as it is; if there is none, it is a mask that hides nothing.
 */
export async function hideMissing(parts: Parts, missing: Missing | undefined, where: string): Promise<Parts> {
  const { y, noiseVariance } = parts;
  const variance = typeof noiseVariance === "number" ? undefined : noiseVariance;
  if (!variance && !missing) return parts;
  const nanIsMissing = missing === "nan";
  const seen = seenEntries(y, nanIsMissing, variance);
  const { mask } = parts.data;
  const masks = operatorKind(parts.operator?.name ?? "mask")?.arrays?.includes("mask") === true;
  const stated = mask && masks ? broadcastRows(mask, y.shape as RowShape) : undefined;
  const isWhole = !(await hasMissing(seen, y.shape[0]!));
  const shown = isWhole || !stated ? (stated ?? seen) : productRows(stated, seen);
  const isBare = missing && !parts.operator && Object.keys(parts.data).length === 0;
  const masked = isWhole && !isBare ? parts : withMask(parts, shown, where);
  return variance ? { ...masked, noiseVariance: filledRows(variance, shown) } : masked;
}

/** 1 where nothing is missing, [n, ...shape of y]. */
function seenEntries(y: ArrayRows, nanIsMissing: boolean, variance: ArrayRows | undefined): ArrayRows {
  return {
    ...y,
    async read(start, end) {
      const values = nanIsMissing ? await y.read(start, end) : undefined;
      const noise = await variance?.read(start, end);
      const shape = [end - start, ...y.shape.slice(1)];
      const seen = new Uint8Array(sizeOf(shape)).fill(1);
      for (let k = 0; k < seen.length; k++)
        if (Number.isNaN(Number(values?.data[k] ?? 0)) || noise?.data[k] === Number.POSITIVE_INFINITY)
          seen[k] = 0;
      return hostArray("uint8", shape, seen);
    },
  };
}

async function hasMissing(seen: ArrayRows, count: number): Promise<boolean> {
  for (let start = 0; start < count; start += CHUNK)
    if (((await seen.read(start, Math.min(start + CHUNK, count))).data as Uint8Array).includes(0))
      return true;
  return false;
}

/** The operator with a mask of what is seen: in place of its own if it has one, else in one that acts behind it. */
function withMask(parts: Parts, seen: ArrayRows, where: string): Parts {
  const { data, operator } = parts;
  const name = operator?.name ?? (Object.keys(data).every((own) => own === "mask") ? "mask" : "");
  if (operatorKind(name)?.arrays?.includes("mask")) {
    const own = { ...operator, name, maskShape: seen.shape.slice(1) };
    return { ...parts, operator: own, data: { ...data, mask: seen } };
  }
  const { operator: first, latentShape, observationShape } = inferHeader(parts, where);
  // Inside a composition a matrix states how many rows it has.
  const rows = first.name === "matrix" ? { measurements: observationShape[0]! } : {};
  return {
    ...parts,
    latentShape,
    operator: {
      name: "compose",
      parts: [{ ...first, ...rows } as OperatorSpec, { name: "mask", maskShape: observationShape }],
    },
    data: {
      ...Object.fromEntries(Object.entries(data).map(([own, array]) => [partName(0, own), array])),
      [partName(1, "mask")]: seen,
    },
  };
}

function productRows(a: ArrayRows, b: ArrayRows): ArrayRows {
  return {
    ...a,
    async read(start, end) {
      const [left, right] = [await a.read(start, end), await b.read(start, end)];
      const product = Float64Array.from(
        left.data as Float64Array,
        (v, k) => Number(v) * Number(right.data[k]),
      );
      return hostArray("float64", left.shape, product);
    },
  };
}

/** Variances of which hidden entries that are no variances become the largest that is one: nothing is known of them. */
function filledRows(variance: ArrayRows, seen: ArrayRows): ArrayRows {
  const isVariance = (value: number) => value > 0 && Number.isFinite(value);
  return {
    ...variance,
    async read(start, end) {
      const [own, shown] = [await variance.read(start, end), await seen.read(start, end)];
      const values = Float64Array.from(own.data as Float64Array, Number);
      const size = sizeOf(own.shape.slice(1));
      for (let first = 0; first < values.length; first += size) {
        const row = values.subarray(first, first + size);
        const largest = row.reduce((most, value) => (isVariance(value) ? Math.max(most, value) : most), 0);
        for (let k = 0; k < size; k++)
          if (!isVariance(row[k]!) && Number(shown.data[first + k]) === 0) row[k] = largest;
      }
      return hostArray("float64", own.shape, values);
    },
  };
}
