import { join } from "node:path";
import type { Observations } from "../data/observations.ts";
import type { TrainConfig } from "../em/config.ts";
import type { TrainOptions } from "../em/context.ts";
import type { RunFolder } from "../em/run-folder.ts";
import { train } from "../em/train.ts";
import { writeReport } from "../report/report.ts";
import type { Progress } from "./progress.ts";
import { summarize } from "./summary.ts";

/** Trains; report.html in the run's folder is rewritten after every iteration, and at last tells how the run ended. */
export async function trainReported(
  observations: Observations,
  config: TrainConfig,
  options: TrainOptions,
  progress: Progress,
): Promise<RunFolder> {
  const { out } = options;
  const draw = () => writeReport([out], join(out, "report.html"));
  let begun = false;
  const onIteration: TrainOptions["onIteration"] = async (iteration, metrics) => {
    begun = true;
    await draw();
    progress.message(summarize(iteration, config.em.iterations, metrics));
  };
  try {
    const run = await train(observations, config, { ...options, onIteration });
    await draw();
    return run;
  } catch (error) {
    // The cause is what the user must see, even if the page cannot be written (a full disk, say).
    if (begun) await draw().catch(() => undefined);
    throw error;
  }
}
