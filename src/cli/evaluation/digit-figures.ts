import { loadMnist } from "../../data/mnist.ts";
import type { Evaluate } from "../../em/context.ts";
import { compileDigitFeatures } from "../../metrics/digit-classifier.ts";
import { frechetDistance } from "../../metrics/frechet.ts";
import { momentsOf } from "../../metrics/moments.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { loadDigitClassifier } from "./digit-classifier.ts";

const BATCH = 256;

/**
 * Figures of digits for the demo: the Frechet distance to the 10 000 clean test digits, in the features of a small
 * classifier of digits.
 */
export async function digitFigures(
  engine: EngineOptions,
): Promise<{ readonly evaluate: Evaluate; readonly release: () => Promise<void> }> {
  const { parameters } = await loadDigitClassifier();
  const program = await compileDigitFeatures(parameters, BATCH, engine);
  const reference = await momentsOf(await program.features((await loadMnist("test")).images));
  return {
    evaluate: async (kind, samples) => ({
      [`${kind} Frechet distance`]: frechetDistance(momentsOf(await program.features(samples)), reference),
    }),
    release: program.release,
  };
}
