import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { mergeConfig, type TrainConfig } from "../../em/config/config.ts";
import { outcomeOf } from "../../em/held-out/outcome.ts";
import { iterationsWithin } from "../../em/plan/more.ts";
import { RunFolder } from "../../em/run/run-folder.ts";
import { checkObservations } from "../../em/train.ts";
import type { Arguments, Command } from "../arguments.ts";
import { CONFIG_OPTIONS, keepConfig, resolveConfig } from "../config.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { trainReported } from "../reported-run.ts";
import { describeEnd } from "../run-end.ts";
import { chooseLength, LENGTH_OPTIONS, minutesOf } from "../run-length.ts";
import { type Session, withSession } from "../session.ts";

export const trainCommand: Command = {
  name: "train",
  summary: "Learns a prior from a folder of observations and keeps everything in a run folder.",
  positionals: ["OBS"],
  options: {
    out: { value: "RUN", help: "folder of the run", isRequired: true },
    ...LENGTH_OPTIONS,
    ...CONFIG_OPTIONS,
    ...DATA_OPTIONS,
    force: {
      help: "go on even if the start or the first iteration shows that no later one can be trusted",
    },
    resume: {
      help: "continue a run that was stopped or killed; or one that is done, with more --minutes or --set em.iterations",
    },
  },
  run: (args) =>
    withSession(args, async (session) => {
      const { engine, progress, watch } = session;
      const out = resolve(args.required("out"));
      const observations = await openData(args, args.positionals[0]!);
      const resume = args.flag("resume");
      const config = resume ? await continued(args, out) : await begun(args, out, observations, session);
      const force = args.flag("force");
      const run = await trainReported(
        observations,
        config,
        { out, resume, force, engine, ...watch },
        progress,
      );
      const outcome = await outcomeOf(run);
      const { last, best } = outcome;
      const { text, ...ended } = describeEnd(outcome);
      return {
        text: `${text} See ${out}/report.html; whether it can be believed: diem check ${out}; draw from it with: diem sample ${out} --count 16 --out x.npy`,
        ...ended,
        figures: { run: out, iterations: last, result: best, ...(await run.readFigures(last)) },
      };
    }),
};

/** The configuration of a new run. */
async function begun(
  args: Arguments,
  out: string,
  observations: ObservationSet,
  session: Session,
): Promise<TrainConfig> {
  const resolved = await resolveConfig(args, observations);
  // Before anything is timed.
  refuseRun(out);
  await checkObservations(observations, out);
  return await chooseLength(args, observations, resolved, session);
}

/** The configuration that a run goes on with: its own, perhaps with more iterations. */
async function continued(args: Arguments, out: string): Promise<TrainConfig> {
  const minutes = minutesOf(args);
  const run = await RunFolder.open(out);
  const config = await keepConfig(args, run.info.config);
  if (minutes === undefined) return config;
  return mergeConfig(config, { em: { iterations: await iterationsWithin(run, minutes) } });
}

/** @throws DataError if there is a run already */
export function refuseRun(out: string): void {
  if (existsSync(join(out, "run.json")))
    throw new DataError(
      `${out}: expected no run there, found one. Continue it with --resume, or choose another folder with --out.`,
    );
}
