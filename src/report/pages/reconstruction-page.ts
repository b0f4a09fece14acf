/** The page about reconstructions: figures beside those of methods without a learned prior, images side by side, curves. */
import type { HostArray } from "../../core/array.ts";
import type { ReconstructionFigures, ReconstructionImages } from "../../em/evaluation/reconstruction.ts";
import { count, formatFixed, formatNumber } from "../format.ts";
import { type Content, figure, html, page, section, table } from "../html.ts";
import { film, rangeOf, type Strip } from "../pictures.ts";
import type { Range } from "../png.ts";
import { curve, MOST_CHANNELS, measurements, signalChart, withBand } from "../signals.ts";

/** Reconstructions of one kind of observation. */
export interface ReconstructionPart {
  /** For example "Acceleration 4". */
  readonly title: string;
  readonly figures: ReconstructionFigures;
  readonly images: ReconstructionImages;
  /** Values drawn black and white. */
  readonly range: Range;
  /** What the values are in, if that is known. */
  readonly units?: string | undefined;
}

/** @param notes paragraphs about the data and how they were split */
export function reconstructionPage(
  title: string,
  parts: readonly ReconstructionPart[],
  notes: readonly string[],
): string {
  const sizes = new Set(
    parts.map(
      ({ figures: { samples, count: n } }) =>
        `${count(samples, "posterior sample")} for each of ${count(n, "observation")}`,
    ),
  );
  return page(title, [
    html`<header><h1>${title}</h1>
<p class="lead">${[...sizes].join("; ")}</p></header>\n`,
    section("Figures", qualityTable(parts), agreementTable(parts)),
    parts.map((part) => section(part.title, gallery(part))),
    section("Notes", notes.length > 0 && html`<ul>${notes.map((note) => html`<li>${note}</li>\n`)}</ul>`),
  ]);
}

function qualityTable(parts: readonly ReconstructionPart[]): Content {
  const known = parts.filter(({ figures }) => figures.posteriorMean);
  if (known.length === 0) return null;
  const rows = known.map(({ title, figures: { posteriorMean, zeroFilled, baseline } }) => [
    title,
    ...[posteriorMean, baseline, zeroFilled].map((quality) => formatFixed(quality?.psnr, 2)),
    ...[posteriorMean, baseline, zeroFilled].map((quality) => formatFixed(quality?.ssim, 4)),
  ]);
  const names = ["posterior mean", "total variation", "zero-filled"];
  const head = ["", ...names.map((name) => `PSNR (dB), ${name}`), ...names.map((name) => `SSIM, ${name}`)];
  return figure(table(head, rows), "Against the truth, means over observations; larger is better.");
}

function agreementTable(parts: readonly ReconstructionPart[]): Content {
  const rows = parts.map(({ title, figures, units }) => [
    title,
    `${figures.count} x ${figures.samples}`,
    formatNumber(figures.chiSquare),
    figures.coverage90 === undefined ? "-" : `${(100 * figures.coverage90).toFixed(1)} %`,
    figures.error === undefined ? "-" : inUnits(formatNumber(figures.error), units),
    inUnits(formatNumber(figures.deviation), units),
  ]);
  const head = [
    "",
    "observations x samples",
    "chi-square per measured entry",
    "truth within the central 90 %",
    "error of the mean (RMSE)",
    "mean standard deviation",
  ];
  return figure(
    table(head, rows),
    "Chi-square is the mean of (y - A x)² / variance over measured entries and samples: near 1, samples agree with the data to the noise. The interval is that of the samples, entry by entry.",
  );
}

function inUnits(value: string, units: string | undefined): string {
  return units ? `${value} ${units}` : value;
}

/** Images side by side; vectors and signals as curves. */
function gallery(part: ReconstructionPart): Content {
  const { interval } = part.images;
  return interval ? curves(part, interval) : pictures(part);
}

/** Vectors are signals of one channel. */
function asSignals(array: HostArray<"float32">): HostArray<"float32"> {
  const [n, ...shape] = array.shape as [number, ...number[]];
  return shape.length === 1 ? { ...array, shape: [n, 1, ...shape] } : array;
}

/** For each observation and channel what was measured, the mean and the interval of the samples, and the truth. */
function curves(
  { images, units }: ReconstructionPart,
  interval: NonNullable<ReconstructionImages["interval"]>,
): Content {
  const [mean, lo, hi] = [asSignals(images.mean), asSignals(interval.lo), asSignals(interval.hi)];
  const observed = images.observed && asSignals(images.observed);
  const mask = images.mask && asSignals(images.mask);
  const truth = images.truth && asSignals(images.truth);
  const [n, C] = mean.shape as [number, number];
  const charts = Array.from({ length: n }, (_, i) => i).flatMap((i) =>
    Array.from({ length: Math.min(C, MOST_CHANNELS) }, (_, c) => {
      const series = [
        withBand(curve("mean", mean, i, c), lo, hi, i, c),
        ...(truth ? [curve("truth", truth, i, c)] : []),
        ...(observed ? [measurements(observed, mask, i, c)] : []),
      ];
      return figure(signalChart(series, c, units), `Observation ${i}.`);
    }),
  );
  return html`<p class="soft">Each chart is one observation: the mean of the samples, a band that holds the central 90 % of them at each place, and dots where observations are like latents.</p>
<div class="charts">\n${charts}</div>`;
}

function pictures({ images, range, units }: ReconstructionPart): Content {
  const row = (label: string, array: Strip["images"] | undefined, drawn: Range = range): Strip[] =>
    array ? [{ label, images: array, range: drawn }] : [];
  const [, widest] = rangeOf(undefined, [images.deviation]);
  const strips = [
    ...row("mask", images.mask, [0, 1]),
    ...row("zero-filled", images.zeroFilled),
    ...row("total variation", images.baseline),
    ...images.draws.flatMap((draws, s) => row(`sample ${s + 1}`, draws)),
    ...row("mean", images.mean),
    ...row("standard deviation", images.deviation, [0, Math.max(widest, 1e-6)]),
    ...row("truth", images.truth),
  ];
  return figure(
    film(strips),
    `Each column is one observation${images.mean.shape.length === 5 ? ", of volumes the middle slice" : ""}. Images are drawn from ${formatNumber(range[0])} (black) to ${inUnits(formatNumber(range[1]), units)} (white), standard deviations from 0 to ${inUnits(formatNumber(widest), units)}.`,
  );
}
