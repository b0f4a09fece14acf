import { isLoss } from "../m-step/held-out.ts";
import type { HeldOutFigures } from "../run/iteration-figures.ts";
import type { RunFolder } from "../run/run-folder.ts";

/** What a run came to. */
export interface RunOutcome {
  /** The last complete iteration. */
  readonly last: number;
  /** The one whose prior is the result: see `RunFolder.bestIteration`. */
  readonly best: number;
  /** Figures of the start, of the best and of the last iteration, if observations were held out. */
  readonly scores?: {
    readonly start: HeldOutFigures;
    readonly best: HeldOutFigures;
    readonly last: HeldOutFigures;
  };
  /**
   * Whether the run ended worse than it began, by more than sampling error: held-out numbers are predicted worse than at the
   * start or, where none are held out, the last network denoises draws that it was not trained on far worse than its base.
   */
  readonly endsWorse: boolean;
  /** Iterations that it was to have, if it ended before them. */
  readonly planned?: number;
}

/** Standard errors of the paired difference that count as certain. */
const CERTAIN = 2;

/** What a run whose start is complete came to. */
export async function outcomeOf(run: RunFolder): Promise<RunOutcome> {
  const last = await run.lastIteration();
  const best = await run.bestIteration();
  const figures = async (k: number) =>
    (await run.has(k, "figures.json")) ? (await run.readFigures(k)).heldOut : undefined;
  const scores = { start: await figures(0), best: await figures(best), last: await figures(last) };
  const { start, best: found, last: end } = scores;
  const planned = run.askedIterations > last ? { planned: run.askedIterations } : {};
  if (!start || !found || !end) return { last, best, endsWorse: await isUnlearned(run, last) };
  return { last, best, scores: { start, best: found, last: end }, endsWorse: isWorse(end), ...planned };
}

/** Loss above the base's, which is about 1, from which on a network is no prior: short runs end a thousandth above it. */
const RUINED = 0.1;

/** Whether the network of an iteration is far worse than its base. */
async function isUnlearned(run: RunFolder, k: number): Promise<boolean> {
  if (k < 1 || !(await run.has(k, "figures.json"))) return false;
  const { gain = 0, gainError = 0, gainRows = 0 } = (await run.readFigures(k)).mStep;
  return gain < -RUINED && isLoss({ gain, gainError, gainRows });
}

/** Numbers that are not finite are null in JSON. */
function isWorse({ score, change, changeError }: HeldOutFigures): boolean {
  if (change === undefined) return false;
  return !Number.isFinite(score) || change > CERTAIN * (changeError ?? Number.POSITIVE_INFINITY);
}
