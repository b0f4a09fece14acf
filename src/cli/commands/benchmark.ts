import { resolve } from "node:path";
import { float32, type HostArray, rows } from "../../core/array.ts";
import { ConfigError, DataError } from "../../core/errors.ts";
import { type Kind, list, oneOf, whole } from "../../core/kinds.ts";
import { didYouMean } from "../../core/nearest.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { readNpy } from "../../data/arrays/npy.ts";
import { loadMnist } from "../../data/mnist.ts";
import { BENCHMARK_METHOD_NAMES, benchmarkMethod } from "../../em/evaluation/benchmark-methods.ts";
import { BENCHMARK_TASKS, benchmarkTask } from "../../em/evaluation/benchmark-tasks.ts";
import { cellName, posteriorBenchmark } from "../../em/evaluation/posterior-benchmark.ts";
import { formatFixed } from "../../report/format.ts";
import { benchmarkText } from "../../report/pages/benchmark-table.ts";
import type { Arguments, Command } from "../arguments.ts";
import { makeProblems } from "../benchmark-problems.ts";
import { openResults } from "../benchmark-results.ts";
import { MODEL_OPTIONS, samplerOption } from "../model-options.ts";
import { openPrior, PRIOR_OPTIONS } from "../prior-options.ts";
import { withSession } from "../session.ts";

/** Images compared unless --count says otherwise: enough to look at, too few for small differences. */
const COUNT = 4;
const DIGITS = "digits";
const KINDS = ["posterior"];

const { seed, batch, sampler, iteration } = MODEL_OPTIONS as Required<typeof MODEL_OPTIONS>;

export const benchmark: Command = {
  name: "benchmark",
  summary:
    "Compares posterior methods on inpainting, deblurring and super-resolution of held-out images with a prior.",
  positionals: ["posterior", "[RUN]"],
  options: {
    truth: {
      value: "FILE.npy",
      help: `held-out images [N, ...shape] in the data's units, or "${DIGITS}": test digits for runs of the demo`,
      isRequired: true,
    },
    out: { value: "DIR", help: "folder for results.json, report.html and draws", isRequired: true },
    tasks: { value: "NAMES", help: BENCHMARK_TASKS.join(","), fallback: "all" },
    methods: { value: "NAMES", help: BENCHMARK_METHOD_NAMES.join(","), fallback: "all" },
    steps: { value: "T,...", help: "sampler steps", fallback: "10,100,1000" },
    "cg-steps": {
      value: "N,...",
      help: "solver steps of mmps, mmps-gmres, sigma-t, identity and sigma-x",
      fallback: "1,3,5",
    },
    count: { value: "N", help: "images, the first of the file", fallback: String(COUNT) },
    particles: { value: "K", help: "particles of tds for each image", fallback: "8" },
    resume: { help: "keep the cells that the folder holds, measure the others" },
    sampler: { ...sampler!, fallback: "ddpm" },
    seed: seed!,
    batch: batch!,
    iteration: iteration!,
    ...PRIOR_OPTIONS,
  },
  run: (args) =>
    withSession(args, async ({ engine, progress, watch }) => {
      const [kind, path] = args.positionals as [string, string | undefined];
      if (!KINDS.includes(kind))
        throw new ConfigError(
          `diem benchmark: expected posterior RUN, got ${kind}.${didYouMean(kind, KINDS)} See diem benchmark --help.`,
        );
      const out = resolve(args.required("out"));
      args.required("truth");
      const names = {
        tasks: several(args, "tasks", oneOf(BENCHMARK_TASKS), BENCHMARK_TASKS),
        methods: several(args, "methods", oneOf(BENCHMARK_METHOD_NAMES), BENCHMARK_METHOD_NAMES),
      };
      const methods = names.methods.map(benchmarkMethod);
      const plan = {
        methods,
        steps: several(args, "steps", whole(1), [10, 100, 1000]),
        solverSteps: several(args, "cg-steps", whole(1), [1, 3, 5]),
        sampler: samplerOption(args, "ddpm"),
        particles: args.value("particles", whole(1)) ?? 8,
        seed: args.value("seed", whole(0)) ?? 0,
      };
      const prior = await openPrior(args, path, { count: args.value("count", whole(1)) ?? COUNT });
      const { model } = prior;
      const truth = await readTruth(args, model.network.shape);
      const range = prior.run?.info.observations.range ?? model.limits ?? extremes(truth);
      const count = truth.shape[0]!;
      const batch = Math.min(args.value("batch", whole(1)) ?? prior.eStep.batch, count);
      const tasks = names.tasks.map((name) => benchmarkTask(name, model.network.shape, range));
      const { problems, refusals } = await makeProblems(tasks, truth, range, plan.seed, engine);
      const results = await openResults(out, {
        resume: args.flag("resume"),
        prior: { ...prior, path: prior.run?.path ?? resolve(args.required("prior")) },
        plan: { ...plan, batch },
        tasks,
        problems,
        refusals,
        truth,
        range,
        engine,
      });
      await posteriorBenchmark(
        model,
        truth,
        problems,
        { ...plan, batch },
        range,
        {
          ...watch,
          isDone: results.isDone,
          onRefusal: results.addRefusal,
          onCell: async (cell, draws) => {
            await results.add(cell, draws);
            const found = cell.figures && `PSNR ${formatFixed(cell.figures.psnr, 2)} dB`;
            progress.message(`${cellName(cell)}: ${found ?? cell.failure}`);
          },
          onMethod: results.writeReport,
        },
        engine,
      );
      await results.writeReport();
      const { cells, refusals: refused } = results.current();
      const text = tasks.flatMap(({ name, title }) => [
        `${title}\n`,
        benchmarkText(cells.filter(({ task }) => task === name)),
        ...refused
          .filter(({ task }) => task === name)
          .map(({ method, reason }) => `\nrefused${method ? ` ${method}` : ""}: ${reason}`),
        "\n\n",
      ]);
      return {
        text: `${text.join("")}Open ${results.report}`,
        figures: { report: results.report, results: results.file, cells, refusals: refused },
      };
    }),
};

