/** Operators whose map is code: an ONNX file or a module that a specification names. */

import { DataError, ShapeError } from "../core/errors.ts";
import { isRecord, show } from "../core/json.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { input, type Tensor } from "../graph/index.ts";
import type { OnnxModel } from "../graph/onnx/read.ts";
import { inputsOf } from "../runtime/inputs.ts";
import type { OperatorFamily } from "./operator.ts";
import { expectShallow, type OperatorSpec } from "./spec.ts";

/** A specification that names a file. */
export type CodeSpec = Extract<OperatorSpec, { readonly path: string }>;

/** Names of the operators that are code. */
export const CODE_OPERATORS = ["onnx", "module"] as const satisfies readonly CodeSpec["name"][];

/** Loaded code by its path in the specification. Each entry makes the family for latents of a shape. */
export type OperatorCode = Readonly<Record<string, (latentShape: Shape) => OperatorFamily>>;

/** The exports of a module: `operator` (or a default export), and more about it if needed. */
export interface OperatorModule {
  /** Maps latents [B, ...N] and the data of each observation to [B, ...M]. It must treat each sample by itself. */
  readonly operator: (x: Tensor, data: Readonly<Record<string, Tensor>>) => Tensor;
  /** Shape of each array that an observation carries, by name. Default: none. */
  readonly data?: Readonly<Record<string, Shape>>;
  /** Shape of one observation. If it is there, it is checked. */
  readonly observationShape?: Shape;
  /** False for a map that is differentiable but not linear. Default true. */
  readonly linear?: boolean;
}

/**
 * Every part of a specification that names a file.
 * @throws DataError if its path or checksum is missing or no text, or the parts are nested too deep
 */
export function codeSpecs(spec: unknown, where: string): CodeSpec[] {
  expectShallow(spec, where);
  return specsIn(spec, where);
}

function specsIn(spec: unknown, where: string): CodeSpec[] {
  if (!isRecord(spec)) return [];
  if (Array.isArray(spec.parts)) return spec.parts.flatMap((part) => specsIn(part, where));
  if (!CODE_OPERATORS.some((name) => name === spec.name)) return [];
  for (const field of ["path", "sha256"])
    if (typeof spec[field] !== "string" || (field === "path" && spec[field] === ""))
      throw new DataError(
        `${where}: operator.${field}: expected text, found ${show(spec[field])}. Write the header with diem import.`,
      );
  if (spec.linear !== undefined && typeof spec.linear !== "boolean")
    throw new DataError(
      `${where}: operator.linear: expected true or false, found ${show(spec.linear)}. Correct the header.`,
    );
  return [spec as unknown as CodeSpec]; // what is used of it was checked above
}

/** The operator of an ONNX model: its first input is x, the others are data that each observation carries. */
export function onnxFamily(
  model: OnnxModel,
  linear: boolean,
  where: string,
): (latentShape: Shape) => OperatorFamily {
  const [x, ...others] = model.inputs;
  const [y] = model.outputs;
  if (!x || !y || model.outputs.length !== 1)
    throw new DataError(
      `${where}: expected at least one input and one output, found ${model.inputs.length} and ${model.outputs.length}. Export the operator alone.`,
    );
  const data = Object.fromEntries(
    others.map(({ name, shape }) => {
      const own = shape?.slice(1);
      if (!own?.every((size) => size !== undefined))
        throw new DataError(
          `${where}: expected input ${name} with a batch axis and fixed sizes after it, found none. Export it with a shape.`,
        );
      return [name, own];
    }),
  );
  return familyOfCode(
    (latents, values) => model.build({ ...values, [x.name]: latents })[y.name]!,
    { data, linear },
    where,
  );
}

/** The operator of a module. @throws DataError naming the export that is missing or wrong */
export function moduleFamily(exported: unknown, where: string): (latentShape: Shape) => OperatorFamily {
  const all: Record<string, unknown> = isRecord(exported) ? exported : {};
  const { operator = all.default, data = {}, observationShape, linear = true } = all;
  const wrong = (name: string, expected: string, found: unknown) =>
    new DataError(`${where}: ${name}: expected ${expected}, found ${show(found)}. Correct the module.`);
  if (typeof operator !== "function") throw wrong("operator", "a function (x, data) => y", operator);
  if (!isRecord(data) || !Object.values(data).every(isSizes))
    throw wrong("data", "shapes by name, such as { kernel: [5, 5] }", data);
  if (observationShape !== undefined && !isSizes(observationShape))
    throw wrong("observationShape", "positive integers", observationShape);
  if (typeof linear !== "boolean") throw wrong("linear", "true or false", linear);
  return familyOfCode(
    operator as OperatorModule["operator"],
    { data: data as Record<string, Shape>, linear, observationShape },
    where,
  );
}

/** Two samples: an operator that was made for one alone shows. */
const TRIAL = 2;

function familyOfCode(
  map: OperatorModule["operator"],
  {
    data,
    linear,
    observationShape,
  }: { data: Readonly<Record<string, Shape>>; linear: boolean; observationShape?: Shape | undefined },
  where: string,
): (latentShape: Shape) => OperatorFamily {
  return (latentShape) => {
    const inputs = inputsOf(data, TRIAL);
    const x = input([TRIAL, ...latentShape]);
    const y: unknown = map(x, inputs);
    if (!isTensor(y))
      throw new DataError(
        `${where}: expected the operator to return a tensor, found ${show(y)}. Return one.`,
      );
    // Tensors are numbered as they are made; another copy of the library counts on its own.
    if (y.id < x.id)
      throw new DataError(
        `${where}: expected a tensor made from x, found one that was there before, or that another copy of diem made. Import from "diem" and do not bundle it.`,
      );
    const [B, ...shape] = y.shape;
    if (B !== TRIAL || shape.length === 0 || y.dtype !== "float32")
      throw new ShapeError(
        `${where}: ${TRIAL} samples must become float32 [${TRIAL}, ...], got ${y.dtype} ${formatShape(y.shape)}. Keep the batch axis first; export with a free batch size.`,
      );
    if (observationShape && !sameShape(observationShape, shape))
      throw new ShapeError(
        `${where}: observationShape ${formatShape(observationShape)} differs from what the operator makes, ${formatShape(shape)}.`,
      );
    return {
      latentShape,
      observationShape: shape,
      data,
      masks: {},
      linear,
      bind: (values) => (x) => map(x, values),
    };
  };
}

function isTensor(value: unknown): value is Tensor {
  return isRecord(value) && "op" in value && Array.isArray(value.shape);
}

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((size) => Number.isSafeInteger(size) && size > 0)
  );
}
