import { DataError } from "../core/errors.ts";
import { check, oneOf } from "../core/kinds.ts";
import { expectBearable } from "../core/limits.ts";
import { didYouMean } from "../core/nearest.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { CODE_OPERATORS, type CodeSpec, codeSpecs, type OperatorCode } from "./code.ts";
import { averagePoolKind } from "./kinds/average-pool.ts";
import { blurKind } from "./kinds/blur.ts";
import { composeKind } from "./kinds/compose.ts";
import { cropKind } from "./kinds/crop.ts";
import { fourierKind } from "./kinds/fourier.ts";
import { maskKind } from "./kinds/mask.ts";
import { matrixKind } from "./kinds/matrix.ts";
import { multiCoilKind } from "./kinds/multi-coil.ts";
import { stackKind } from "./kinds/stack.ts";
import { subsampleKind } from "./kinds/subsample.ts";
import { tomographyKind } from "./kinds/tomography.ts";
import type { OperatorFamily } from "./operator.ts";
import type { LatentShapeOf, OperatorKind } from "./operator-kind.ts";
import type { Corruption, CorruptionPlan, Simulation } from "./simulation.ts";
import { atPath, expectShallow, isSpec, type OperatorSpec, specError, specFields } from "./spec.ts";

/** Every operator that a header can name, except those that are code (`CODE_OPERATORS`). */
export const OPERATORS: readonly OperatorKind[] = [
  maskKind,
  matrixKind,
  cropKind,
  subsampleKind,
  averagePoolKind,
  blurKind,
  fourierKind,
  multiCoilKind,
  tomographyKind,
  composeKind,
  stackKind,
];

/** What is known of an operator by its name; undefined for code. */
export function operatorKind(name: string): OperatorKind | undefined {
  return OPERATORS.find((kind) => kind.name === name);
}

/** Shape of the latents of an operator, where it, observations and arrays tell it; undefined elsewhere. */
export const latentShapeOf: LatentShapeOf = (spec, observationShape, arrays) =>
  isSpec(spec)
    ? operatorKind(spec.name)?.latentShapeOf?.(observationShape, arrays, spec, latentShapeOf)
    : undefined;

/** All ways to simulate an operator. */
export const SIMULATIONS: readonly Simulation[] = OPERATORS.flatMap(({ simulations = [] }) => simulations);

/** Names of corruptions. */
export const CORRUPTIONS: readonly Corruption["name"][] = SIMULATIONS.map(({ name }) => name);

/** @throws ConfigError if the corruption does not fit the latents, or an option is out of range */
export function planCorruption(corruption: Corruption, latentShape: Shape): CorruptionPlan {
  const found = check(oneOf(CORRUPTIONS), corruption.name, "corrupt: operator");
  return SIMULATIONS.find(({ name }) => name === found)!.plan(corruption, latentShape); // one of them
}

/**
 * Makes the family of operators that a specification stands for.
 * @param observationShape if known, as in headers; the family must then agree
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
  const family = familyAt(spec, latentShape, observationShape, `${where}: operator`, startWhole(code));
  if (observationShape && !sameShape(observationShape, family.observationShape))
    throw new DataError(
      `${where}: observationShape: expected ${formatShape(family.observationShape)}, which operator ${spec.name} makes of latents ${formatShape(latentShape)}, found ${formatShape(observationShape)}. Correct the header.`,
    );
  return family;
}

/** What the parts of a specification have in common. */
interface Whole {
  /** Loaded code of parts that are files. */
  readonly code: OperatorCode;
  /** Counts the entries that the parts pick and hide. @throws ShapeError beyond what is bearable for all together */
  readonly count: (part: OperatorFamily) => void;
}

function startWhole(code: OperatorCode): Whole {
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
  whole: Whole,
): OperatorFamily {
  const names = [...OPERATORS.map(({ name }) => name), ...CODE_OPERATORS];
  const name = isSpec(spec) ? spec.name : undefined;
  const [file] = CODE_OPERATORS.some((known) => known === name) ? codeSpecs(spec, path) : [];
  if (file) return codeFamily(file, latentShape, path, whole.code);
  const kind = name === undefined ? undefined : operatorKind(name);
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
    const family = kind.family(fields, latentShape, observationShape, {
      part: (part, shape, at) => familyAt(part, shape, undefined, at, whole),
    });
    whole.count(family);
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