/** Values between commas, without repetition. */
function several<T>(args: Arguments, option: string, kind: Kind<T>, fallback: readonly T[]): T[] {
  return [...new Set(args.value(option, list(kind, `values, each ${kind.expected}`)) ?? fallback)];
}

/** The first images. @throws DataError if the file does not hold images like those of the prior */
async function readTruth(args: Arguments, latentShape: readonly number[]): Promise<HostArray<"float32">> {
  const name = args.required("truth");
  const count = args.value("count", whole(1)) ?? COUNT;
  const isDigits = name === DIGITS;
  const { dtype, shape, data } = isDigits
    ? (await loadMnist("test", { start: 0, end: count })).images
    : await readNpy(resolve(name));
  const where = isDigits ? "--truth digits" : resolve(name);
  const fits = (dtype === "float32" || dtype === "float64") && sameShape(shape.slice(1), latentShape);
  if (!fits || shape[0]! < count)
    throw new DataError(
      `${where}: expected float32 [${count} or more, ${latentShape.join(", ")}], images like those of the prior, found ${dtype} ${formatShape(shape)}. Give others, or fewer with --count.`,
    );
  const images = rows(float32(Float32Array.from(data as Float32Array), shape), 0, count);
  if (!images.data.every(Number.isFinite))
    throw new DataError(`${where}: expected finite values, found others. Remove those images.`);
  return images;
}

/** The range of the images, where the prior does not know that of its data. */
function extremes({ data }: HostArray<"float32">): readonly [number, number] {
  const [lo, hi] = [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
  if (!(lo < hi)) throw new DataError("--truth: expected images that differ somewhere, found one value.");
  return [lo, hi];
}
