import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import { timesRows } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";
import type { Products } from "./products.ts";

/** Whether each entry of y is another entry of x: masks, crops, subsampling. */
export function isPicked({ family: { picks } }: ObservationKind): boolean {
  return picks !== undefined && new Set(picks).size === picks.length;
}

/** One observation: its measured entries of y, the entry of x behind each, and its gain. */
interface Picked {
  readonly entries: Int32Array;
  readonly gains: Float64Array;
  /** y less the shift of the coordinates. */
  readonly y: Float64Array;
  readonly variance: Float64Array;
  readonly patterns: Float64Array | undefined;
}

/** Rows are a multiple of this, so that batches whose masks differ a little share the engine's programs. */
const ROWS = 16;

/** Observations of an operator that picks entries: A A' is diagonal, and all maps are gathers on the host. */
export function pickedBatch(kind: ObservationKind, batch: ObservationBatch, products: Products): LinearBatch {
  const n = batch.y.shape[0]!;
  const N = sizeOf(kind.header.latentShape);
  const q = kind.noiseFactor?.shape.at(-1) ?? 0;
  const all = Array.from({ length: n }, (_, i) => pick(kind, batch, i));
  const most = Math.max(1, ...all.map(({ y }) => y.length));
  const M = most <= ROWS ? most : Math.ceil(most / ROWS) * ROWS;
  const joined = (of: (one: Picked) => ArrayLike<number>, width: number, rest: number) => {
    const out = new Float64Array(n * M * width).fill(rest);
    for (const [i, one] of all.entries()) out.set(of(one), i * M * width);
    return out;
  };
  const entries = Int32Array.from(joined((one) => one.entries, 1, 0));
  const gains = joined((one) => one.gains, 1, 0);
  const y = joined((one) => one.y, 1, 0);
  /** Rows of `source` [N, k], or of each its own [n, N, k]. */
  const gather = (source: Float64Array, k: number, stride = 0) => {
    const out = new Float64Array(n * M * k);
    for (let row = 0, at = 0; row < n * M; row++) {
      const from = Math.floor(row / M) * stride + entries[row]! * k;
      const gain = gains[row]!;
      for (let a = 0; a < k; a++, at++) out[at] = gain * source[from + a]!;
    }
    return out;
  };
  const scatter = (Y: Float64Array, k: number, into: Float64Array, stride = 0) => {
    for (let row = 0, at = 0; row < n * M; row++) {
      const to = Math.floor(row / M) * stride + entries[row]! * k;
      const gain = gains[row]!;
      for (let a = 0; a < k; a++, at++) into[to + a]! += gain * Y[at]!;
    }
  };
  const diagonal = gains.map((gain) => gain * gain);
  return {
    size: n,
    systems: n,
    rows: M,
    ownRows: all.map((one) => one.y.length),
    measured: all.map((one) => one.y.length),
    variance: joined((one) => one.variance, 1, 1),
    patterns: q > 0 ? joined((one) => one.patterns!, q, 0) : undefined,
    patternCount: q,
    residual: async (mean) => {
      const predicted = gather(mean, 1);
      return y.map((value, row) => value - predicted[row]!);
    },
    apply: async (columns, k) => gather(columns, k),
    applyEach: async (latents) => gather(latents, 1, N),
    pullEach: async (v) => {
      const out = new Float64Array(n * N);
      scatter(v, 1, out, N);
      return out;
    },
    addPulled: async (Y, k, into) => scatter(Y, k, into),
    normal: async (P, k) => timesRows(P, k, diagonal),
    diagonal,
    isDiagonal: true,
    products,
  };
}

function pick(kind: ObservationKind, batch: ObservationBatch, i: number): Picked {
  const { family, header, coordinates, noiseFactor } = kind;
  const picks = family.picks!;
  const M = picks.length;
  const seen = seenOnHost(kind, batch, i);
  const kept: number[] = [];
  for (let m = 0; m < M; m++) if (seen[m] === 1) kept.push(m);
  const unit = coordinates?.unit ?? 1;
  const entries = Int32Array.from(kept, (m) => picks[m]!);
  const q = noiseFactor?.shape.at(-1) ?? 0;
  return {
    entries,
    gains: Float64Array.from(entries, (j) => (coordinates ? coordinates.scale.data[j]! / unit : 1)),
    y: Float64Array.from(kept, (m, at) => {
      const shift = coordinates ? coordinates.shift.data[entries[at]!]! / unit : 0;
      return batch.y.data[i * M + m]! - shift;
    }),
    variance: Float64Array.from(kept, (m) =>
      header.noiseVariance === "array"
        ? batch.noiseVariance!.data[i * M + m]!
        : (header.noiseVariance as number),
    ),
    patterns:
      noiseFactor &&
      Float64Array.from({ length: kept.length * q }, (_, at) => {
        const [row, column] = [Math.floor(at / q), at % q];
        return noiseFactor.data[kept[row]! * q + column]!;
      }),
  };
}

/** 1 for each entry of y of observation i that no mask hides, else 0. */
export function seenOnHost({ family }: ObservationKind, { data }: ObservationBatch, i: number): Uint8Array {
  const M = sizeOf(family.observationShape);
  const seen = new Uint8Array(M).fill(1);
  for (const [name, covers] of Object.entries(family.masks)) {
    const mask = data[name]!.data;
    const width = sizeOf(family.data[name]!);
    for (let m = 0; m < M; m++) if (covers[m]! >= 0 && mask[i * width + covers[m]!] === 0) seen[m] = 0;
  }
  return seen;
}
