import { float32, type HostArray } from "../../core/array.ts";
import { compileOver } from "../../data/observations/observation-program.ts";
import type { ObservationBatch, ObservationKind } from "../../data/observations/observations.ts";
import { div, expand, input, maximum, scalar, sub } from "../../graph/index.ts";
import { measuredEntries } from "../../operators/measured.ts";
import { noiseSquares } from "../../posterior/solvers/noise.ts";
import { TOTAL_VARIATION_DEFAULTS, totalVariation, zeroFilled } from "../../posterior/total-variation.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Agreement of n draws with their observations. */
export interface Agreement {
  /** (y - A x)' Sigma_y^-1 (y - A x) over the number of measured entries, [n]; near 1 for draws that agree with the data to the noise, 0 where nothing is measured. */
  readonly chiSquare: Float32Array;
  /** Entries of y that no mask hides, [n]. */
  readonly measured: Float32Array;
}

/** Reconstructions without a learned prior, and the agreement of any reconstruction with its data, for batches of up to n; released by `await using`. */
export interface Baselines extends AsyncDisposable {
  /** A' y, [n, ...latent]. */
  zeroFilled(batch: ObservationBatch): Promise<HostArray<"float32">>;
  /** See `totalVariation`; latents must be images. @param weight the weight of the total variation */
  totalVariation(batch: ObservationBatch, weight: number): Promise<HostArray<"float32">>;
  /** How well draws x agree with their observations. */
  agreement(batch: ObservationBatch, x: HostArray<"float32">): Promise<Agreement>;
}

/** Compiles the baselines for batches of up to n observations of one kind. */
export async function compileBaselines(
  kind: ObservationKind,
  n: number,
  engine: EngineOptions,
  steps: number = TOTAL_VARIATION_DEFAULTS.steps,
): Promise<Baselines> {
  const { header, family } = kind;
  const latent = () => expand(scalar(0), [n, ...header.latentShape]);
  const adjoint = await compileOver(
    kind,
    n,
    ({ operator, y }) => ({ outputs: { x: zeroFilled(operator, latent(), y) } }),
    engine,
  );
  const variation =
    header.latentShape.length === 3
      ? await compileOver(
          kind,
          n,
          ({ operator, y }) => {
            const weight = input([]);
            return {
              inputs: { weight },
              outputs: { x: totalVariation(operator, latent(), y, { weight, steps }) },
            };
          },
          engine,
        )
      : undefined;
  const agreement = await compileOver(
    kind,
    n,
    ({ operator, y, variance }, { data }) => {
      const x = input([n, ...header.latentShape]);
      const measured = measuredEntries(family, data, n);
      const chi = div(noiseSquares(variance, sub(y, operator(x))), maximum(measured, 1));
      return { inputs: { x }, outputs: { chi, measured } };
    },
    engine,
  );
  return {
    zeroFilled: async (batch) => (await adjoint.run(batch)).x as HostArray<"float32">,
    totalVariation: async (batch, value) => {
      const weight = float32(Float32Array.of(value), []);
      return (await variation!.run(batch, { weight })).x as HostArray<"float32">;
    },
    agreement: async (batch, x) => {
      const { chi, measured } = await agreement.run(batch, { x });
      return { chiSquare: chi.data as Float32Array, measured: measured.data as Float32Array };
    },
    [Symbol.asyncDispose]: async () => {
      for (const program of [adjoint, agreement, variation]) await program?.[Symbol.asyncDispose]();
    },
  };
}
