import type { Shape } from "../core/shape.ts";
import type { OperatorFamily } from "./operator.ts";
import type { Simulation } from "./simulation.ts";
import type { OperatorSpec, SpecFields } from "./spec.ts";

/** What the parts of a specification have in common while they are made. */
export interface Building {
  /** The family of a part, at this path of the specification. */
  readonly part: (spec: unknown, latentShape: Shape, path: string) => OperatorFamily;
}

/** Arrays that observations are imported from, by name: their shapes, [n, ...]. */
export type ArrayShapes = Readonly<Record<string, { readonly shape: Shape }>>;

/** Shape of the latents of a specification, where it can be told. */
export type LatentShapeOf = (
  spec: unknown,
  observationShape: Shape,
  arrays: ArrayShapes,
) => Shape | undefined;

/** One kind of operator that a header can name, with all that diem knows of it. */
export interface OperatorKind {
  readonly name: OperatorSpec["name"];
  /** Fields of its specification beside the name. */
  readonly fields: readonly string[];
  /**
   * Makes the family that a specification describes.
   * @param observationShape if known; a matrix at the top level takes its number of rows from it
   * @param building the specification that this one is a part of
   * @throws DataError or ShapeError naming the field that is wrong
   */
  readonly family: (
    spec: SpecFields,
    latentShape: Shape,
    observationShape: Shape | undefined,
    building: Building,
  ) => OperatorFamily;
  /** Small examples, for tests that run over all operators. */
  readonly examples: readonly { readonly spec: OperatorSpec; readonly latentShape: Shape }[];
  /**
   * Names of the arrays that observations carry for it. An array may be missing if the specification has it as a field. Default:
   * those of its parts.
   */
  readonly arrays?: readonly string[];
  /** Whether an array of its name implies this operator. */
  readonly isImplied?: true;
  /** Fields that follow from its arrays. @param observationAxes number of axes of one observation */
  readonly fieldsOf?: (arrays: ArrayShapes, observationAxes: number) => object | undefined;
  /**
   * Shape of the latents, if it follows from observations, arrays and specification.
   * @param ofPart the same for a part of the operator
   */
  readonly latentShapeOf?: (
    observationShape: Shape,
    arrays: ArrayShapes,
    spec: Readonly<Record<string, unknown>>,
    ofPart: LatentShapeOf,
  ) => Shape | undefined;
  /** Axis of an observation that real and imaginary part take. Default 0. */
  readonly complexAxis?: number;
  /** Whether two channels of a latent are real and imaginary part. */
  readonly isComplex?: true;
  /** Ways to draw it at random, for simulated observations. */
  readonly simulations?: readonly Simulation[];
}
