import { type HostArray, zeros } from "../core/array.ts";
import { putRows } from "../core/rows.ts";
import { kindsIn, type MergedObservations, mostTogether } from "../data/observations/observation-set.ts";
import type { ObservationSource } from "../data/observations/observations.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";
import { batchesOf, type DrawnBatch, type DrawSource } from "./draw-source.ts";

/**
 * Draws for observations of one kind or of several: each kind has its own source, and a batch of the set is one of each kind.
 * @param batch observations of the set together
 * @param compile the source of one kind, for at most `together` at a time if that is said
 */
export async function compileByKind(
  set: ObservationSource | MergedObservations,
  batch: number,
  compile: (observations: ObservationSource, together?: number) => Promise<DrawSource>,
): Promise<DrawSource> {
  if (!("parts" in set)) return await compile(set);
  const sources: (DrawSource | undefined)[] = [];
  const release = async () => {
    for (const source of sources) await source?.[Symbol.asyncDispose]();
  };
  try {
    for (const { observations, numbers } of set.parts) {
      const together = mostTogether(numbers, batch);
      sources.push(together > 0 ? await compile(observations, together) : undefined);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    batch,
    shape: set.header.latentShape,
    async *draw(range, options) {
      const { stream, onEvent } = options;
      const total = range[1] - range[0];
      for (const part of batchesOf(range, batch)) {
        const whole = gathered(part);
        let done = part[0] - range[0];
        for (const { kind, range: own, numbers } of kindsIn(set, part)) {
          const before = done;
          const drawn = sources[kind]!.draw(own, {
            ...options,
            stream: (index) => stream(numbers[index - own[0]]!),
            onEvent: (event) => onEvent?.({ ...event, done: before + event.done, total }),
          });
          for await (const found of drawn) whole.add(numbers.subarray(found.first - own[0]), found);
          done += numbers.length;
        }
        yield whole.batch();
      }
    },
    [Symbol.asyncDispose]: release,
  };
}

/** Draws [first, stop), put together from those of some numbers at a time. */
function gathered([first, stop]: readonly [number, number]) {
  const fields: Record<string, HostArray<"float32">> = {};
  const put = (name: string, from: HostArray<"float32">, numbers: Int32Array) => {
    fields[name] ??= zeros("float32", [stop - first, ...from.shape.slice(1)]);
    putRows(
      fields[name],
      numbers.map((number) => number - first),
      from,
    );
  };
  return {
    add(numbers: Int32Array, { samples, status, gain }: DrawnBatch) {
      for (const [name, array] of Object.entries({ samples, gain, ...status }))
        if (array) put(name, array, numbers);
    },
    batch(): DrawnBatch {
      const { samples, gain, ...status } = fields;
      const isTold = Object.keys(status).length > 0;
      // The fields are those that were put in.
      return { first, samples: samples!, gain, ...(isTold && { status: status as unknown as DrawStatus }) };
    },
  };
}
