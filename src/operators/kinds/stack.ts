import { expectBearable } from "../../core/limits.ts";
import { sizeOf } from "../../core/shape.ts";
import { concat, reshape } from "../../graph/index.ts";
import type { OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { dataOfPart, dataOfParts, maskCount, PARTS, parametersOfParts, partName } from "./parts.ts";

/** A x = [A_1 x, A_2 x, ...], several measurements of one latent, flattened and concatenated. */
export function stackFamily(parts: readonly OperatorFamily[]): OperatorFamily {
  const sizes = parts.map((part) => sizeOf(part.observationShape));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  expectBearable([Math.max(1, maskCount(parts)), total], "stack");
  const picks = parts.flatMap((part) => [...(part.picks ?? [])]);
  return {
    latentShape: parts[0]!.latentShape,
    observationShape: [total],
    data: dataOfParts(parts),
    parameters: parametersOfParts(parts),
    masks: Object.fromEntries(
      parts.flatMap(({ masks }, i) =>
        Object.entries(masks).map(([name, covers]) => {
          const all = new Int32Array(total).fill(-1);
          all.set(covers, starts[i]!);
          return [partName(i, name), all];
        }),
      ),
    ),
    ...(picks.length === total && { picks: Int32Array.from(picks) }),
    linear: parts.every(({ linear }) => linear !== false),
    bind: (data) => {
      const operators = parts.map((part, i) => part.bind(dataOfPart(part, i, data)));
      return (x) => {
        const B = x.shape[0]!;
        return concat(
          operators.map((operator, i) => reshape(operator(x), [B, sizes[i]!])),
          1,
        );
      };
    },
  };
}

export const stackKind: OperatorKind = {
  name: "stack",
  fields: ["parts"],
  family: (spec, latentShape, _, building) => {
    const path = spec.path("parts");
    return stackFamily(
      spec.read("parts", PARTS).map((part, i) => building.part(part, latentShape, `${path}[${i}]`)),
    );
  },
  examples: [
    {
      spec: {
        name: "stack",
        parts: [
          { name: "fourier", maskShape: [1, 1, 4] },
          { name: "crop", size: [2, 2] },
          { name: "matrix", measurements: 3 },
        ],
      },
      latentShape: [1, 4, 4],
    },
  ],
};
