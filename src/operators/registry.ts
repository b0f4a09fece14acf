import { DataError } from "../core/errors.ts";
import { expectBearable } from "../core/limits.ts";
import { didYouMean } from "../core/nearest.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { averagePoolFamily } from "./average-pool.ts";
import { blurFamily, sharedBlurFamily } from "./blur.ts";
import { CODE_OPERATORS, type CodeSpec, codeSpecs, type OperatorCode } from "./code.ts";
import { composeFamily } from "./compose.ts";
import { cropFamily } from "./crop.ts";
import { fourierFamily, kSpaceShape } from "./fourier.ts";
import { isMaskShape, maskFamily } from "./mask.ts";
import { matrixFamily } from "./matrix.ts";
import { multiCoilFamily } from "./multi-coil.ts";
import type { OperatorFamily } from "./operator.ts";
import {
  atPath,
  expectShallow,
  isSpec,
  type OperatorSpec,
  type SpecFields,
  specError,
  specFields,
} from "./spec.ts";
import { stackFamily } from "./stack.ts";
import { subsampleFamily } from "./subsample.ts";

/** What the parts of a specification have in common while they are made. */
export interface Building {
  /** Loaded code of parts that are files. */
  readonly code: OperatorCode;
  /** Counts the entries that the parts pick and hide. @throws ShapeError beyond what is bearable for all together */
  readonly count: (part: OperatorFamily) => void;
}

/** One kind of operator that a header can name. */
export interface OperatorKind {
  readonly name: OperatorSpec["name"];
  /** Fields of its specification beside the name. */
  readonly fields: readonly string[];
  /**
   * The family that a specification describes.
   * @param observationShape if known: what a matrix at the top level takes its number of rows from
   * @param building the whole that it is a part of
   * @throws DataError or ShapeError naming the field that is wrong
   */
  readonly family: (
    spec: SpecFields,
    latentShape: Shape,
    observationShape: Shape | undefined,
    building: Building,
  ) => OperatorFamily;
  /** Small ones, for tests that hold for all operators. */
  readonly examples: readonly { readonly spec: OperatorSpec; readonly latentShape: Shape }[];
}

/** Every operator that a header can name, but those that are code (`CODE_OPERATORS`). */
export const OPERATORS: readonly OperatorKind[] = [
  {
    name: "mask",
    fields: ["maskShape"],
    family: (spec, latentShape) => maskFamily(latentShape, maskShape(spec, latentShape)),
    examples: [
      { spec: { name: "mask", maskShape: [3, 4, 2] }, latentShape: [3, 4, 2] },
      { spec: { name: "mask", maskShape: [4, 1] }, latentShape: [3, 4, 2] },
    ],
  },
  {
    name: "matrix",
    fields: ["measurements"],
    family: (spec, latentShape, observationShape) => {
      const isImplied = !spec.has("measurements") && observationShape?.length === 1;
      return matrixFamily(latentShape, isImplied ? observationShape[0]! : spec.positive("measurements"));
    },
    examples: [
      { spec: { name: "matrix", measurements: 3 }, latentShape: [5] },
      { spec: { name: "matrix", measurements: 7 }, latentShape: [2, 3, 2] },
    ],
  },
  {
    name: "crop",
    fields: ["size", "start"],
    family: (spec, latentShape) =>
      cropFamily(latentShape, spec.pair("size", 1), spec.has("start") ? spec.pair("start", 0) : undefined),
    examples: [
      { spec: { name: "crop", size: [3, 2] }, latentShape: [2, 6, 5] },
      { spec: { name: "crop", size: [3, 2], start: [3, 0] }, latentShape: [1, 6, 5] },
    ],
  },
  {
    name: "subsample",
    fields: ["step"],
    family: (spec, latentShape) => subsampleFamily(latentShape, spec.positive("step")),
    examples: [{ spec: { name: "subsample", step: 2 }, latentShape: [2, 5, 4] }],
  },
  {
    name: "average-pool",
    fields: ["size"],
    family: (spec, latentShape) => averagePoolFamily(latentShape, spec.positive("size")),
    examples: [{ spec: { name: "average-pool", size: 2 }, latentShape: [2, 4, 6] }],
  },
  {
    name: "blur",
    fields: ["kernelShape", "kernel"],
    family: (spec, latentShape) =>
      spec.has("kernel")
        ? sharedBlurFamily(latentShape, spec.rows("kernel"))
        : blurFamily(latentShape, spec.pair("kernelShape", 1)),
    examples: [
      { spec: { name: "blur", kernelShape: [3, 5] }, latentShape: [2, 4, 6] },
      {
        spec: {
          name: "blur",
          kernel: [
            [1, 2, 3],
            [0, -1, 0],
            [2, 0, 0],
          ],
        },
        latentShape: [2, 4, 6],
      },
    ],
  },
  {
    name: "fourier",
    fields: ["maskShape"],
    family: (spec, latentShape) => fourierFamily(latentShape, maskShape(spec, kSpaceShape(latentShape))),
    examples: [
      { spec: { name: "fourier", maskShape: [1, 1, 5] }, latentShape: [1, 4, 5] },
      { spec: { name: "fourier", maskShape: [6] }, latentShape: [2, 3, 6] },
    ],
  },
  {
    name: "multi-coil",
    fields: ["coils", "maskShape"],
    family: (spec, latentShape) => {
      const coils = spec.positive("coils");
      return multiCoilFamily(latentShape, coils, maskShape(spec, [coils, ...kSpaceShape(latentShape)]));
    },
    examples: [
      { spec: { name: "multi-coil", coils: 3, maskShape: [1, 1, 1, 5] }, latentShape: [1, 4, 5] },
      { spec: { name: "multi-coil", coils: 2, maskShape: [3, 4] }, latentShape: [2, 3, 4] },
    ],
  },
  {
    name: "compose",
    fields: ["parts"],
    family: (spec, latentShape, _, building) => {
      const parts: OperatorFamily[] = [];
      spec.list("parts").forEach((part, i) => {
        const before = parts.at(-1)?.observationShape ?? latentShape;
        parts.push(familyAt(part, before, undefined, `${spec.path("parts")}[${i}]`, building));
      });
      return composeFamily(parts);
    },
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
  },
  {
    name: "stack",
    fields: ["parts"],
    family: (spec, latentShape, _, building) =>
      stackFamily(
        spec
          .list("parts")
          .map((part, i) => familyAt(part, latentShape, undefined, `${spec.path("parts")}[${i}]`, building)),
      ),
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
  },
];

