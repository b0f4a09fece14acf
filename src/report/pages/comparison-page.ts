/** The report that compares several runs: figures in a table, each figure's curves in one plot, samples, settings. */

import { curve, iterationChart, metricNames, vitalCharts } from "../charts/curves.ts";
import type { JsonObject } from "../fields.ts";
import { count, formatNumber, formatSeconds } from "../format.ts";
import { type Content, figure, html, section, table } from "../html.ts";
import { film, isImage } from "../pictures.ts";
import type { RunData } from "../read-run.ts";
import { isSignal } from "../signals.ts";
import { differenceTable } from "./configuration.ts";
import { latentRange, resultPictures } from "./run-images.ts";
import { finishedIterations, priorSamples, totalSeconds } from "./run-page.ts";
import { runPlaces } from "./run-places.ts";
import { formatSpread, groupSeries, type SeedGroup, seedGroups } from "./seed-groups.ts";

export function comparisonReport(runs: readonly RunData[]): Content {
  const names = labelsOf(runs);
  const placeOf = runPlaces(runs);
  const groups = seedGroups(runs);
  return [
    html`<header><h1>${count(runs.length, "run")} compared</h1>
<p class="lead">${groups.map(({ name }) => name).join(" · ")}</p>
<p class="soft">Each run learned a diffusion prior from observations y = A x + noise by expectation maximization.</p>
${warnings(groups)}</header>\n`,
    section("Final figures", groups.length < runs.length && groupFigures(groups), finalFigures(runs, names)),
    section("Figures over the iterations", charts(runs, groups)),
    section("Prior samples", priors(groups)),
    section("Differences of configuration", differences(groups)),
    section("Notes", notes(groups)),
    html`<p class="soft" style="margin-top:40px">From ${runs.map(({ folder }) => placeOf(folder)).join(", ")}.</p>`,
  ];
}

/** What a page that compares the runs is called. */
export function comparisonTitle(runs: readonly RunData[]): string {
  const titles = seedGroups(runs).map(({ name }) => name);
  return `${titles.join(", ")}: comparison`;
}

/** The names of the runs; runs of the same name are told apart by their folder. */
export function labelsOf(runs: readonly RunData[]): string[] {
  const isUnique = (name: string) => runs.filter((run) => run.name === name).length === 1;
  const placeOf = runPlaces(runs);
  return runs.map(({ name, folder }) => (isUnique(name) ? name : `${name} (${placeOf(folder)})`));
}

/** The first warning of each group that has any, and of how many of its runs that can be said. */
function warnings(groups: readonly SeedGroup[]): Content {
  return groups.map(({ name, runs }) => {
    const all = runs.map((run) => run.figures.flatMap((f) => f.warnings)).filter((own) => own.length > 0);
    const share =
      runs.length > 1 && html` <span class="soft">(warnings in ${all.length} of ${runs.length} runs)</span>`;
    return all.length > 0 && html`<p class="alert">${name}: ${all[0]![0]}${share}</p>\n`;
  });
}

/** The value of the last iteration for which it was computed. */
function latest(run: RunData, metric: string): number | null | undefined {
  return run.figures.findLast(({ metrics }) => metrics[metric] !== undefined)?.metrics[metric];
}

/** Means over the seeds of each configuration. */
function groupFigures(groups: readonly SeedGroup[]): Content {
  const metrics = metricNames(groups.flatMap(({ runs }) => runs));
  const rows = groups.map(({ name, runs }) => [
    name,
    ...metrics.map((metric) => formatSpread(runs.map((run) => latest(run, metric)))),
  ]);
  return figure(table(["", ...metrics], rows), "Means over seeds ± the standard deviation between them.");
}

function finalFigures(runs: readonly RunData[], names: readonly string[]): Content {
  const metrics = metricNames(runs);
  const rows = runs.map((run, i) => [
    names[i]!,
    run.status?.state ?? "unknown",
    finishedIterations(run),
    formatSeconds(totalSeconds(run)),
    formatNumber(run.observations.count),
    ...metrics.map((metric) => formatNumber(latest(run, metric))),
  ]);
  return table(["run", "state", "iterations", "time", "observations", ...metrics], rows);
}

function charts(runs: readonly RunData[], groups: readonly SeedGroup[]): Content {
  const parts: Content[] = metricNames(runs).map((metric) =>
    iterationChart(
      metric,
      groups.map((group) => groupSeries(group, (run) => curve(run.figures, (f) => f.metrics[metric]))),
    ),
  );
  parts.push(...vitalCharts(groups));
  const seeds =
    groups.length < runs.length &&
    html`<p class="soft">Of runs that differ in their seed alone, lines are means, and bands reach from the least to the greatest.</p>\n`;
  return parts.length > 0 && [seeds, html`<div class="charts">\n${parts}</div>`];
}

function priors(groups: readonly SeedGroup[]): Content {
  const firsts = groups.map(({ name, runs }) => ({ name, run: runs[0]! }));
  const strips = firsts.flatMap(({ name, run }) => {
    const images = resultPictures(run)?.prior;
    if (images === undefined || !isPictured(run) || images.shape[0] === 0) return [];
    return [{ label: name, images, range: latentRange(run) }];
  });
  const others = firsts.map(
    ({ name, run }) => !isPictured(run) && [html`<h3>${name}</h3>`, priorSamples(run)],
  );
  const several = groups.some(({ runs }) => runs.length > 1);
  const pictures =
    strips.length > 0 &&
    figure(
      film(strips),
      html`Samples of each run's resulting prior, unselected, a row for each${several ? " configuration, of its first seed" : " run"}.`,
    );
  return [pictures, others];
}

/** Whether a run's latents are a row of pictures among those of others. */
function isPictured({ observations: { latentShape } }: RunData): boolean {
  return isImage(latentShape) && !isSignal(latentShape);
}

function differences(groups: readonly SeedGroup[]): Content {
  const configs = groups.map(({ runs }): JsonObject => {
    const { config, observations } = runs[0]!;
    const { folder, operator, count, latentShape } = observations;
    const shown = { operator, count, latentShape: [...latentShape] };
    if (runs.length === 1) return { ...config, observations: { folder, ...shown } };
    return { ...config, seed: runs.map((run) => run.config.seed ?? null), observations: shown };
  });
  const names = groups.map(({ name }) => name);
  return differenceTable(names, configs) ?? html`<p>The configurations are the same.</p>`;
}

function notes(groups: readonly SeedGroup[]): Content {
  const all = [...new Set(groups.flatMap(({ runs }) => runs.flatMap((run) => run.notes)))];
  const items = all.map((note) => {
    const holders = groups.filter(({ runs }) => runs.some((run) => run.notes.includes(note)));
    const names = holders.map(({ name }) => name).join(", ");
    return html`<li>${note}${holders.length < groups.length && html` <span class="soft">(${names})</span>`}</li>\n`;
  });
  return items.length > 0 && html`<ul>${items}</ul>`;
}
