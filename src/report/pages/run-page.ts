/** The report of one run: where it stands first, then what it draws, how it got there, and what it was told. */

import { type Shape, sizeOf } from "../../core/shape.ts";
import { isLowerBound } from "../../trust/evidence.ts";
import { stackedBar } from "../charts/bar.ts";
import { lineChart } from "../charts/chart.ts";
import { direction, lossPoints, metricCharts, metricNames, vitalCharts, wantsLog } from "../charts/curves.ts";
import { capitalize, count, formatMoment, formatNumber, formatRatio, formatSeconds } from "../format.ts";
import { type Content, figure, html, section, table } from "../html.ts";
import { isImage } from "../pictures.ts";
import type { Figures, RunData } from "../read-run.ts";
import { isSignal } from "../signals.ts";
import { configurationTable } from "./configuration.ts";
import { galleryFilm, priorFilm, resultPrior } from "./run-images.ts";
import { runPlaces } from "./run-places.ts";
import { gallerySignals, priorSignals } from "./run-signals.ts";
import { posteriorCorners, priorCorners } from "./run-vectors.ts";

/** Tables of iterations longer than this are folded. */
const MAX_OPEN_ROWS = 24;
const PHASES: Readonly<Record<string, string>> = {
  eStep: "E-step",
  mStep: "M-step",
  heldOut: "Held-out observations",
  figures: "Figures",
};

export function runReport(run: RunData): Content {
  return [
    header(run),
    section("Prior samples", priorSamples(run)),
    posteriorSection(run),
    section("Figures over the iterations", charts(run)),
    section("Iterations", iterationTable(run)),
    section("Time spent", timeSpent(run)),
    section("Configuration", configurationTable(run.config)),
    section(
      "Notes",
      run.notes.length > 0 && html`<ul>${run.notes.map((note) => html`<li>${note}</li>\n`)}</ul>`,
    ),
    html`<p class="soft" style="margin-top:40px">Written by ${run.createdBy} from ${runPlaces([run])(run.folder)}.</p>`,
  ];
}

/** Prior samples as curves, pictures or corner plots. */
export function priorSamples(run: RunData): Content {
  const { latentShape } = run.observations;
  if (isSignal(latentShape)) return priorSignals(run);
  return isImage(latentShape) ? [priorFilm(run), resultPrior(run)] : priorCorners(run);
}

function posteriorSection(run: RunData): Content {
  const { latentShape } = run.observations;
  if (!isSignal(latentShape) && !isImage(latentShape))
    return section("Posterior samples", posteriorCorners(run));
  const pictures = isSignal(latentShape) ? gallerySignals(run) : galleryFilm(run);
  return section("Observations and their posterior samples", pictures);
}

/** What latents are, in words. */
function kindOf(latentShape: Shape): string {
  const names = ["signals", "images", "volumes"];
  const name = names[latentShape.length - 2];
  return name
    ? `${name} of shape ${latentShape.join(" × ")}`
    : `vectors of ${count(sizeOf(latentShape), "number")}`;
}

/** Seconds of each phase over all iterations; the start counts as one phase. */
export function secondsByPhase(run: RunData): Map<string, number> {
  const totals = new Map<string, number>();
  for (const { iteration, seconds } of run.figures)
    for (const [phase, value] of Object.entries(seconds)) {
      const name = iteration === 0 ? "Start" : (PHASES[phase] ?? phase);
      totals.set(name, (totals.get(name) ?? 0) + (value ?? 0));
    }
  return totals;
}

export function totalSeconds(run: RunData): number {
  return [...secondsByPhase(run).values()].reduce((sum, value) => sum + value, 0);
}

/** Finished EM iterations, the start not counted. */
export function finishedIterations(run: RunData): number {
  return run.figures.filter(({ iteration }) => iteration > 0).length;
}