/**
 * The operators that a specification stands for.
 * @param observationShape if known, as in headers; must then agree
 * @param where the file or argument, for messages
 * @param code loaded code of operators that are files
 * @throws DataError naming the field that is unknown, missing or wrong
 */
export function operatorFamily(
  spec: OperatorSpec,
  latentShape: Shape,
  observationShape?: Shape,
  where = "operatorFamily",
  code: OperatorCode = {},
): OperatorFamily {
  expectShallow(spec, where);
  const family = familyAt(spec, latentShape, observationShape, `${where}: operator`, startBuilding(code));
  if (observationShape && !sameShape(observationShape, family.observationShape))
    throw new DataError(
      `${where}: observationShape: expected ${formatShape(family.observationShape)}, which operator ${spec.name} makes of latents ${formatShape(latentShape)}, found ${formatShape(observationShape)}. Correct the header.`,
    );
  return family;
}

function startBuilding(code: OperatorCode): Building {
  let entries = 0;
  return {
    code,
    count: ({ masks, picks }) => {
      entries += picks?.length ?? 0;
      for (const covers of Object.values(masks)) entries += covers.length;
      expectBearable([entries], "all parts together");
    },
  };
}

function familyAt(
  spec: unknown,
  latentShape: Shape,
  observationShape: Shape | undefined,
  path: string,
  building: Building,
): OperatorFamily {
  const names = [...OPERATORS.map(({ name }) => name), ...CODE_OPERATORS];
  const name = isSpec(spec) ? spec.name : undefined;
  const [file] = CODE_OPERATORS.some((known) => known === name) ? codeSpecs(spec, path) : [];
  if (file) return codeFamily(file, latentShape, path, building.code);
  const kind = OPERATORS.find((candidate) => candidate.name === name);
  if (!isSpec(spec) || !kind)
    throw specError(
      `${path}.name`,
      `one of ${names.join(", ")}`,
      name,
      name === undefined ? "" : didYouMean(name, names),
    );
  const fields = specFields(spec, path);
  fields.only(kind.fields);
  return atPath(path, () => {
    const family = kind.family(fields, latentShape, observationShape, building);
    building.count(family);
    return family;
  });
}

const CODE_FIELDS = { onnx: ["path", "sha256", "linear"], module: ["path", "sha256"] } as const;

function codeFamily(spec: CodeSpec, latentShape: Shape, path: string, code: OperatorCode): OperatorFamily {
  specFields(spec, path).only(CODE_FIELDS[spec.name]);
  const make = Object.hasOwn(code, spec.path) ? code[spec.path] : undefined;
  if (!make)
    throw new DataError(
      `${path}: expected ${spec.path} to be loaded, found an operator that is code. Write a folder with importObservations and open it with openObservations.`,
    );
  return atPath(path, () => make(latentShape));
}

function maskShape(spec: SpecFields, shape: Shape): Shape {
  const found = spec.shape("maskShape");
  if (!isMaskShape(found, shape))
    throw specError(spec.path("maskShape"), `a shape that broadcasts to ${formatShape(shape)}`, found);
  return found;
}
