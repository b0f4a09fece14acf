import type { HostArray } from "../../core/array.ts";
import {
  bindMeasurement,
  conditionArrays,
  conditionInputs,
  operatorData,
} from "../../data/observations/measurement.ts";
import type { ObservationBatch, ObservationKind } from "../../data/observations/observations.ts";
import { div, expand, input, maximum, scalar, sub } from "../../graph/index.ts";
import { measuredEntries } from "../../operators/measured.ts";
import { noiseSquares } from "../../posterior/solvers/noise.ts";
import { TOTAL_VARIATION_DEFAULTS, totalVariation, zeroFilled } from "../../posterior/total-variation.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Reconstructions without a learned prior, and the agreement of any reconstruction with its data, for batches of n. */
export interface Baselines {
  /** A' y, [n, ...latent]. */
  zeroFilled(batch: ObservationBatch): Promise<HostArray<"float32">>;
  /** See `totalVariation`; latents must be images. @param weight the weight of the total variation */
  totalVariation(batch: ObservationBatch, weight: number): Promise<HostArray<"float32">>;
  /** (y - A x)' Sigma_y^-1 (y - A x) over the number of measured entries, [n]; near 1 for draws that agree with the data to the noise, 0 where nothing is measured. */
  chiSquare(batch: ObservationBatch, x: HostArray<"float32">): Promise<Float32Array>;
  /** Entries of y that no mask hides, [n]. */
  measured(batch: ObservationBatch): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Compiles the baselines for batches of n observations of one kind. */
export async function compileBaselines(
  kind: ObservationKind,
  n: number,
  engine: EngineOptions,
  steps: number = TOTAL_VARIATION_DEFAULTS.steps,
): Promise<Baselines> {
  const { header, family } = kind;
  const conditions = conditionInputs(kind, n);
  const { operator, y, variance } = bindMeasurement(kind, conditions);
  const latent = expand(scalar(0), [n, ...header.latentShape]);
  const x = input([n, ...header.latentShape]);
  const weight = input([]);
  const squares = noiseSquares(variance, sub(y, operator(x)));
  const measured = measuredEntries(family, operatorData(kind, conditions), n);
  const adjointProgram = await compile(
    { inputs: conditions, outputs: { x: zeroFilled(operator, latent, y) } },
    engine,
  );
  const chiProgram = await compile(
    { inputs: { x, ...conditions }, outputs: { chi: div(squares, maximum(measured, 1)) } },
    engine,
  );
  const measuredProgram = await compile({ inputs: conditions, outputs: { measured } }, engine);
  const isImage = header.latentShape.length === 3;
  const variationProgram = isImage
    ? await compile(
        {
          inputs: { weight, ...conditions },
          outputs: { x: totalVariation(operator, latent, y, { weight, steps }) },
        },
        engine,
      )
    : undefined;
  return {
    zeroFilled: async (batch) => (await adjointProgram.run(conditionArrays(batch))).x as HostArray<"float32">,
    totalVariation: async (batch, value) => {
      const feeds = {
        weight: { dtype: "float32", shape: [], data: Float32Array.of(value) },
        ...conditionArrays(batch),
      } as const;
      return (await variationProgram!.run(feeds)).x as HostArray<"float32">;
    },
    chiSquare: async (batch, draws) =>
      (await chiProgram.run({ x: draws, ...conditionArrays(batch) })).chi!.data as Float32Array,
    measured: async (batch) =>
      (await measuredProgram.run(conditionArrays(batch))).measured!.data as Float32Array,
    release: async () => {
      const programs = [adjointProgram, chiProgram, measuredProgram, variationProgram];
      await Promise.all(programs.map((program) => program?.release()));
    },
  };
}
