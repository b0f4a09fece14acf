import { resolve } from "node:path";
import { ConfigError, DataError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { check, oneOf } from "../core/kinds.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { ObservationKind } from "../data/observations/observations.ts";
import type { RunFolder } from "../em/run/run-folder.ts";
import { CREATED_BY } from "../em/train.ts";
import { writePortable } from "../graph/onnx/portable.ts";
import {
  describeModel,
  EXPORT_FORMAT,
  EXPORT_KEY,
  EXPORT_VERSION,
  EXPORTS,
  type ExportName,
} from "../inference/export/description.ts";
import { denoiserGraph, type NamedGraph, posteriorGraph, samplerGraph } from "../inference/export/graphs.ts";
import type { Model } from "../inference/model.ts";

/** What `LearnedRun.export` writes, and where. */
export interface ExportOptions {
  /** File to write, .onnx. */
  readonly out: string;
  /**
   * `denoiser` (default): (x, sigma) -> E[x_0 | x]; `posterior`: (x, sigma, y, the operator's data) -> E[x_0 | x, y];
   * `sampler`: noise -> samples of the prior.
   */
  readonly what?: ExportName | undefined;
  /** The iteration whose prior is exported; 0 is the start. Default: the run's result. */
  readonly iteration?: number | undefined;
  /** `posterior`: the kind of observations that it takes. */
  readonly observations?: ObservationKind | undefined;
  /** `sampler`: number of its steps. Default: `figures.priorSteps` of the run. */
  readonly steps?: number | undefined;
}

/** What `LearnedRun.export` wrote. */
export interface Exported {
  readonly out: string;
  readonly what: ExportName;
  readonly iteration: number;
  readonly bytes: number;
}

/**
 * Writes the prior of a run as an ONNX file in the units of the data: opset 17, only operators of the standard, any number of
 * samples. The metadata of the file describe it (`ExportDescription`).
 * @throws ConfigError or DataError for options that do not fit
 * @throws UnsupportedOpError if a part of your own has no ONNX form
 */
export async function exportRun(run: RunFolder, options: ExportOptions): Promise<Exported> {
  const { what = "denoiser", observations, steps } = options;
  check(oneOf(EXPORTS), what, "export: what");
  if (!options.out.endsWith(".onnx"))
    throw new ConfigError(`export: expected a name that ends in .onnx, got "${options.out}".`);
  if ((what === "posterior") !== (observations !== undefined))
    throw new ConfigError(
      `export: expected observations for a posterior and for nothing else, got ${observations ? "some" : "none"} for a ${what}. ${observations ? "Leave them out." : "Give those that it shall be conditioned on, or others of their kind."}`,
    );
  if (steps !== undefined && what !== "sampler")
    throw new ConfigError(
      `export: expected steps for a sampler alone, got them for a ${what}. Leave them out.`,
    );
  const iteration = options.iteration ?? (await run.bestIteration());
  const model = await run.readModel(iteration);
  const { eStep, figures } = run.info.config;
  const graphs: Readonly<Record<ExportName, (n: number) => NamedGraph>> = {
    denoiser: (n) => denoiserGraph(model, n),
    posterior: (n) => posteriorGraph(model, checkKind(observations!, model), run.eStep, n),
    sampler: (n) => samplerGraph(model, { ...run.eStep, steps: steps ?? figures.priorSteps }, n),
  };
  const description = {
    ...{ format: EXPORT_FORMAT, version: EXPORT_VERSION, createdBy: CREATED_BY },
    ...{ what, run: run.info.name, iteration },
    ...describeModel(model),
    ...(what === "sampler" && { steps: steps ?? figures.priorSteps }),
    eStep,
    priorSteps: figures.priorSteps,
    ...(observations && { observations: observations.header }),
  };
  const bytes = writePortable(graphs[what], { [EXPORT_KEY]: JSON.stringify(description) });
  const out = resolve(options.out);
  await writeFileAtomic(out, bytes);
  return { out, what, iteration, bytes: bytes.length };
}

function checkKind(kind: ObservationKind, { network: { shape } }: Model): ObservationKind {
  const { latentShape } = kind.header;
  if (!sameShape(latentShape, shape))
    throw new DataError(
      `export: expected observations of latents ${formatShape(shape)} as in the run, found ${formatShape(latentShape)}. Give others.`,
    );
  return kind;
}
