import { join } from "node:path";
import { isErrorOf } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { TrainConfig } from "../em/config/config.ts";
import type { TrainOptions } from "../em/context.ts";
import type { RunFolder } from "../em/run/run-folder.ts";
import { train } from "../em/train.ts";
import { type RunData, readRun } from "../report/read-run.ts";
import { renderReport } from "../report/report.ts";
import type { Progress } from "./progress.ts";
import { summarize } from "./summary.ts";

/**
 * Trains; report.html in the run's folder is rewritten after every iteration, and at last tells how the run ended.
 * What only reports read may be damaged: the run goes on without one, and a warning says so once.
 */
export async function trainReported(
  observations: ObservationSet,
  config: TrainConfig,
  options: TrainOptions,
  progress: Progress,
): Promise<RunFolder> {
  const { out } = options;
  const warned = new Set<string>();
  const warn = (text: string) => {
    if (!warned.has(text)) progress.warning(text);
    warned.add(text);
  };
  const draw = async () => {
    const run = await readable(out, warn);
    if (run) await writeFileAtomic(join(out, "report.html"), renderReport([run]));
    return run;
  };
  let begun = false;
  const onIteration: TrainOptions["onIteration"] = async (iteration, metrics) => {
    begun = true;
    const run = await draw();
    const evidence = run?.figures.find((figures) => figures.iteration === iteration)?.evidence;
    progress.message(summarize(iteration, config.em.iterations, metrics, evidence));
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

/** What the report shows; undefined, with a warning, where it cannot be read. */
async function readable(folder: string, warn: (text: string) => void): Promise<RunData | undefined> {
  try {
    return await readRun(folder);
  } catch (error) {
    if (!isErrorOf(error, "DataError")) throw error;
    warn(
      `report.html is not drawn: ${(error as Error).message} Training goes on; delete that file, and reports do without it.`,
    );
    return undefined;
  }
}
