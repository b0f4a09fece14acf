import type { HostArray } from "../../core/array.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { compileMisfits } from "../../trust/misfits.ts";

/**
 * Root mean square over measured entries of Sigma_y^-1/2 (y - A x): how well draws agree with their observations.
 * Exact posterior draws give about 1; the sampler's smallest noise level adds to it where it exceeds the noise.
 * @param x one draw for each of the observations from `start` on, [n, ...latent]
 */
export async function drawResidual(
  observations: ObservationSet,
  start: number,
  x: HostArray<"float32">,
  engine: EngineOptions,
): Promise<number> {
  await using misfits = await compileMisfits(observations, x.shape[0]!, engine);
  const { squares, measured } = await misfits.of(x, start);
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  return Math.sqrt(sum(squares) / sum(measured));
}
