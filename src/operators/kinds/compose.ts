import { expectBearable } from "../../core/limits.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import type { OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import {
  arraysOfPart,
  dataOfPart,
  dataOfParts,
  maskCount,
  PARTS,
  parametersOfParts,
  partName,
} from "./parts.ts";

/**
 * A x = A_n ... A_2 A_1 x. An entry counts as hidden if a mask hides it and all later parts only pick entries. If a blur follows,
 * say, the deleted entry is a zero that takes part in the measurement.
 * @param parts in the order in which they act; each takes what the one before gives
 */
export function composeFamily(parts: readonly OperatorFamily[]): OperatorFamily {
  const first = parts[0]!;
  const largest = parts.reduce(
    (most, { observationShape }) => Math.max(most, sizeOf(observationShape)),
    sizeOf(first.latentShape),
  );
  expectBearable([1 + maskCount(parts), largest], "compose");
  const everything = Int32Array.from({ length: sizeOf(first.latentShape) }, (_, i) => i);
  const picks = parts.every((part) => part.picks) ? through(everything, parts) : undefined;
  return {
    latentShape: first.latentShape,
    observationShape: parts.at(-1)!.observationShape,
    data: dataOfParts(parts),
    parameters: parametersOfParts(parts),
    masks: Object.fromEntries(
      parts.flatMap(({ masks }, i) =>
        Object.entries(masks).map(([name, covers]) => [
          partName(i, name),
          through(covers, parts.slice(i + 1)),
        ]),
      ),
    ),
    ...(picks && { picks }),
    linear: parts.every(({ linear }) => linear !== false),
    bind: (data) => {
      const chain = parts.map((part, i) => part.bind(dataOfPart(part, i, data)));
      return (x) => chain.reduce((value, operator) => operator(value), x);
    },
  };
}

/** What becomes of a number for each entry when the parts pick among them; -1 once a part mixes entries. */
function through(numbers: Int32Array, parts: readonly OperatorFamily[]): Int32Array {
  return parts.reduce(
    (before, { picks, observationShape }) =>
      picks?.map((entry) => before[entry]!) ?? new Int32Array(sizeOf(observationShape)).fill(-1),
    numbers,
  );
}

export const composeKind: OperatorKind = {
  name: "compose",
  fields: ["parts"],
  family: (spec, latentShape, _, building) => {
    const parts: OperatorFamily[] = [];
    spec.read("parts", PARTS).forEach((part, i) => {
      const before = parts.at(-1)?.observationShape ?? latentShape;
      parts.push(building.part(part, before, `${spec.path("parts")}[${i}]`));
    });
    return composeFamily(parts);
  },
  latentShapeOf: (observationShape, arrays, { parts }, ofPart) =>
    Array.isArray(parts)
      ? parts.reduceRight<Shape | undefined>(
          (shape, part, i) => shape && ofPart(part, shape, arraysOfPart(arrays, i)),
          observationShape,
        )
      : undefined,
  examples: [
    {
      spec: {
        name: "compose",
        parts: [
          { name: "blur", kernelShape: [3, 3] },
          { name: "mask", maskShape: [1, 4, 6] },
          { name: "subsample", step: 2 },
        ],
      },
      latentShape: [2, 4, 6],
    },
  ],
};
