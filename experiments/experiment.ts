import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { basename, join } from "node:path";
import type { Outcome } from "../src/cli/arguments.ts";
import { describePrediction } from "../src/cli/prediction.ts";
import type { Session } from "../src/cli/session.ts";
import { writeFileAtomic } from "../src/core/files.ts";
import type { Prediction } from "../src/em/predict.ts";
import { defaultThreads } from "../src/runtime/engine.ts";

/** What an experiment is started with. */
export interface Setting {
  readonly experiment: string;
  readonly recipe: string;
  readonly out: string;
  readonly seed: number;
  /** Files that the experiment learns from, where it needs some. */
  readonly data: readonly string[];
  /** What to evaluate on, in the experiment's own words; empty for the recipe's choice. */
  readonly tasks: readonly string[];
  /** Evaluate on the slices kept for choosing settings, not on those of the tests. */
  readonly validate: boolean;
  /** Only time each part for so many minutes at most, and predict how long the whole would take. */
  readonly predict: number | undefined;
  /** An ONNX network in whose features samples are compared. */
  readonly features: string | undefined;
  /** Fields of the configuration in place of their defaults, as "path=value". */
  readonly set?: readonly string[];
  /** How long each run may take, in place of the default. */
  readonly minutes?: number | undefined;
  readonly session: Session;
}

/** Runs an experiment of the recipe in the setting and writes results.json and report.html. */
export type Run = (setting: Setting) => Promise<Outcome>;

/** Writes DIR/results.json: how it came about, then the figures; and DIR/report.html. */
export async function writeResults(
  setting: Setting,
  seconds: number,
  figures: Readonly<Record<string, unknown>>,
  page: string,
): Promise<Outcome> {
  const { experiment, recipe, out, seed } = setting;
  const provenance = {
    experiment,
    recipe,
    seed,
    command: command(setting),
    commit: commit(),
    machine: machine(setting),
    seconds: Math.round(seconds),
  };
  await mkdir(out, { recursive: true });
  await writeFileAtomic(join(out, "report.html"), page);
  const results = { ...provenance, ...figures };
  await writeFileAtomic(join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  return { text: `Open ${join(out, "report.html")}`, figures: results };
}

/** Writes DIR/prediction.json, beside the observations that the run itself would use. */
export async function writePrediction(setting: Setting, prediction: Prediction): Promise<Outcome> {
  const results = {
    command: command(setting),
    commit: commit(),
    machine: machine(setting),
    ...prediction,
  };
  await writeFileAtomic(join(setting.out, "prediction.json"), `${JSON.stringify(results, null, 2)}\n`);
  return { text: describePrediction(prediction), figures: { ...prediction } };
}

/** The command that does the same; files by their names, for their folders are this machine's. */
function command(setting: Setting): string {
  const { experiment, recipe, seed, data, tasks, validate, predict, features, set = [], minutes } = setting;
  const files = data.length > 0 ? ` --data ${data.map((path) => basename(path)).join(" ")}` : "";
  const chosen = tasks.length > 0 ? ` --tasks ${tasks.join(",")}` : "";
  const network = features === undefined ? "" : ` --features ${basename(features)}`;
  const flags = `${network}${validate ? " --validate" : ""}${predict === undefined ? "" : ` --predict ${predict}`}`;
  const lengths = `${set.map((text) => ` --set ${text}`).join("")}${minutes === undefined ? "" : ` --minutes ${minutes}`}`;
  return `npm run experiment -- ${experiment} --recipe ${recipe} --seed ${seed}${files}${chosen}${flags}${lengths} --out DIR`;
}

function machine({ session }: Setting): string {
  const used = session.engine.threads ?? defaultThreads();
  return `${cpus()[0]?.model ?? "unknown processor"}, ${availableParallelism()} cores, ${used} used, Node ${process.version}`;
}

/** Short hash of the commit, with "-dirty" if files differ from it. */
export function commit(): string {
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=7", "--exclude", "*"];
    return execFileSync("git", args, { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}
