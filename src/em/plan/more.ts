import { ConfigError } from "../../core/errors.ts";
import type { RunFolder } from "../run/run-folder.ts";

/**
 * The iterations that a run reaches in so many minutes more, by the time that its iterations took; one more than complete at
 * least, and never fewer than it has.
 * @throws ConfigError if it has no complete iteration yet
 */
export async function iterationsWithin(run: RunFolder, minutes: number): Promise<number> {
  const { em, mStep } = run.info.config;
  const last = await run.lastIteration();
  let [count, total, training] = [0, 0, 0];
  for (let k = 1; k <= last; k++) {
    if (!(await run.has(k, "figures.json"))) continue;
    const { seconds, mStep: trained } = await run.readFigures(k);
    const { mStep: own = 0, ...others } = seconds;
    // As if every M-step were an ordinary one.
    const ordinary = (own * mStep.steps) / (trained.steps ?? mStep.steps);
    training += ordinary;
    total += ordinary + Object.values(others).reduce((a, b) => a + b, 0);
    count++;
  }
  if (count === 0)
    throw new ConfigError(
      "--minutes: expected a run with a complete iteration, whose time tells how many more fit in. Continue without --minutes.",
    );
  const longer = (training / count) * (mStep.finalSteps / mStep.steps - 1);
  const more = Math.max(1, Math.floor((60 * minutes - longer) / (total / count)));
  return Math.max(em.iterations, last + more);
}
