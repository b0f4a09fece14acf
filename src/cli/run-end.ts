import type { RunOutcome } from "../em/held-out/outcome.ts";
import { significant } from "./progress.ts";

/** Exit code of a run that predicts held-out numbers worse at its end than at its start; its result is the best iteration. */
export const ENDED_WORSE = 3;

/** "iteration 3", or "the start". */
export function stageText(iteration: number): string {
  return iteration === 0 ? "the start" : `iteration ${iteration}`;
}

/** What a finished run came to, in a sentence or two, and the exit code of the command that trained it. */
export function describeEnd({ last, best, scores, endsWorse, planned }: RunOutcome): {
  readonly text: string;
  readonly exitCode?: number;
} {
  const of =
    planned === undefined ? "" : ` of ${planned}, for more would not predict held-out numbers better`;
  const learned = `Learned a prior in ${last} iterations${of}`;
  if (!scores && endsWorse)
    return {
      text: `The run learned nothing: after ${last} iterations the network denoises draws that it was not trained on far worse than what it began with. Take a smaller mStep.learningRate or more eStep.steps, or check the noise variance and the operator.`,
      exitCode: ENDED_WORSE,
    };
  if (!scores) return { text: `${learned}.` };
  const { start, best: found, last: end } = scores;
  const score = (value: number | null) => (value === null ? "not finite" : significant(value));
  const text = `the result is ${stageText(best)} (held-out score ${score(found.score)}; ${score(start.score)} at the start; lower is better)`;
  if (!endsWorse && best === 0)
    return {
      text: `${last} iterations learned nothing that predicts held-out numbers better than the start: ${text}. Give the run more time (--minutes) or more observations.`,
    };
  if (!endsWorse) return { text: `${learned}; ${text}.` };
  return {
    text: `The run ended worse than it began (held-out score ${score(end.score)} after ${last} iterations), so ${text}. Take a smaller mStep.learningRate or more eStep.steps, or check the noise variance and the operator.`,
    exitCode: ENDED_WORSE,
  };
}
