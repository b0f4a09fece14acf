import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { whole } from "../../core/kinds.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { mergeConfig, type TrainConfig } from "../../em/config/config.ts";
import { givenDenoiser } from "../../em/given-denoiser.ts";
import { checkSameFrom, givenPrior, type RunParts } from "../../em/given-prior.ts";
import { outcomeOf } from "../../em/held-out/outcome.ts";
import { iterationsWithin } from "../../em/plan/more.ts";
import { RunFolder } from "../../em/run/run-folder.ts";
import { checkObservations } from "../../em/train.ts";
import type { Arguments, Command, Outcome } from "../arguments.ts";
import { CONFIG_OPTIONS, keepConfig, resolveConfig } from "../config.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { DEFAULT_PORT, serveAt } from "../live.ts";
import { ITERATION_OPTION, openIteration } from "../model-options.ts";
import { DENOISER_OPTIONS, denoiserOptions, refuseDenoiserOptions } from "../prior-options.ts";
import { trainReported } from "../reported-run.ts";
import { describeEnd, stageText } from "../run-end.ts";
import { chooseLength, LENGTH_OPTIONS, minutesOf } from "../run-length.ts";
import { type Session, withSession } from "../session.ts";

export const trainCommand: Command = {
  name: "train",
  summary: "Learns a prior from a folder of observations and keeps everything in a run folder.",
  positionals: ["OBS"],
  options: {
    out: { value: "RUN", help: "folder of the run", isRequired: true },
    from: {
      value: "RUN|FILE.onnx",
      help: "begin with the prior of another run, network and all, in place of a Gaussian that is fitted to OBS; or draw in the first E-step with the denoiser in a file, which the next options describe",
    },
    ...DENOISER_OPTIONS,
    iteration: { ...ITERATION_OPTION.iteration!, help: `with --from: ${ITERATION_OPTION.iteration!.help}` },
    ...LENGTH_OPTIONS,
    ...CONFIG_OPTIONS,
    ...DATA_OPTIONS,
    until: {
      value: "K",
      help: "stop after iteration K (0: the start), to go on with --resume; meanwhile diem draw may share out the next E-step",
    },
    serve: {
      value: "[PORT]",
      help: "show the run in the browser as it goes, see diem watch",
      fallback: `no; port ${DEFAULT_PORT}`,
    },
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
      await using _live =
        args.text("serve") !== undefined ? await serveAt(out, args, "serve", progress) : null;
      const resume = args.flag("resume");
      const parts = resume ? {} : await givenBy(args, observations);
      const config = resume
        ? await continued(args, out)
        : await begun(args, out, observations, session, parts);
      const force = args.flag("force");
      const until = args.value("until", whole(0));
      const run = await trainReported(
        observations,
        config,
        { out, ...parts, resume, until, force, engine, ...watch },
        progress,
      );
      if (!(await run.isDone())) return await stoppedAt(run);
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

/** What is said of a run that stopped where --until says. */
async function stoppedAt(run: RunFolder): Promise<Outcome> {
  const last = await run.lastTrained();
  const { iterations } = run.info.config.em;
  return {
    text: `Stopped after ${stageText(last)}, of ${iterations} iterations. Go on with --resume; to share out the draws before: diem draw ${run.path} --iteration ${last + 1} --shard I/N`,
    figures: { run: run.path, iterations: last, ...(await run.readFigures(last)) },
  };
}

/** The configuration of a new run. */
async function begun(
  args: Arguments,
  out: string,
  observations: ObservationSet,
  session: Session,
  parts: RunParts,
): Promise<TrainConfig> {
  const resolved = await resolveConfig(args, observations, parts.from);
  // Before anything is timed.
  refuseRun(out);
  await checkObservations(observations, out);
  return await chooseLength(args, observations, resolved, session, parts);
}

/** The prior that --from names: that of a run, at the --iteration, or a denoiser in a file. */
async function givenBy(args: Arguments, { header }: Pick<ObservationSet, "header">): Promise<RunParts> {
  const path = args.text("from");
  const isFile = path?.endsWith(".onnx");
  if (!isFile) refuseDenoiserOptions(args, "with --from FILE.onnx alone");
  if ((path === undefined || isFile) && args.text("iteration") !== undefined)
    throw new ConfigError("--iteration: expected with --from RUN, whose prior it chooses. Leave it out.");
  if (path === undefined) return {};
  if (isFile)
    return { denoiser: await givenDenoiser(resolve(path), await denoiserOptions(args), header.latentShape) };
  const { run, iteration } = await openIteration(args, path);
  return { from: await givenPrior(run, iteration, header.latentShape) };
}

/** The configuration that a run goes on with: its own, perhaps with more iterations. */
async function continued(args: Arguments, out: string): Promise<TrainConfig> {
  const minutes = minutesOf(args);
  const run = await RunFolder.open(out);
  const from = args.text("from");
  checkSameFrom(run, from && resolve(from));
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
