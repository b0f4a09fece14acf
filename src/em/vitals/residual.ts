import type { HostArray } from "../../core/array.ts";
import {
  bindMeasurement,
  conditionArrays,
  conditionInputs,
  operatorData,
} from "../../data/observations/measurement.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { input, sub, sum } from "../../graph/index.ts";
import { measuredEntries } from "../../operators/measured.ts";
import { noiseSquares } from "../../posterior/solvers/noise.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/**
 * Root mean square over measured entries of Sigma_y^-1/2 (y - A x): how well draws agree with their observations.
 * Exact posterior draws give about 1; the sampler's smallest noise level adds to it where it exceeds the noise.
 * @param x one draw for each of the observations from `start` on, [n, ...latent]
 */
export async function drawResidual(
  observations: Observations,
  start: number,
  x: HostArray<"float32">,
  engine: EngineOptions,
): Promise<number> {
  const n = x.shape[0]!;
  const conditions = conditionInputs(observations, n);
  const latents = input(x.shape);
  const { operator, y, variance } = bindMeasurement(observations, conditions);
  const squares = sum(noiseSquares(variance, sub(y, operator(latents))));
  const measured = sum(measuredEntries(observations.family, operatorData(observations, conditions), n));
  const program = await compile(
    { inputs: { x: latents, ...conditions }, outputs: { squares, measured } },
    engine,
  );
  try {
    const feeds = conditionArrays(await observations.read(start, start + n));
    const found = await program.run({ x, ...feeds });
    return Math.sqrt(Number(found.squares!.data[0]) / Number(found.measured!.data[0]));
  } finally {
    await program.release();
  }
}
