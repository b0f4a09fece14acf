import type { Outcome } from "../../src/cli/arguments.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { type Setting, writePrediction, writeResults } from "../experiment.ts";
import { MRI_RECIPES, type MriRecipe, type Task } from "./recipes.ts";
import { predictMri, runMri } from "./run.ts";

/** The experiment as the runner starts it. @throws ConfigError if no files are given */
export async function mriExperiment(setting: Setting): Promise<Outcome> {
  const { recipe: name, data, session, out, seed } = setting;
  if (data.length === 0)
    throw new ConfigError(
      "experiment mri: --data is missing. Give --data FILES, HDF5 in fastMRI's layout or NIfTI.",
    );
  const began = performance.now();
  const recipe: MriRecipe = MRI_RECIPES[name as keyof typeof MRI_RECIPES]; // the runner checked the name
  const options = {
    recipe,
    files: data,
    out,
    seed,
    on: setting.validate ? ("validation" as const) : ("test" as const),
    ...(setting.tasks.length > 0 && { tasks: setting.tasks.map(parseTask) }),
    engine: session.engine,
    ...session.watch,
    log: (line: string) => session.progress.message(line),
  };
  if (setting.predict !== undefined)
    return await writePrediction(setting, await predictMri(options, { budgetSeconds: 60 * setting.predict }));
  const { results, page } = await runMri(options);
  return await writeResults(setting, (performance.now() - began) / 1000, { ...results }, page);
}

/** @throws ConfigError unless it is an acceleration or "crop" */
function parseTask(text: string): Task {
  if (text === "crop") return text;
  const R = Number(text);
  if (!(R >= 1 && Number.isFinite(R)))
    throw new ConfigError(`--tasks: expected accelerations from 1 and crop, got "${text}".`);
  return R;
}
