import { type HostArray, rows } from "../../core/array.ts";
import { compileOver } from "../../data/observations/observation-program.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { input, sub } from "../../graph/index.ts";
import { measuredEntries } from "../../operators/measured.ts";
import { noiseSquares } from "../../posterior/solvers/noise.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Observations together. */
const BATCH = 64;

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
  const size = Math.min(BATCH, n);
  await using program = await compileOver(
    observations,
    size,
    ({ operator, y, variance }, { data }) => {
      const latents = input([size, ...x.shape.slice(1)]);
      const squares = noiseSquares(variance, sub(y, operator(latents)));
      const measured = measuredEntries(observations.family, data, size);
      return { inputs: { latents }, outputs: { squares, measured } };
    },
    engine,
  );
  let [squares, measured] = [0, 0];
  for (let first = 0; first < n; first += size) {
    const end = Math.min(first + size, n);
    const batch = await observations.read(start + first, start + end);
    const found = await program.run(batch, { latents: rows(x, first, end) });
    for (const value of found.squares.data) squares += Number(value);
    for (const value of found.measured.data) measured += Number(value);
  }
  return Math.sqrt(squares / measured);
}
