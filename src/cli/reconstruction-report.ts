import { basename, join, resolve } from "node:path";
import { firstNonFinite, type HostArray } from "../core/array.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { makeFolder, writeFileAtomic } from "../core/files.ts";
import { positive } from "../core/kinds.ts";
import { pickRows } from "../core/rows.ts";
import { formatShape, sameShape, sizeOf } from "../core/shape.ts";
import { toFloat32 } from "../data/arrays/array-rows.ts";
import { openArray } from "../data/arrays/open-array.ts";
import { kindsIn, mostTogether, type ObservationSet, partsOf } from "../data/observations/observation-set.ts";
import {
  DEFAULT_WEIGHT,
  joinFigures,
  type ReconstructionFigures,
  reconstructionSummary,
  viewOf,
} from "../em/evaluation/reconstruction.ts";
import { operatorLabel } from "../operators/spec.ts";
import { reconstructionPage } from "../report/pages/reconstruction-page.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";

/** Options of `diem reconstruct` that ask for a report. */
export const REPORT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  report: {
    value: "DIR",
    help: "also write report.html and results.json there: mean, interval, standard deviation, agreement with the data; for images also baselines",
  },
  truth: {
    value: "FILE",
    help: "the true latents [N, ...shape]: the report then has errors and coverage, for images also PSNR and SSIM",
  },
  "tv-weight": {
    value: "L",
    help: "weight of the total-variation reconstruction in the report",
    fallback: String(DEFAULT_WEIGHT),
  },
};

/** A report that grows with the draws. */
export interface ReconstructionReport {
  /** @param draws of observations [first, end), [end - first, S, ...latent] */
  add(range: readonly [first: number, end: number], draws: HostArray<"float32">): Promise<void>;
  /** Writes the files. @returns the figures */
  finish(): Promise<ReconstructionFigures>;
  release(): Promise<void>;
}

/**
 * The report that was asked for, if any: a part for each kind of observations.
 * @param batch observations of the set that are drawn for together
 * @throws ConfigError, DataError
 */
export async function openReconstructionReport(
  args: Arguments,
  observations: ObservationSet,
  batch: number,
  title: string,
  engine: EngineOptions,
): Promise<ReconstructionReport | undefined> {
  const folder = args.text("report");
  const path = args.text("truth");
  if (folder === undefined) {
    if (path !== undefined || args.text("tv-weight") !== undefined)
      throw new ConfigError(
        "--truth and --tv-weight: expected a --report to use them in. Give --report DIR.",
      );
    return undefined;
  }
  const weight = args.value("tv-weight", positive) ?? DEFAULT_WEIGHT;
  const truth = path === undefined ? undefined : await readTruth(resolve(path), observations);
  const kinds = partsOf(observations).map((part) => {
    const most = mostTogether(part.numbers, batch);
    return { ...part, summary: reconstructionSummary(part.observations, { weight, most, engine }) };
  });
  const out = resolve(folder);
  await makeFolder(out);
  return {
    async add([first, end], draws) {
      for (const { kind, observations: own, range, numbers } of kindsIn(observations, [first, end])) {
        const some = pickRows(
          draws,
          numbers.map((number) => number - first),
        );
        await kinds[kind]!.summary.add(await own.read(...range), some, truth && pickRows(truth, numbers));
      }
    },
    async finish() {
      const drawn = kinds.filter(({ summary }) => summary.count() > 0);
      const parts = drawn.map(({ observations: { header }, summary }) => ({
        title: drawn.length === 1 ? "Observations" : `Observations: ${operatorLabel(header.operator)}`,
        figures: summary.figures(),
        images: summary.images(),
        range: viewOf(header).range,
        units: header.units,
      }));
      const operators = drawn.map(({ observations: { header } }) => header.operator.name).join(" and ");
      const notes = [
        `Observations: ${basename(observations.path)}, operator ${operators}.`,
        ...(parts.some(({ images }) => images.baseline)
          ? [`Total variation: the image x that minimizes |A x - y|² / 2 + ${weight} TV(x).`]
          : []),
      ];
      const figures = joinFigures(parts.map((part) => part.figures));
      await writeFileAtomic(join(out, "report.html"), reconstructionPage(title, parts, notes));
      await writeFileAtomic(join(out, "results.json"), `${JSON.stringify(figures, null, 2)}\n`);
      return figures;
    },
    release: async () => {
      for (const { summary } of kinds) await summary.release();
    },
  };
}

async function readTruth(location: string, { header, count }: ObservationSet): Promise<HostArray<"float32">> {
  const array = await openArray(location);
  try {
    const { shape } = array;
    const expected = header.latentShape;
    if (!sameShape(shape.slice(1), expected) || shape[0]! < count)
      throw new DataError(
        `${location}: expected [${count} or more, ${expected.join(", ")}] as the observations, found ${formatShape(shape)}. Give their latents.`,
      );
    const truth = toFloat32(await array.read(0, count), location);
    const wrong = firstNonFinite(truth.data);
    if (wrong >= 0)
      throw new DataError(
        `${location}: latent ${Math.floor(wrong / sizeOf(expected))}: expected finite values, found ${truth.data[wrong]}. Correct it.`,
      );
    return truth;
  } finally {
    array.close();
  }
}
