import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { type HostArray, toBytes } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { makeFolder, readFileOrFail, writeFileAtomic } from "../core/files.ts";
import { show } from "../core/json.ts";
import { readNpy, writeNpy } from "../data/arrays/npy.ts";
import type { ObservationBatch } from "../data/observations/observations.ts";
import type { BenchmarkTask } from "../em/evaluation/benchmark-tasks.ts";
import {
  type BenchmarkCell,
  type BenchmarkPlan,
  type BenchmarkProblem,
  type BenchmarkSink,
  cellName,
  type Refusal,
} from "../em/evaluation/posterior-benchmark.ts";
import { parseJson } from "../em/run/run-info.ts";
import { count } from "../report/format.ts";
import { benchmarkPage } from "../report/pages/benchmark-page.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { ChosenPrior } from "./prior-options.ts";

const FORMAT = "diem-posterior-benchmark";
const VERSION = 1;

/** What a benchmark is about. */
export interface BenchmarkSubject {
  readonly resume: boolean;
  readonly prior: Pick<ChosenPrior, "name" | "label" | "iteration"> & { readonly path: string };
  readonly plan: BenchmarkPlan;
  readonly tasks: readonly BenchmarkTask[];
  readonly problems: readonly BenchmarkProblem[];
  /** Tasks that the images do not suit. */
  readonly refusals: readonly Refusal[];
  readonly truth: HostArray<"float32">;
  readonly range: readonly [number, number];
  readonly engine: EngineOptions;
}

/** The results of a benchmark on disk, as they stand. */
export interface BenchmarkResults {
  readonly file: string;
  readonly report: string;
  readonly isDone: BenchmarkSink["isDone"];
  readonly add: BenchmarkSink["onCell"];
  readonly addRefusal: BenchmarkSink["onRefusal"];
  writeReport(): Promise<void>;
  current(): { readonly cells: readonly BenchmarkCell[]; readonly refusals: readonly Refusal[] };
}

/**
 * Opens the folder of a benchmark.
 *   results.json   settings, tasks, finished cells, refusals; written after each cell
 *   draws/         draws of each cell, .npy [n, ...latent], in the data's units and not limited to their range
 *   report.html    written after each method
 * @throws DataError if there are results and they are not to be continued, or were made with other settings
 */
export async function openResults(folder: string, subject: BenchmarkSubject): Promise<BenchmarkResults> {
  const file = join(folder, "results.json");
  const report = join(folder, "report.html");
  const settings = settingsOf(folder, subject);
  const known = existsSync(file) ? await readCells(file, settings, subject.resume) : [];
  const cells = new Map(known.map((cell) => [cellName(cell), cell]));
  const refusals = [...subject.refusals];
  const drawsFile = (cell: BenchmarkCell) => join(folder, "draws", `${cellName(cell)}.npy`);
  const draws = new Map<string, HostArray<"float32">>();
  await makeFolder(join(folder, "draws"));
  // Only this command writes them, as float32.
  for (const cell of known)
    if (cell.figures) draws.set(cellName(cell), (await readNpy(drawsFile(cell))) as HostArray<"float32">);
  const batches = new Map<string, ObservationBatch>();
  for (const { task, observations } of subject.problems)
    batches.set(task.name, await observations.read(0, observations.count));
  const current = () => ({ cells: inOrder([...cells.values()], subject), refusals });
  const write = () => {
    const content = { format: FORMAT, version: VERSION, settings, tasks: subject.tasks, ...current() };
    return writeFileAtomic(file, `${JSON.stringify(content, null, 2)}\n`);
  };
  await write();
  return {
    file,
    report,
    current,
    isDone: (key) => cells.has(cellName(key)),
    add: async (cell, drawn) => {
      if (drawn) {
        await writeNpy(drawsFile(cell), drawn);
        draws.set(cellName(cell), drawn);
      }
      cells.set(cellName(cell), cell);
      await write();
    },
    addRefusal: async (refusal) => {
      refusals.push(refusal);
      await write();
    },
    writeReport: () =>
      writeFileAtomic(
        report,
        benchmarkPage({
          ...introduction(subject),
          truth: subject.truth,
          range: subject.range,
          parts: subject.tasks.map((task) => {
            const batch = batches.get(task.name);
            return {
              task,
              cells: current().cells.filter((cell) => cell.task === task.name),
              refusals: refusals.filter((refusal) => refusal.task === task.name),
              ...(batch && { observed: { y: batch.y, mask: batch.data.mask } }),
              draws: (cell: BenchmarkCell) => draws.get(cellName(cell)),
            };
          }),
        }),
      ),
  };
}

/** What cells of one table must have in common. */
function settingsOf(folder: string, { prior, plan, truth, range, engine }: BenchmarkSubject) {
  const { sampler, batch, particles, seed } = plan;
  return {
    run: relative(folder, prior.path), // where the two lie is the machine's affair
    ...(prior.iteration !== undefined && { iteration: prior.iteration }),
    count: truth.shape[0]!,
    truth: createHash("sha256").update(toBytes(truth)).digest("hex"),
    range: [...range],
    sampler,
    batch,
    particles,
    seed,
    device: engine.device ?? "cpu",
    threads: engine.threads ?? "all",
  };
}

async function readCells(
  file: string,
  settings: ReturnType<typeof settingsOf>,
  resume: boolean,
): Promise<BenchmarkCell[]> {
  if (!resume)
    throw new DataError(
      `${file}: expected no results there, found some. Continue them with --resume, or choose another folder with --out.`,
    );
  const content = parseJson(await readFileOrFail(file, "results of a benchmark"), file);
  if (content.format !== FORMAT || content.version !== VERSION)
    throw new DataError(
      `${file}: expected format "${FORMAT}", version ${VERSION}, found ${show(content.format)}, version ${show(content.version)}. Choose another folder.`,
    );
  const found = content.settings as Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(settings))
    if (JSON.stringify(found?.[name]) !== JSON.stringify(value))
      throw new DataError(
        `${file}: expected ${name} ${show(value)} as now, found ${show(found?.[name])}. Use the same, or another folder.`,
      );
  return content.cells as BenchmarkCell[]; // written by this command
}

/** Tasks and methods as listed, then solver steps, then sampler steps. */
function inOrder(cells: readonly BenchmarkCell[], { tasks, plan }: BenchmarkSubject): BenchmarkCell[] {
  const place = (names: readonly string[], name: string) =>
    names.includes(name) ? names.indexOf(name) : names.length;
  const taskNames = tasks.map(({ name }) => name);
  const methodNames = plan.methods.map(({ name }) => name);
  const rank = (cell: BenchmarkCell) => [
    place(taskNames, cell.task),
    cell.steps,
    place(methodNames, cell.method),
    cell.solverSteps ?? 0,
  ];
  return [...cells].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    const k = x.findIndex((value, i) => value !== y[i]);
    return k < 0 ? 0 : x[k]! - y[k]!;
  });
}

function introduction({ prior, plan, truth }: BenchmarkSubject) {
  const { sampler, batch, particles, methods } = plan;
  const isTwisted = methods.some(({ name }) => name === "tds");
  return {
    title: `Posterior methods with the prior "${prior.name}"`,
    lead: `${count(truth.shape[0]!, "held-out image")}, one draw each by ${count(methods.length, "method")}. Prior: ${prior.label}.`,
    notes: [
      `Sampler ${sampler}, computed in batches of ${batch}${isTwisted ? `; tds with ${particles} particles` : ""}. Every method draws with the same random numbers.`,
    ],
  };
}
