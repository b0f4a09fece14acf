import { float32 } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { mapKinds, type ObservationSet } from "../../data/observations/observation-set.ts";
import type {
  ObservationBatch,
  ObservationKind,
  Observations,
} from "../../data/observations/observations.ts";
import { seenOnHost } from "../../gaussian/picked.ts";
import { composeFamily } from "../../operators/kinds/compose.ts";
import { maskFamily } from "../../operators/kinds/mask.ts";
import { partName } from "../../operators/kinds/parts.ts";

/** An observation's numbers y_1, which are shown, and y_2, which are to be predicted from them. */
const HIDDEN_SHARE = 0.2;

/** Data of the mask that `hideSome` lays over y. */
const SHOWN = partName(1, "mask");

/**
 * The same observations with a fifth of the measured entries of each hidden, at least one; of an observation with a single
 * one nothing is left, and its posterior is the prior. What is hidden is hidden by a mask behind the operator, so every
 * posterior method and solver treats it as never measured.
 * @param rng observation i has the stream below it that is named i
 */
export function hideSome<S extends ObservationSet>(set: S, rng: Rng): S {
  return mapKinds(set, (observations, numbers) => hideSomeOf(observations, (i) => rng.split(numbers[i]!)));
}

function hideSomeOf(observations: Observations, stream: (i: number) => Rng): Observations {
  const { header, family } = observations;
  const shape = family.observationShape;
  const mask = maskFamily(shape, shape);
  return {
    ...observations,
    header: {
      ...header,
      operator: { name: "compose", parts: [header.operator, { name: "mask", maskShape: shape }] },
    },
    family: composeFamily([family, mask]),
    isShared: false,
    async read(start, end) {
      const batch = await observations.read(start, end);
      const shown = new Float32Array(batch.y.data.length);
      const M = sizeOf(shape);
      for (let i = 0; i < end - start; i++) {
        const seen = seenOnHost(observations, batch, i);
        shown.set(withoutSome(seen, stream(start + i)), i * M);
      }
      const data = Object.entries(batch.data).map(([name, array]) => [partName(0, name), array]);
      return {
        ...batch,
        y: float32(
          batch.y.data.map((value, at) => value * shown[at]!),
          batch.y.shape,
        ),
        data: { ...Object.fromEntries(data), [SHOWN]: float32(shown, batch.y.shape) },
      };
    },
  };
}

/** The entries that are shown, as 0 and 1. @param seen those that are measured */
function withoutSome(seen: Uint8Array, stream: Rng): Uint8Array {
  const measured = Array.from(seen.keys()).filter((m) => seen[m] === 1);
  const shown = Uint8Array.from(seen);
  const count = measured.length === 0 ? 0 : Math.max(1, Math.round(HIDDEN_SHARE * measured.length));
  for (const place of stream.permutation(measured.length).subarray(0, count)) shown[measured[place]!] = 0;
  return shown;
}

/** The entries of y of observation i that `hideSome` hid, and those that it left. */
export function hiddenAndShown(
  whole: ObservationKind,
  batch: ObservationBatch,
  hidden: ObservationBatch,
  i: number,
): { readonly hidden: number[]; readonly shown: number[] } {
  const seen = seenOnHost(whole, batch, i);
  const shown = hidden.data[SHOWN]!.data.subarray(i * seen.length, (i + 1) * seen.length);
  const entries = Array.from(seen.keys()).filter((m) => seen[m] === 1);
  return {
    hidden: entries.filter((m) => shown[m] === 0),
    shown: entries.filter((m) => shown[m] === 1),
  };
}
