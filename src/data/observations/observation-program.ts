import { type HostArray, rows } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { padTree } from "../../core/pad.ts";
import { mapTree, type Tree } from "../../core/tree.ts";
import type { Tensor } from "../../graph/index.ts";
import type { Measurement } from "../../posterior/posterior.ts";
import { type ArraysOf, compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { bindMeasurement, type MeasurementInputs, measurementInputs } from "./measurement.ts";
import type { ObservationBatch } from "./observation-check.ts";
import type { ObservationKind } from "./observation-kind.ts";

/** A program that is run over observations of one kind, at most so many together; released by `await using`. */
export interface ObservationProgram<Outputs> extends AsyncDisposable {
  /**
   * Outputs for the observations of a batch, a row each.
   * @param feeds the other inputs: a row for each observation, or scalars
   * @throws ShapeError if there are more observations than it was compiled for
   */
  run(batch: ObservationBatch, feeds?: Tree<HostArray<"float32">>): Promise<ArraysOf<Outputs>>;
}

/**
 * Compiles a program over observations.
 * @param size observations together; a smaller batch is padded with its first, and the outputs are cut
 * @param build the outputs, [size, ...] each, and the inputs that they take besides the observations
 */
export async function compileOver<Outputs extends Tree<Tensor>>(
  kind: ObservationKind,
  size: number,
  build: (
    measurement: Measurement,
    inputs: MeasurementInputs,
  ) => { readonly inputs?: Readonly<Record<string, Tensor>>; readonly outputs: Outputs },
  engine: EngineOptions,
): Promise<ObservationProgram<Outputs>> {
  const observations = measurementInputs(kind, size);
  const { inputs, outputs } = build(bindMeasurement(kind, observations), observations);
  const program = await compile(
    { inputs: { ...inputs, observations: { ...observations } }, outputs },
    engine,
  );
  return {
    run: async (batch, feeds = {}) => {
      const n = batch.y.shape[0]!;
      if (n > size) throw new ShapeError(`at most ${size} observations together expected, got ${n}.`);
      const found = await program.run(padTree({ ...feeds, observations: { ...batch } }, size));
      return mapTree<HostArray, HostArray>(found as Tree<HostArray>, (all) =>
        rows(all, 0, n),
      ) as ArraysOf<Outputs>;
    },
    [Symbol.asyncDispose]: () => program.release(),
  };
}
