import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch } from "../data/observation-check.ts";
import type { ObservationKind } from "../data/observation-kind.ts";
import type { LinearBatch } from "./linear-observations.ts";

/** Whether each entry of y is another entry of x: masks, crops, subsampling. */
export function isPicked({ family: { picks } }: ObservationKind): boolean {
  return picks !== undefined && new Set(picks).size === picks.length;
}

/** One observation: M measured entries of y, the entry of x behind each, and its gain. */
interface Picked {
  readonly entries: Int32Array;
  readonly gains: Float64Array;
  /** y less the shift of the coordinates. */
  readonly y: Float64Array;
  readonly variance: Float64Array;
  readonly patterns: Float64Array | undefined;
}

/** Observations of an operator that picks entries: A A' is diagonal, and all products are gathers on the host. */
export function pickedBatch(kind: ObservationKind, batch: ObservationBatch): LinearBatch {
  const n = batch.y.shape[0]!;
  const N = sizeOf(kind.header.latentShape);
  const q = kind.noiseFactor?.shape.at(-1) ?? 0;
  const all = Array.from({ length: n }, (_, i) => pick(kind, batch, i));
  const gather = ({ entries, gains }: Picked, source: Float64Array, k: number) => {
    const out = new Float64Array(entries.length * k);
    for (let m = 0; m < entries.length; m++) {
      const [from, gain] = [entries[m]! * k, gains[m]!];
      for (let a = 0; a < k; a++) out[m * k + a] = gain * source[from + a]!;
    }
    return out;
  };
  const scatter = ({ entries, gains }: Picked, Y: Float64Array, k: number, into: Float64Array) => {
    for (let m = 0; m < entries.length; m++) {
      const [to, gain] = [entries[m]! * k, gains[m]!];
      for (let a = 0; a < k; a++) into[to + a]! += gain * Y[m * k + a]!;
    }
  };
  return {
    size: n,
    measured: all.map(({ y }) => y.length),
    variance: all.map(({ variance }) => variance),
    patterns: q > 0 ? all.map(({ patterns }) => patterns!) : undefined,
    patternCount: q,
    residual: async (mean) =>
      all.map((one) => {
        const predicted = gather(one, mean, 1);
        return one.y.map((value, m) => value - predicted[m]!);
      }),
    apply: async (columns, k) => all.map((one) => gather(one, columns, k)),
    applyEach: async (latents) => all.map((one, i) => gather(one, latents[i]!, 1)),
    pullEach: async (v) =>
      all.map((one, i) => {
        const out = new Float64Array(N);
        scatter(one, v[i]!, 1, out);
        return out;
      }),
    addPulled: async (Y, k, into) => {
      for (const [i, one] of all.entries()) scatter(one, Y[i]!, k, into);
    },
    normal: async (P, k) =>
      all.map(({ gains }, i) => P[i]!.map((value, at) => gains[Math.floor(at / k)]! ** 2 * value)),
    diagonal: all.map(({ gains }) => gains.map((gain) => gain * gain)),
    isDiagonal: true,
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
