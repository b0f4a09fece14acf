/** Runs with default settings on distributions that are known exactly. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { writeFileAtomic } from "../../src/core/files.ts";
import { didYouMean } from "../../src/core/nearest.ts";
import { defaultThreads } from "../../src/runtime/engine.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { runTasks } from "../pool.ts";
import type { Cell } from "./cells.ts";
import { batteryPage } from "./page.ts";
import { BATTERY_RECIPES, type BatteryRecipe, type BatteryRecipeName } from "./recipes.ts";
import { markdownTable } from "./table.ts";
import { type BatteryTask, cellOf, keptResult, runTask, type TaskResult } from "./task.ts";
import { TRUTHS } from "./truths.ts";
import { unmet } from "./verdict.ts";

/** The experiment as the runner starts it. @throws ConfigError for a task that is no cell */
export async function runBattery(setting: Setting): Promise<Outcome> {
  const { seed, set = [], minutes, session } = setting;
  const out = resolve(setting.out);
  const name = setting.recipe as BatteryRecipeName; // the runner checked it
  const recipe: BatteryRecipe = BATTERY_RECIPES[name];
  const began = performance.now();
  const cells = chosenCells(recipe, setting.tasks);
  const { engine } = session;
  // All cells of one seed before the next, so that a run that is stopped says something of every cell.
  const tasks = Array.from({ length: recipe.seeds }, (_, i) => seed + i).flatMap((own) =>
    cells.map(
      (cell): BatteryTask => ({ recipe: name, cell: cell.name, seed: own, set, minutes, out, engine }),
    ),
  );
  const results = await runAll(tasks, setting);
  const sorted = cells.flatMap(({ name: cell }) => results.filter((result) => result.cell === cell));
  if (name === "laptop" && setting.tasks.length === 0)
    await writeTable(join(dirname(out), "README.md"), sorted);
  const seconds = (performance.now() - began) / 1000;
  const figures = { set, minutes: minutes ?? null, unmet: unmetOf(sorted), cells: sorted };
  return await writeResults(setting, seconds, figures, batteryPage(sorted));
}

/** @throws ConfigError for a name that is none of them */
function chosenCells({ cells }: BatteryRecipe, names: readonly string[]): readonly Cell[] {
  const known = cells.map(({ name }) => name);
  for (const name of names)
    if (!known.includes(name))
      throw new ConfigError(
        `--tasks: expected cells of ${known.join(", ")}, got "${name}".${didYouMean(name, known)}`,
      );
  return names.length > 0 ? cells.filter(({ name }) => names.includes(name)) : cells;
}

/** Results of all tasks, those that are kept first; the others on all cores with a thread each. */
async function runAll(tasks: readonly BatteryTask[], { session }: Setting): Promise<TaskResult[]> {
  const { engine, watch, progress } = session;
  const kept = await Promise.all(tasks.map(keptResult));
  const rest = tasks.filter((_, i) => !kept[i]);
  const done = kept.filter((result) => result !== undefined);
  const tell = (count: number) =>
    progress.message(`${done.length + count} of ${tasks.length} runs are done.`);
  const workers = engine.threads ?? defaultThreads();
  if (workers === 1) {
    const results: TaskResult[] = [];
    for (const task of rest) {
      results.push(await runTask(task, watch));
      tell(results.length);
    }
    return [...done, ...results];
  }
  const single = rest.map((task) => ({ ...task, engine: { ...engine, threads: 1 } }));
  const results = await runTasks<BatteryTask, TaskResult>(new URL("./worker.js", import.meta.url), single, {
    workers,
    signal: watch.signal,
    onNote: (line) => progress.message(line),
    onDone: tell,
  });
  return [...done, ...results];
}

/** What is not met, by cell. */
function unmetOf(results: readonly TaskResult[]): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  for (const result of results) {
    const texts = "failure" in result ? ["not finite"] : unmet(result, TRUTHS[cellOf(result.cell).truth]);
    if (texts.length > 0)
      all[result.cell] = [
        ...(all[result.cell] ?? []),
        ...texts.map((text) => `seed ${result.seed}: ${text}`),
      ];
  }
  return all;
}

/** Where the table stands in the README beside a folder of results. */
const TABLE_PLACE = /(<!-- table -->\n)[\s\S]*(<!-- end of table -->)/;

/** Puts the table into the README above the results, if there is one with a place for it. */
async function writeTable(path: string, results: readonly TaskResult[]): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  if (!TABLE_PLACE.test(text)) return;
  await writeFileAtomic(path, text.replace(TABLE_PLACE, `$1\n${markdownTable(results)}\n\n$2`));
}
