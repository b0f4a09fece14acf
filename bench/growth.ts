/** Whether cost grows linearly with observations, steps and solver's steps. */
import type { Case } from "./cases.ts";
import type { Scale } from "./job.ts";
import { type Contestant, contest, isMeasured } from "./rounds.ts";
import { inputPath, ours, type Stage } from "./sides.ts";

const ONE: Scale = { observations: 1, steps: 1, cgSteps: 1 };
const FACTORS = [1, 2, 4];
const GROWING = ["observations", "steps", "cgSteps"] as const;

/** A case with so many times the evaluations and solver's steps; observations are further draws. */
export function scaled(one: Case, { steps, cgSteps }: Scale): Case {
  return { ...one, steps: (one.steps + 1) * steps - 1, cgSteps: one.cgSteps * cgSteps };
}

/** Seconds of the demo's E-step with 1, 2 and 4 times the observations, steps and solver's steps. */
export async function measureGrowth(stage: Stage, rounds: number, onEvent: (text: string) => void) {
  const job = {
    task: "eStep",
    case: "demo",
    threads: stage.threads,
    input: inputPath(stage, "demo"),
  } as const;
  const sides: Contestant[] = GROWING.flatMap((what) =>
    FACTORS.map((factor) => {
      const side = ours(stage, `${what} x ${factor}`, { ...job, scale: { ...ONE, [what]: factor } });
      return { ...side, checked: false };
    }),
  );
  const outcomes = await contest(sides, rounds, onEvent);
  return Object.fromEntries(
    GROWING.map((what) => [
      what,
      FACTORS.map((factor) => {
        const outcome = outcomes[`${what} x ${factor}`];
        return isMeasured(outcome) ? Number(outcome.median.toPrecision(4)) : undefined;
      }),
    ]),
  );
}
