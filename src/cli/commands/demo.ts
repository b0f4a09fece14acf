import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type HostArray, rows } from "../../core/array.ts";
import { makeFolder } from "../../core/files.ts";
import { oneOf, whole } from "../../core/kinds.ts";
import { loadMnist } from "../../data/mnist.ts";
import { type Observations, openObservations } from "../../data/observations/observations.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../em/config/config.ts";
import { parseSettings } from "../../em/config/settings.ts";
import { outcomeOf } from "../../em/held-out/outcome.ts";
import { RunFolder } from "../../em/run/run-folder.ts";
import { COVARIANCES } from "../../inference/posterior-denoiser.ts";
import type { Command } from "../arguments.ts";
import { keepConfig } from "../config.ts";
import { digitFigures } from "../evaluation/digit-figures.ts";
import { trainReported } from "../reported-run.ts";
import { describeEnd } from "../run-end.ts";
import { withSession } from "../session.ts";
import { corruptArrays } from "./corrupt.ts";
import { refuseRun } from "./train.ts";

const OBSERVATIONS = 12_000;
const QUICK_OBSERVATIONS = 1000;
const NOTES = [
  "The data are the digits of MNIST, scaled to [-2, 2]; each pixel was deleted with probability 0.75, and noise of variance 1e-6 added.",
  "Clean digits are used for the figures and pictures of this report only; training never sees them.",
  "Frechet distances compare 64 features of a small classifier of digits; smaller is better. That of an iteration's posterior is of its own E-step, that of the last one is drawn with the final weights.",
];

export const demo: Command = {
  name: "demo",
  summary: "Learns a prior of handwritten digits from observations of which 75 % of the pixels are missing.",
  positionals: [],
  options: {
    out: { value: "RUN", help: "folder of the run", fallback: "runs/demo, or runs/demo-COVARIANCE" },
    covariance: { value: "NAME", help: COVARIANCES.join(", "), fallback: "tweedie" },
    seed: { value: "N", help: "seed of all randomness", fallback: "0" },
    quick: { help: "a minute's worth: fewer iterations, for trying things out" },
    set: { value: "PATH=VALUE", help: "one field of the configuration, e.g. em.iterations=8", many: true },
    resume: { help: "continue a run that was stopped or killed" },
  },
  run: (args) =>
    withSession(args, async ({ engine, progress, watch }) => {
      const covariance = args.value("covariance", oneOf(COVARIANCES)) ?? "tweedie";
      const out = resolve(args.text("out") ?? `runs/demo${covariance === "tweedie" ? "" : `-${covariance}`}`);
      const resume = args.flag("resume");
      if (!resume) refuseRun(out);
      const seed = args.value("seed", whole(0)) ?? 0;
      const quick = args.flag("quick");
      const changes = { ...parseSettings(args.texts("set")), seed };
      const fresh = mergeConfig(demoConfig(quick), changes, "--set");
      const config = resume
        ? await keepConfig(args, (await RunFolder.open(out)).info.config)
        : withCovariance(fresh, covariance);
      const clean = await loadMnist("train", { start: 0, end: quick ? QUICK_OBSERVATIONS : OBSERVATIONS });
      const observations = await demoObservations(clean.images, join(out, "observations"), config.seed);
      const figures = await digitFigures(engine);
      const options = {
        out,
        resume,
        name: `digits of which 75 % is missing${covariance === "tweedie" ? "" : `, covariance ${covariance}`}`,
        notes: NOTES,
        truth: rows(clean.images, 0, config.figures.gallery),
        evaluate: figures.evaluate,
        engine,
        ...watch,
      };
      const run = await trainReported(observations, config, options, progress).finally(figures.release);
      const first = await run.readFigures(0);
      const outcome = await outcomeOf(run);
      const last = await run.readFigures(outcome.last);
      const { text, ...ended } = describeEnd(outcome);
      return {
        text: `${text} Open ${join(out, "report.html")}`,
        ...ended,
        figures: { run: out, report: join(out, "report.html"), start: first.metrics, end: last.metrics },
      };
    }),
};

/** The observations of clean digits in the folder `path`, made if there are none. */
export async function demoObservations(
  clean: HostArray<"float32">,
  path: string,
  seed: number,
): Promise<Observations> {
  if (!existsSync(path)) {
    await makeFolder(dirname(path));
    await corruptArrays(clean, path, {
      corruption: { name: "mask", deleted: 0.75 },
      noiseVariance: 1e-6,
      seed,
      range: [-2, 2],
    });
  }
  return await openObservations(path);
}

function withCovariance(config: TrainConfig, covariance: string): TrainConfig {
  return mergeConfig(config, { eStep: { covariance } });
}

/** Sized by experiment for some eight minutes on two cores. */
export function demoConfig(quick: boolean): TrainConfig {
  const config = mergeConfig(defaultConfig([1, 28, 28], OBSERVATIONS), {
    network: { channels: [32, 64], blocks: [1, 1], heads: [0, 0], patch: 2 },
    schedule: { sigmaMin: 1e-2, sigmaMax: 20, spacing: "edm" },
    start: { rank: 40, observations: 2048 },
    // Clean digits are at hand to judge by, so none of the observations is held out.
    em: { iterations: 36, observations: 400, finalObservations: 1000, buffer: 2, validation: 0 },
    // 13 evaluations of the network for a draw, half of the plain method's with 12 steps: experiments/evaluations.
    eStep: { sampler: "ddpm", steps: 7, cgSteps: 1, gaussianStart: 8, gaussianBelow: 0.2 },
    // Large noise decides what a digit is: training there more often brought the prior's distance from 204 to 160.
    mStep: { steps: 160, finalSteps: 1400, learningRate: [2e-3, 1e-3, 1e-4], timeBeta: [4, 2] },
    figures: { samples: 1000, every: 12, priorSteps: 56 },
  });
  if (!quick) return config;
  return mergeConfig(config, {
    start: { rank: 16, observations: 1000 },
    em: { iterations: 2, observations: 128, finalObservations: 128 },
    mStep: { steps: 40, finalSteps: 40 },
    figures: { samples: 128, finalSamples: 128, priorSteps: 16 },
  });
}
