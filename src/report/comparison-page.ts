/** The page that compares several runs: figures in a table, each figure's curves in one plot, samples, settings. */
import { differenceTable } from "./configuration.ts";
import { curve, iterationChart, metricNames, residualChart } from "./curves.ts";
import type { JsonObject } from "./fields.ts";
import { count, formatNumber, formatSeconds } from "./format.ts";
import { type Content, figure, html, page, section, table } from "./html.ts";
import { film, isImage } from "./pictures.ts";
import type { RunData } from "./read-run.ts";
import { latentRange } from "./run-images.ts";
import { finishedIterations, totalSeconds } from "./run-page.ts";
import { priorCorners } from "./run-vectors.ts";

export function comparisonPage(runs: readonly RunData[]): string {
  const names = labelsOf(runs);
  return page(`${names.join(", ")}: comparison`, [
    html`<header><h1>${count(runs.length, "run")} compared</h1>
<p class="lead">${names.join(" · ")}</p>
<p class="soft">Each run learned a diffusion prior from observations y = A x + noise by expectation maximization.</p></header>\n`,
    section("Final figures", finalFigures(runs, names)),
    section("Figures over the iterations", charts(runs, names)),
    section("Prior samples of the last iteration", priors(runs, names)),
    section("Differences of configuration", differences(runs, names)),
    section("Notes", notes(runs, names)),
    html`<p class="soft" style="margin-top:40px">From ${runs.map(({ folder }) => folder).join(", ")}.</p>`,
  ]);
}

/** The names of the runs; runs of the same name are told apart by their folder. */
export function labelsOf(runs: readonly RunData[]): string[] {
  const isUnique = (name: string) => runs.filter((run) => run.name === name).length === 1;
  return runs.map(({ name, folder }) => (isUnique(name) ? name : `${name} (${folder})`));
}

function finalFigures(runs: readonly RunData[], names: readonly string[]): Content {
  const metrics = metricNames(runs);
  const rows = runs.map((run, i) => {
    const last = run.figures.at(-1);
    return [
      names[i]!,
      run.status?.state ?? "unknown",
      finishedIterations(run),
      formatSeconds(totalSeconds(run)),
      formatNumber(run.observations.count),
      ...metrics.map((name) => formatNumber(last?.metrics[name])),
    ];
  });
  return table(["run", "state", "iterations", "time", "observations", ...metrics], rows);
}

function charts(runs: readonly RunData[], names: readonly string[]): Content {
  const parts: Content[] = metricNames(runs).map((metric) => {
    const points = (run: RunData) => curve(run.figures, (f) => f.metrics[metric]);
    return iterationChart(
      metric,
      runs.map((run, i) => ({ name: names[i]!, points: points(run) })),
    );
  });
  parts.push(residualChart(runs, names));
  return parts.length > 0 && html`<div class="charts">\n${parts}</div>`;
}

function priors(runs: readonly RunData[], names: readonly string[]): Content {
  const strips = runs.flatMap((run, i) => {
    const images = run.pictures.at(-1)?.prior;
    if (images === undefined || !isImage(run.observations.latentShape) || images.shape[0] === 0) return [];
    return [{ label: names[i]!, images, range: latentRange(run) }];
  });
  const vectors = runs.map(
    (run, i) => !isImage(run.observations.latentShape) && [html`<h3>${names[i]}</h3>`, priorCorners(run)],
  );
  const pictures =
    strips.length > 0 &&
    figure(film(strips), "Samples of each run's latest prior, unselected, a row for each run.");
  return [pictures, vectors];
}

function differences(runs: readonly RunData[], names: readonly string[]): Content {
  const configs = runs.map(({ config, observations: { path, operator, count, latentShape } }): JsonObject => {
    return { ...config, observations: { path, operator, count, latentShape: [...latentShape] } };
  });
  return differenceTable(names, configs) ?? html`<p>The configurations are the same.</p>`;
}

function notes(runs: readonly RunData[], names: readonly string[]): Content {
  const all = [...new Set(runs.flatMap((run) => run.notes))];
  const items = all.map((note) => {
    const holders = names.filter((_, i) => runs[i]!.notes.includes(note));
    return html`<li>${note}${holders.length < runs.length && html` <span class="soft">(${holders.join(", ")})</span>`}</li>\n`;
  });
  return items.length > 0 && html`<ul>${items}</ul>`;
}