function header(run: RunData): Content {
  const { count: observed, latentShape, operator, folder } = run.observations;
  const kind = kindOf(latentShape);
  const state = run.status?.state ?? "unknown";
  const when = run.status?.updatedAt && `, as of ${formatMoment(run.status.updatedAt)}`;
  const finished = finishedIterations(run);
  const started = run.figures.length > 0 ? "Start" : "Nothing";
  const done = `${finished === 0 ? started : count(finished, "EM iteration")} finished`;
  const time = run.figures.length > 0 && ` in ${formatSeconds(totalSeconds(run))}`;
  return html`<header>
<h1>${run.name}</h1>
<p class="lead">A diffusion prior over ${kind}, learned by expectation maximization from ${count(observed, "observation")} y = A x + noise (A: ${operator}) in ${folder}${run.from && `, starting from the prior of ${run.from.run} after iteration ${run.from.iteration}`}.</p>
<p><span class="state ${state}">${state}</span>${done}${time}${when}.${run.status?.message && ` ${run.status.message}`}</p>
${result(run)}
${run.figures.length > 1 && html`<p class="soft">Whether it can be believed, its measurements tell: diem check ${runPlaces([run])(run.folder)}</p>`}
${nonFiniteAlerts(run)}
${warnings(run)}
${headlines(run)}
</header>
`;
}

/** Which prior is the result, and how much better than the start it predicts what was held out. */
function result(run: RunData): Content {
  const at = (iteration: number | undefined) => run.figures.find((f) => f.iteration === iteration)?.heldOut;
  const [best, start] = [at(run.result), at(0)];
  if (typeof best?.score !== "number" || typeof start?.score !== "number") return null;
  const where = run.result === 0 ? "the start" : `the prior after iteration ${run.result}`;
  const rest = run.result === 0 ? "" : `; ${formatNumber(start.score)} at the start`;
  return html`<p>Result: ${where}, held-out score ${formatNumber(best.score)} ± ${formatNumber(best.error)}${rest}.</p>`;
}

/** A NaN is never hidden: each iteration that drew some is named at the top. */
function nonFiniteAlerts(run: RunData): Content {
  const affected = run.figures.filter(({ eStep }) => (eStep.nonFinite ?? 0) > 0);
  if (affected.length === 0) return null;
  const places = affected
    .map((f) => `${formatNumber(f.eStep.nonFinite)} in iteration ${f.iteration}`)
    .join(", ");
  return html`<p class="alert">Some posterior samples are not finite: ${places}.</p>`;
}

/** The first iteration's and the last iteration's warnings, and how many there were between. */
function warnings(run: RunData): Content {
  const warned = run.figures.filter((f) => f.warnings.length > 0);
  const shown = [...new Set([warned[0], warned.at(-1)])].flatMap((f) => f?.warnings ?? []);
  const between = warned.length > 2 && html` <span class="soft">(${warned.length} iterations in all)</span>`;
  return shown.map((text, i) => html`<p class="alert">${text}${i === shown.length - 1 && between}</p>\n`);
}

/** Each metric: its latest value large, beside the start. */
function headlines(run: RunData): Content {
  const cards = metricNames([run]).map((name) => {
    const known = run.figures.filter(({ metrics }) => typeof metrics[name] === "number");
    const start = run.figures[0]?.iteration === 0 ? run.figures[0].metrics[name] : undefined;
    const last = known.at(-1);
    const now = last?.metrics[name];
    const from =
      last === undefined || last.iteration === 0
        ? "at the start"
        : `after iteration ${last.iteration}; ${formatNumber(start)} at the start (${formatRatio(start, now)})`;
    const hint = direction(name);
    return html`<div class="card">${capitalize(name)}<b>${formatNumber(now)}</b><span>${from}${hint && html`<br>${hint}`}</span></div>\n`;
  });
  return cards.length > 0 && html`<div class="cards">\n${cards}</div>`;
}

