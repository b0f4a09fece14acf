/** A cell and a seed as a task of its own, whose result is kept on the disk. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrorOf } from "../../src/core/errors.ts";
import type { Watch } from "../../src/core/events.ts";
import { makeFolder, writeFileAtomic } from "../../src/core/files.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type CellResult, runCell } from "./cell.ts";
import { CELLS, type Cell } from "./cells.ts";
import { BATTERY_RECIPES, type BatteryRecipeName } from "./recipes.ts";
import { TRUTHS } from "./truths.ts";

/** Plain data, so that it can be sent to a worker. */
export interface BatteryTask {
  readonly recipe: BatteryRecipeName;
  readonly cell: string;
  readonly seed: number;
  readonly set: readonly string[];
  readonly minutes: number | undefined;
  /** Folder of the experiment. */
  readonly out: string;
  readonly engine: EngineOptions;
}

/** A cell whose draws or loss were not finite: that is a result too. */
export interface CellFailure {
  readonly cell: string;
  readonly seed: number;
  readonly failure: string;
}

export type TaskResult = CellResult | CellFailure;

/** The cell of a name. */
export function cellOf(name: string): Cell {
  return CELLS.find((cell) => cell.name === name)!; // names come from CELLS
}

/** Runs a task, or goes on with it; its observations and its run are removed when it is done. */
export async function runTask(task: BatteryTask, watch: Watch): Promise<TaskResult> {
  const { recipe, seed, set, minutes, engine } = task;
  const cell = cellOf(task.cell);
  const kind = TRUTHS[cell.truth].latentShape.length === 1 ? "vectors" : "images";
  const sizes = BATTERY_RECIPES[recipe].sizes[kind];
  const folder = folderOf(task);
  let result: TaskResult;
  try {
    result = await runCell(cell, { ...watch, seed, set, minutes, engine, folder, sizes });
  } catch (error) {
    if (!isErrorOf(error, "NumericalError")) throw error;
    result = { cell: cell.name, seed, failure: (error as Error).message }; // a NumericalError, as was found
  }
  await makeFolder(folder);
  const kept: Kept = { recipe, set, minutes: minutes ?? null, result };
  await writeFileAtomic(join(folder, RESULT), `${JSON.stringify(kept)}\n`);
  for (const name of ["run", "observations"]) await rm(join(folder, name), { recursive: true, force: true });
  return result;
}

/** The result of a task that an earlier process ended with the same settings. */
export async function keptResult(task: BatteryTask): Promise<TaskResult | undefined> {
  const text = await readFile(join(folderOf(task), RESULT), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { recipe, set, minutes, result } = JSON.parse(text) as Kept; // written by runTask
  const sizes = (name: BatteryRecipeName) => JSON.stringify(BATTERY_RECIPES[name].sizes);
  const isSame =
    sizes(recipe) === sizes(task.recipe) &&
    JSON.stringify(set) === JSON.stringify(task.set) &&
    minutes === (task.minutes ?? null);
  return isSame ? result : undefined;
}

interface Kept extends Pick<BatteryTask, "recipe" | "set"> {
  readonly minutes: number | null;
  readonly result: TaskResult;
}

const RESULT = "result.json";

function folderOf({ out, cell, seed }: BatteryTask): string {
  return join(out, "runs", `${cell.replace("/", "-")}-${seed}`);
}
