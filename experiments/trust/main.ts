/** Known truths, each with one thing wrong, and what `diem check` says. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { writeFileAtomic } from "../../src/core/files.ts";
import { didYouMean } from "../../src/core/nearest.ts";
import { commit, type Setting, writeResults } from "../experiment.ts";
import { CASES } from "./cases.ts";
import { type CaseResult, judgeCase } from "./judge.ts";
import { trustPage } from "./page.ts";
import { TRUST_RECIPES, type TrustRecipe, type TrustRecipeName } from "./recipes.ts";
import { falseAlarms, markdownTable } from "./table.ts";

/** The experiment as the runner starts it. @throws ConfigError for a task that is no case */
export async function runTrust(setting: Setting): Promise<Outcome> {
  const { seed, session, tasks, recipe } = setting;
  const out = resolve(setting.out);
  const { cases, seeds, sizes }: TrustRecipe = TRUST_RECIPES[recipe as TrustRecipeName]; // the runner checked it
  const known = CASES.map(({ name }) => name);
  for (const name of tasks)
    if (!known.includes(name))
      throw new ConfigError(
        `--tasks: expected cases of ${known.join(", ")}, got "${name}".${didYouMean(name, known)}`,
      );
  const chosen = tasks.length > 0 ? cases.filter(({ name }) => tasks.includes(name)) : cases;
  const began = performance.now();
  const results = tasks.length > 0 ? await othersThan(tasks, out) : [];
  const { engine, watch, progress } = session;
  for (const [k, one] of chosen.entries()) {
    for (let own = seed; own < seed + seeds; own++)
      results.push({
        commit: commit(),
        ...(await judgeCase(one, {
          ...watch,
          seed: own,
          sizes,
          engine,
          folder: join(out, "work", `${k}-${own}`),
        })),
      });
    progress.message(`${k + 1} of ${chosen.length} cases are done.`);
  }
  const order = (name: string) => known.indexOf(name);
  results.sort((a, b) => order(a.name) - order(b.name) || a.seed - b.seed);
  if (recipe === "laptop") await writeTable(join(dirname(out), "README.md"), results);
  const figures = { falseAlarms: falseAlarms(results), cases: results };
  return await writeResults(setting, (performance.now() - began) / 1000, figures, trustPage(results));
}

/** What earlier runs into this folder found of other cases. */
async function othersThan(tasks: readonly string[], out: string): Promise<CaseResult[]> {
  const text = await readFile(join(out, "results.json"), "utf8").catch(() => undefined);
  const { cases } = text === undefined ? { cases: [] } : (JSON.parse(text) as { cases: CaseResult[] });
  return cases.filter(({ name }) => !tasks.includes(name));
}

/** Where the table stands in the README beside a folder of results. */
const TABLE_PLACE = /(<!-- table -->\n)[\s\S]*(<!-- end of table -->)/;

/** Puts the table into the README above the results, if there is one with a place for it. */
async function writeTable(path: string, results: readonly CaseResult[]): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  if (!TABLE_PLACE.test(text)) return;
  await writeFileAtomic(path, text.replace(TABLE_PLACE, `$1\n${markdownTable(results)}\n\n$2`));
}
