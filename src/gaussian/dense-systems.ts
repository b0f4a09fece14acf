import { rows } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import { mapBatch, type ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { appliedBatch, compileApplied } from "./applied.ts";
import type { LinearBatch } from "./linear-observations.ts";
import type { Products } from "./products.ts";

/** Makes of systems that the engine applies such as hold dense matrices. */
export interface DenseBatches {
  /** Numbers that an observation holds. */
  readonly numbers: number;
  batch(source: LinearBatch, observations: ObservationBatch): Promise<LinearBatch>;
  release(): Promise<void>;
}

/** Matrices that are made of systems, and batches that hold them. */
export interface DenseForm<Formed> {
  /** Whether systems of M numbers and N entries are small enough. */
  fits(M: number, N: number, isShared: boolean): boolean;
  /** Numbers that an observation of its own holds. */
  numbers(M: number, N: number): number;
  /** Made of s systems: once, of one observation alone, where all share theirs. */
  form(systems: LinearBatch, N: number): Promise<Formed>;
  /** The batch of observations with what was made. */
  join(source: LinearBatch, formed: Formed, N: number): LinearBatch | Promise<LinearBatch>;
}

/** @returns undefined where the matrices would be too large */
export function denseBatches<Formed>(
  kind: ObservationKind,
  { fits, numbers, form, join }: DenseForm<Formed>,
  products: Products,
  engine: EngineOptions,
): DenseBatches | undefined {
  const M = sizeOf(kind.header.observationShape);
  const N = sizeOf(kind.header.latentShape);
  const isShared = kind.isShared ?? false;
  if (!fits(M, N, isShared)) return undefined;
  if (!isShared)
    return {
      numbers: numbers(M, N),
      batch: async (source) => await join(source, await form(source, N), N),
      release: async () => {},
    };
  const applied = compileApplied(kind, 1, engine);
  const only = async (observations: ObservationBatch) =>
    await form(
      await appliedBatch(
        applied,
        mapBatch(observations, (array) => rows(array, 0, 1)),
        products,
      ),
      N,
    );
  let formed: Promise<Formed> | undefined;
  return {
    numbers: 0, // of its own
    batch: async (source, observations) => {
      formed ??= only(observations);
      return await join(source, await formed, N);
    },
    release: applied.release,
  };
}
