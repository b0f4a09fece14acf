import type { HostArray } from "../src/core/array.ts";

/** Largest relative error of a peer whose time counts: float32 in another order of summation stays well below. */
export const TOLERANCE = 1e-4;

type Results = Readonly<Record<string, HostArray>>;

/**
 * |a - b| / |a| of each array that both have.
 * @param ours, theirs results by name; theirs may have another shape of the same size
 */
export function relativeErrors(ours: Results, theirs: Results): Record<string, number> {
  return Object.fromEntries(
    Object.entries(theirs).map(([name, { data: b }]) => {
      const a = ours[name]?.data;
      if (!a || a.length !== b.length) return [name, Number.POSITIVE_INFINITY];
      let difference = 0;
      let size = 0;
      for (let i = 0; i < a.length; i++) {
        difference += (Number(a[i]) - Number(b[i])) ** 2;
        size += Number(a[i]) ** 2;
      }
      return [name, Math.sqrt(difference / size)];
    }),
  );
}

/** Why a peer's time does not count, or undefined if its results are ours. */
export function refusal(errors: Readonly<Record<string, number>>): string | undefined {
  const wrong = Object.entries(errors).filter(([, error]) => !(error <= TOLERANCE));
  if (Object.keys(errors).length === 0) return "it gave no results to compare";
  if (wrong.length === 0) return undefined;
  const text = wrong.map(([name, error]) => `${name} differs by ${error.toExponential(1)}`).join(", ");
  return `${text} of its norm; at most ${TOLERANCE} is allowed`;
}