function charts(run: RunData): Content {
  if (finishedIterations(run) === 0) return null;
  const parts: Content[] = metricCharts(run);
  const loss = lossPoints(run.figures);
  if (loss.length > 0) {
    const series = [{ name: "training loss", points: loss }];
    const y = { title: "training loss", log: wantsLog(series) };
    const chart = lineChart({ x: { title: "optimizer step, all iterations", integer: true }, y, series });
    parts.push(
      figure(
        chart,
        "Smoothed training loss. The line breaks where an iteration gives new samples to train on.",
      ),
    );
  }
  parts.push(...vitalCharts([{ name: run.name, runs: [run] }]));
  return parts.length > 0 && html`<div class="charts">\n${parts}</div>`;
}

interface Column {
  readonly name: string;
  readonly text: (f: Figures) => string;
}

function iterationTable(run: RunData): Content {
  if (run.figures.length === 0) return null;
  const all: Column[] = [
    ...metricNames([run]).map((name) => ({ name, text: (f: Figures) => formatNumber(f.metrics[name]) })),
    { name: "last training loss", text: (f) => formatNumber(f.loss.at(-1)?.[1]) },
    { name: "E-step residual", text: (f) => formatNumber(f.eStep.residual) },
    { name: "spread", text: (f) => formatNumber(f.eStep.spread) },
    { name: "held-out score", text: (f) => formatNumber(f.heldOut.score) },
    { name: "over the start", text: (f) => changeText(f.heldOut) },
    { name: "evidence", text: evidenceText },
    {
      name: "evidence over the start",
      text: (f) => (isLowerBound(f.evidence.slack) ? "-" : changeText(f.evidence)),
    },
    { name: "evidence that is missing", text: (f) => formatNumber(f.evidence.slack) },
    { name: "noise / stated", text: (f) => formatNumber(f.noise.scale) },
    { name: "warnings", text: (f) => (f.warnings.length > 0 ? `⚠ ${f.warnings.length}` : "-") },
    { name: "draws", text: (f) => formatNumber(f.eStep.draws) },
    { name: "first observation", text: (f) => formatNumber(f.eStep.firstObservation) },
    { name: "not finite", text: (f) => formatNumber(f.eStep.nonFinite) },
    { name: "draws / s", text: (f) => formatNumber(f.eStep.imagesPerSecond) },
    { name: "optimizer steps", text: (f) => formatNumber(f.mStep.steps) },
    { name: "steps / s", text: (f) => formatNumber(f.mStep.stepsPerSecond) },
    { name: "learning rate", text: (f) => formatNumber(f.mStep.learningRate) },
    {
      name: "time",
      text: (f) => formatSeconds(Object.values(f.seconds).reduce<number>((sum, s) => sum + (s ?? 0), 0)),
    },
  ];
  const columns = all.filter(({ text }) => run.figures.some((f) => text(f) !== "-"));
  const rows = run.figures.map((f) => [
    f.iteration === 0 ? "start" : f.iteration,
    ...columns.map(({ text }) => text(f)),
  ]);
  const whole = table(["iteration", ...columns.map(({ name }) => name)], rows);
  if (rows.length <= MAX_OPEN_ROWS) return whole;
  return html`<details><summary>All ${rows.length} rows</summary>${whole}</details>`;
}

/** What is no more than a lower bound is not told as an estimate. */
function evidenceText({ evidence: { mean, slack } }: Figures): string {
  return `${isLowerBound(slack) ? "≥ " : ""}${formatNumber(mean)}`;
}

/** The paired difference from the start, with its standard error. */
function changeText({ change, changeError }: Figures["heldOut"]): string {
  return typeof change === "number" ? `${formatNumber(change)} ± ${formatNumber(changeError)}` : "-";
}

function timeSpent(run: RunData): Content {
  const parts = [...secondsByPhase(run)].map(([name, value]) => ({ name, value }));
  return totalSeconds(run) > 0 && stackedBar(parts, formatSeconds);
}
