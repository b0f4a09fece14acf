import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { oneOf, whole } from "../../core/kinds.ts";
import { Rng } from "../../core/random.ts";
import { formatShape, sameShape, sizeOf } from "../../core/shape.ts";
import { writeNpyRows } from "../../data/arrays/npy.ts";
import { fromUser, inCoordinates } from "../../data/observations/coordinates.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import type { ReconstructionFigures } from "../../em/evaluation/reconstruction.ts";
import type { RunFolder } from "../../em/run/run-folder.ts";
import { drawResidual } from "../../em/vitals/residual.ts";
import type { Model } from "../../inference/model.ts";
import { compileGuided } from "../../inference/posterior.ts";
import { COVARIANCES } from "../../inference/posterior-denoiser.ts";
import { drawSeveral } from "../../inference/several.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { DISAGREES } from "../../trust/misfits.ts";
import type { Command } from "../arguments.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { openSummaries, SUMMARY_OPTIONS } from "../draw-summaries.ts";
import { MODEL_OPTIONS, npyOutput, samplerChoice } from "../model-options.ts";
import { openPrior, PRIOR_OPTIONS, requirePrior } from "../prior-options.ts";
import { openReconstructionReport, REPORT_OPTIONS } from "../reconstruction-report.ts";
import { withSession } from "../session.ts";

export const reconstruct: Command = {
  name: "reconstruct",
  summary: "Draws posterior samples q(x | y, A) for a folder of observations.",
  positionals: ["[RUN]", "OBS"],
  options: {
    ...MODEL_OPTIONS,
    ...PRIOR_OPTIONS,
    count: { value: "N", help: "use the first N observations only", fallback: "all" },
    samples: {
      value: "S",
      help: "samples per observation; more than one gives [N, S, ...shape]",
      fallback: "1",
    },
    covariance: { value: "NAME", help: COVARIANCES.join(", "), fallback: "that of the run" },
    "no-clip": {
      help: "let denoised means leave the data's range, even if the run keeps them inside (eStep.clip)",
    },
    "cg-steps": { value: "N", help: "conjugate-gradient steps", fallback: "those of the run" },
    ...DATA_OPTIONS,
    ...SUMMARY_OPTIONS,
    ...REPORT_OPTIONS,
  },
  run: (args) =>
    withSession(args, async ({ engine, watch, progress }) => {
      const out = npyOutput(args);
      const data = args.positionals.at(-1)!;
      const from = args.positionals.length > 1 ? args.positionals[0] : undefined;
      requirePrior(args, from);
      const stated = await openData(args, data);
      const { latentShape } = stated.header;
      const prior = await openPrior(args, from, { latentShape, count: stated.count });
      const { model, eStep, iteration, run } = prior;
      const observations = run ? await run.withNoise(stated, iteration!) : stated;
      const { shape } = model.network;
      if (!sameShape(latentShape, shape))
        throw new DataError(
          `${observations.path}: expected latents ${formatShape(shape)} as in ${prior.label}, found ${formatShape(latentShape)}. Give other observations, or another prior.`,
        );
      const covariance = args.value("covariance", oneOf(COVARIANCES)) ?? eStep.covariance;
      const count = Math.min(args.value("count", whole(1)) ?? observations.count, observations.count);
      const samples = args.value("samples", whole(1)) ?? 1;
      const options = {
        ...eStep,
        ...samplerChoice(args, eStep),
        batch: Math.min(args.value("batch", whole(1)) ?? eStep.batch, count),
        covariance,
        cgSteps: args.value("cg-steps", whole(1)) ?? eStep.cgSteps,
      };
      const unlimited = args.flag("no-clip") ? { ...model, limits: undefined } : model;
      const steps = args.value("steps", whole(1)) ?? eStep.steps;
      await using source = await compileGuided(unlimited, observations, { ...options, steps }, engine);
      await using summaries = await openSummaries(args, count, samples, shape);
      const report = await openReconstructionReport(args, observations, source.batch, prior.name, engine);
      const rng = new Rng(args.value("seed", whole(0)) ?? 0);
      const rows = samples === 1 ? [count, ...shape] : [count, samples, ...shape];
      let figures: ReconstructionFigures | undefined;
      const checked = float32(new Float32Array(Math.min(count, CHECKED) * sizeOf(shape)), [
        Math.min(count, CHECKED),
        ...shape,
      ]);
      let chiSquare = Number.NaN;
      try {
        await writeNpyRows(out, rows, "float32", async (append) => {
          const drawn = drawSeveral(source, [0, count], samples, {
            ...watch,
            stream: (index, s) => rng.split("reconstruct", index, s),
            stage: { name: "Posterior samples", iteration: 0, iterations: 0 },
          });
          for await (const { first, samples: draws } of drawn) {
            const end = first + draws.shape[0]!;
            if (first < CHECKED) keepFirst(draws, first, checked);
            await report?.add([first, end], draws);
            await summaries.add(draws);
            await append(samples === 1 ? float32(draws.data, [end - first, ...shape]) : draws);
          }
          chiSquare = await agreement(model, observations, checked, engine);
        });
        await summaries.close();
        figures = await report?.finish();
      } finally {
        await report?.release();
      }
      if (!(chiSquare <= DISAGREES))
        progress.warning(
          `the draws do not agree with their measurements: chi-square is ${chiSquare.toPrecision(3)}, about 1 expected. Do not trust them: check operator and noise variance, and "diem info ${data}".`,
        );
      return {
        text: `Wrote ${samples} posterior sample${samples > 1 ? "s" : ""} for each of ${count} observations to ${out} (chi-square ${chiSquare.toPrecision(3)}, about 1 expected)${noiseInWords(run, observations !== stated)}`,
        figures: {
          ...{ out, count, samples, ...(iteration !== undefined && { iteration }), chiSquare },
          ...options,
          ...(figures && { reconstruction: figures }),
        },
      };
    }),
};

/** Which noise was used, where a run has found another than is stated. */
function noiseInWords(run: RunFolder | undefined, isOfRun: boolean): string {
  if (run?.info.config.em.noise !== "estimate") return "";
  return isOfRun
    ? ", with the noise that the run found"
    : ", with the noise that they state: what the run found is for its own observations";
}

/** Draws behind chi-square, at most. */
const CHECKED = 256;

/** Mean of (y - A x)' Sigma_y^-1 (y - A x) over measured numbers, for draws of the first observations. */
async function agreement(
  { coordinates }: Model,
  observations: ObservationSet,
  x: HostArray<"float32">,
  engine: EngineOptions,
): Promise<number> {
  const own = inCoordinates(observations, coordinates);
  return (await drawResidual(own, 0, fromUser(coordinates, x), engine)) ** 2;
}

/** The first draw of each observation, into the rows from `first` on, as many as there are. */
function keepFirst(draws: HostArray<"float32">, first: number, into: HostArray<"float32">): void {
  const [n, S, ...shape] = draws.shape as [number, number, ...number[]];
  const size = sizeOf(shape);
  for (let i = 0; i < Math.min(n, into.shape[0]! - first); i++)
    into.data.set(draws.data.subarray(i * S * size, (i * S + 1) * size), (first + i) * size);
}
