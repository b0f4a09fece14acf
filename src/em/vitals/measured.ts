import { compileOver } from "../../data/observations/observation-program.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { measuredEntries } from "../../operators/measured.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** The most entries of y that carry a measurement, those that no mask hides, of any of a few observations; at least 1. */
export async function mostMeasured(observations: Observations, engine: EngineOptions): Promise<number> {
  const { count: n, family } = observations;
  await using program = await compileOver(
    observations,
    n,
    (_, { data }) => ({ outputs: { measured: measuredEntries(family, data, n) } }),
    engine,
  );
  const { measured } = await program.run(await observations.read(0, n));
  return Math.max(1, ...Array.from(measured.data, Number));
}
