/** The report of the experiment. */
import { lineChart, type Series } from "../../src/report/charts/chart.ts";
import { ITERATION_AXIS } from "../../src/report/charts/curves.ts";
import { count, formatNumber, formatSeconds } from "../../src/report/format.ts";
import { type Content, figure, html, page, section, table } from "../../src/report/html.ts";
import { film, grid, type Strip } from "../../src/report/pictures.ts";
import type { RunData } from "../../src/report/read-run.ts";
import { RANGE } from "./figures.ts";
import { COMPARED, type Compared } from "./recipes.ts";
import type { RunOutcome } from "./run.ts";

/** What table 1 of the paper says of 32 x 32 images after 32 iterations on GPUs: another scale, the same order. */
const PUBLISHED_FID: Readonly<Record<Compared, number>> = {
  tweedie: 19.56,
  identity: 49.45,
  "sigma-t": 125.58,
};
const NAMES: Readonly<Record<Compared, string>> = {
  tweedie: "Tweedie",
  identity: "(I + Σt⁻¹)⁻¹",
  "sigma-t": "Σt",
};

export interface Cifar10Results {
  readonly outcomes: readonly RunOutcome[];
  /** The run folders of the outcomes. */
  readonly runs: readonly RunData[];
  /** Distance of clean images that no prior has seen. */
  readonly others: number | undefined;
}

export function cifar10Page(results: Cifar10Results): string {
  const { outcomes, runs } = results;
  const shape = runs[0]!.observations.latentShape.join(" × ");
  return page("Corrupted CIFAR-10", [
    html`<header><h1>Corrupted CIFAR-10: three covariances compared</h1>
<p class="lead">Priors over images of shape ${shape}, learned from ${count(runs[0]!.observations.count, "observation")} of which most pixels are missing, after the same work.</p></header>\n`,
    section("Distance of prior samples", distances(results), course(results)),
    section("Prior samples", samples(results)),
    section("Corrupted data and posterior draws", posteriors(results)),
    section("Runs", work(outcomes)),
    section("Notes", html`<ul>${runs[0]!.notes.map((note) => html`<li>${note}</li>\n`)}</ul>`),
  ]);
}

/** The runs of each covariance that was run, in the order of table 1. */
function groups({ outcomes, runs }: Cifar10Results) {
  return (Object.keys(COMPARED) as Compared[]).flatMap((covariance) => {
    const members = outcomes.flatMap((outcome, i) =>
      outcome.covariance === covariance ? [{ outcome, run: runs[i]! }] : [],
    );
    return members.length > 0 ? [{ covariance, name: NAMES[covariance], members }] : [];
  });
}

function distances(results: Cifar10Results): Content {
  const { others } = results;
  const isFid = distanceName(results) === "FID";
  const rows = groups(results).map(({ covariance, name, members }) => {
    const values = members.map(({ outcome }) => outcome.distances.at(-1)![1]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const score = members[0]!.outcome.metrics["prior inception score"];
    return [
      name,
      html`<b>${formatNumber(mean)}</b>`,
      values.map(formatNumber).join(", "),
      ...(isFid ? [formatNumber(score)] : []),
      PUBLISHED_FID[covariance].toFixed(2),
    ];
  });
  const head = [
    "V[x | x_t]",
    `${distanceName(results)}, mean`,
    "each seed",
    ...(isFid ? ["inception score, first seed"] : []),
    "published FID (CIFAR-10, 32 iterations)",
  ];
  const floor =
    others !== undefined &&
    ` Clean images that no prior has seen are at ${formatNumber(others)}, which no prior can be expected to pass.`;
  const caption = html`Prior samples of the last iteration against the clean training images; lower is better.${floor} Published figures are of other images, sizes and features: only their order can be compared.`;
  return figure(table(head, rows), caption);
}

function distanceName({ outcomes }: Cifar10Results): string {
  return Object.keys(outcomes[0]!.metrics).includes("prior FID") ? "FID" : "Frechet distance";
}

/** As figure 4: the mean over the seeds, and a band from the least to the greatest. */
function course(results: Cifar10Results): Content {
  const series = groups(results).map(({ name, members }): Series => {
    const iterations = members[0]!.outcome.distances.map(([iteration]) => iteration);
    const at = (k: number) => members.map(({ outcome }) => outcome.distances[k]![1]);
    const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
    return {
      name,
      points: iterations.map((iteration, k) => [iteration, mean(at(k))]),
      ...(members.length > 1 && {
        band: iterations.map((iteration, k) => [iteration, Math.min(...at(k)), Math.max(...at(k))] as const),
      }),
    };
  });
  const chart = lineChart({ x: ITERATION_AXIS, y: { title: distanceName(results), log: true }, series });
  return figure(
    chart,
    "Distance of prior samples over the EM iterations, as figure 4 of the paper: lines are means over the seeds, bands reach from the best to the worst seed.",
  );
}

function samples(results: Cifar10Results): Content {
  return groups(results).map(({ name, members }) => {
    const prior = members[0]!.run.pictures.at(-1)?.prior;
    if (prior === undefined) return null;
    const { figure: picture, shown } = grid(prior, RANGE);
    return figure(
      picture,
      `${name}: ${shown} samples of the prior after the last iteration, first seed, unselected.`,
    );
  });
}

function posteriors(results: Cifar10Results): Content {
  const all = groups(results);
  const { gallery } = all[0]!.members[0]!.run;
  const strips: Strip[] = [];
  if (gallery.observations)
    strips.push({ label: "observation", images: gallery.observations, range: RANGE, mask: gallery.mask });
  if (gallery.truth) strips.push({ label: "truth", images: gallery.truth, range: RANGE, breakAfter: true });
  for (const { name, members } of all) {
    const drawn = members[0]!.run.pictures.filter(({ posterior }) => posterior !== undefined);
    drawn.forEach(({ iteration, posterior }, i) => {
      const label = iteration === 0 ? `${name}: start` : `${name}: iteration ${iteration}`;
      strips.push({ label, images: posterior!, range: RANGE, breakAfter: i === drawn.length - 1 });
    });
  }
  return figure(
    film(strips),
    "First seed: observations (blue: deleted), the truth, which training never sees, and a posterior draw for each over the iterations, as figures 8 to 10 of the paper.",
  );
}

function work(outcomes: readonly RunOutcome[]): Content {
  const rows = outcomes.map(({ covariance, seed, work, seconds, metrics, warnings, folder }) => [
    html`<a href="runs/${folder.split("/").at(-1)!}/report.html">${NAMES[covariance]}, seed ${seed}</a>`,
    work.iterations,
    formatNumber(work.draws),
    formatNumber(work.optimizerSteps),
    ...Object.entries(metrics)
      .filter(([name]) => name.startsWith("posterior "))
      .map(([, value]) => formatNumber(value)),
    warnings.length,
    formatSeconds(seconds),
  ]);
  const posterior = Object.keys(outcomes[0]!.metrics).filter((name) => name.startsWith("posterior "));
  const head = ["run", "iterations", "draws", "optimizer steps", ...posterior, "warnings", "time"];
  return figure(
    table(head, rows),
    html`Every run draws and trains as much; one step of the solver costs each covariance one vector-Jacobian product. Times include figures and depend on what else the machine did. <a href="comparison.html">The runs compared</a>.`,
  );
}
