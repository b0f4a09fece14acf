import { rows } from "../core/array.ts";
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

/**
 * @param form what is made of s systems: once, of one observation alone, where all share theirs
 * @param join the batch of that and of the systems that it was made of
 */
export function denseBatches<Formed>(
  kind: ObservationKind,
  numbers: number,
  { products, engine }: { readonly products: Products; readonly engine: EngineOptions },
  form: (systems: LinearBatch) => Promise<Formed>,
  join: (source: LinearBatch, systems: LinearBatch, formed: Formed) => LinearBatch,
): DenseBatches {
  if (!kind.isShared)
    return {
      numbers,
      batch: async (source) => join(source, source, await form(source)),
      release: async () => {},
    };
  const applied = compileApplied(kind, 1, engine);
  const only = async (observations: ObservationBatch) => {
    const systems = await appliedBatch(
      applied,
      mapBatch(observations, (array) => rows(array, 0, 1)),
      products,
    );
    return { systems, formed: await form(systems) };
  };
  let found: ReturnType<typeof only> | undefined;
  return {
    numbers: 0, // of its own
    batch: async (source, observations) => {
      found ??= only(observations);
      const { systems, formed } = await found;
      return join(source, systems, formed);
    },
    release: applied.release,
  };
}
