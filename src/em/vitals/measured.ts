import { conditionArrays, conditionInputs, operatorData } from "../../data/observations/measurement.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { measuredEntries } from "../../operators/measured.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** The most entries of y that carry a measurement, those that no mask hides, of any of a few observations; at least 1. */
export async function mostMeasured(observations: Observations, engine: EngineOptions): Promise<number> {
  const n = observations.count;
  const conditions = conditionInputs(observations, n);
  const measured = measuredEntries(observations.family, operatorData(observations, conditions), n);
  const program = await compile({ inputs: conditions, outputs: { measured } }, engine);
  try {
    const found = await program.run(conditionArrays(await observations.read(0, n)));
    return Math.max(1, ...Array.from(found.measured!.data, Number));
  } finally {
    await program.release();
  }
}
