/** Curves over EM iterations, from the figures of one run or of several. */

import { isLowerBound } from "../../trust/evidence.ts";
import { capitalize, type Missing } from "../format.ts";
import { figure, html, type Markup } from "../html.ts";
import { groupSeries, type SeedGroup } from "../pages/seed-groups.ts";
import type { Figures, RunData } from "../read-run.ts";
import { lineChart, type Point, type Series } from "./chart.ts";

export const ITERATION_AXIS = { title: "EM iteration (0 is the start)", integer: true } as const;
/** Points of a loss curve; beyond them every k-th is drawn. */
const MAX_LOSS_POINTS = 600;
/** Where values spread over more than this factor, the axis is logarithmic. */
const LOG_SPREAD = 12;

/** The names of all metrics of all runs, in order of appearance. */
export function metricNames(runs: readonly RunData[]): string[] {
  return [...new Set(runs.flatMap((run) => run.figures.flatMap((f) => Object.keys(f.metrics))))];
}

/** Points of the iterations for which a value was computed; null, a value that was not finite, is a gap. */
export function curve(figures: readonly Figures[], value: (f: Figures) => number | Missing): Point[] {
  return figures.flatMap((f): Point[] => {
    const found = value(f);
    return found === undefined ? [] : [[f.iteration, found]];
  });
}

/** True if the values are positive and spread widely. */
export function wantsLog(series: readonly Series[]): boolean {
  const values = series.flatMap((s) => s.points.map(([, y]) => y)).filter((y) => typeof y === "number");
  const lo = Math.min(...values);
  return lo > 0 && Math.max(...values) / lo > LOG_SPREAD;
}

/** Whether less or more of a metric is good, where its name tells. */
export function direction(metric: string): string | undefined {
  if (/distance|divergence|sinkhorn|error|\bfid\b|\bmse\b|lpips|wasserstein/i.test(metric))
    return "lower is better";
  if (/psnr|ssim|likelihood|inception score/i.test(metric)) return "higher is better";
  return undefined;
}

/** Metrics that differ only in whether prior or posterior samples are judged share a chart. */
export function metricCharts(run: RunData): Markup[] {
  const groups = new Map<string, string[]>();
  for (const name of metricNames([run])) {
    const subject = name.replace(/^(prior|posterior)\s+/i, "");
    groups.set(subject, [...(groups.get(subject) ?? []), name]);
  }
  return [...groups].map(([subject, names]) => {
    const series = names.map((name) => ({ name, points: curve(run.figures, (f) => f.metrics[name]) }));
    return iterationChart(names.length === 1 ? names[0]! : subject, series);
  });
}

/** A figure of series over EM iterations. */
export function iterationChart(title: string, series: readonly Series[]): Markup {
  const hint = direction(title);
  const chart = lineChart({ x: ITERATION_AXIS, y: { title, log: wantsLog(series) }, series });
  return figure(chart, html`${capitalize(title)}${hint && `; ${hint}`}.`);
}

/** Training loss over the optimizer steps of all iterations, with a gap where a new iteration changes the target. */
export function lossPoints(figures: readonly Figures[]): Point[] {
  const trained = figures.filter(({ loss }) => loss.length > 0);
  const first = (f: Figures) => f.loss[0]![0];
  const last = (f: Figures) => f.loss.at(-1)![0];
  const restarts = trained.some((f, i) => i > 0 && first(f) <= last(trained[i - 1]!));
  const points: Point[] = [];
  let offset = 0;
  for (const f of trained) {
    if (points.length > 0) points.push([first(f) + offset, null]);
    for (const [step, value] of f.loss) points.push([step + offset, value]);
    if (restarts) offset += Math.max(last(f), f.mStep.steps ?? 0);
  }
  const every = Math.ceil(points.length / MAX_LOSS_POINTS);
  return points.filter(([, value], i) => value === null || i % every === 0);
}

/** What needs no truth, over the iterations: held-out scores, evidence, noise, residuals and spreads, as far as they were measured. */
export function vitalCharts(groups: readonly SeedGroup[]): Markup[] {
  return VITALS.flatMap(({ value, title, label, caption }) => {
    const series = groups.map((group) => groupSeries(group, (run) => curve(run.figures, value)));
    if (!series.some(({ points }) => points.some(([, y]) => typeof y === "number"))) return [];
    const y = { title, log: wantsLog(series) };
    const reference = label && { reference: { y: 1, label } };
    return [figure(lineChart({ x: ITERATION_AXIS, y, series, ...reference }), caption)];
  });
}

const VITALS = [
  {
    value: (f: Figures) => f.heldOut.score,
    title: "held-out score",
    label: undefined,
    caption:
      "How well measured numbers are predicted from the other numbers of observations that training never saw (CRPS over the deviation that the Gaussian start expects; about 0.56 tells nothing). Lower is better. The result is the latest iteration that is not certainly worse than the lowest.",
  },
  {
    value: (f: Figures) => (isLowerBound(f.evidence.slack) ? null : f.evidence.mean),
    title: "evidence",
    label: undefined,
    caption:
      "Natural logarithm of the density that the prior gives to observations that training never saw, per measured number: of the Gaussian start in closed form, of networks' priors along posterior samples. Higher is better. Iterations of which it is a lower bound only, because moment matching guides badly, are gaps.",
  },
  {
    value: (f: Figures) => f.noise.scale,
    title: "noise / stated",
    label: "1: as stated",
    caption:
      "Estimated variance of the noise over the one that the observations state (em.noise): what the Gaussian start implies, then changed where draws contradict it.",
  },
  {
    value: (f: Figures) => f.eStep.residual,
    title: "residual / noise",
    label: "1: as large as the noise",
    caption:
      "E-step residual: root mean square of (y - A x) over the noise's standard deviation. Samples of the right posterior give 1; less where the sampler's last level (schedule.sigmaMin) exceeds the noise, as in the demo.",
  },
  {
    value: (f: Figures) => f.eStep.spread,
    title: "spread of draws / spread of data",
    label: "1: as wide as the observations",
    caption:
      "Spread: how widely draws, seen through the operators of other observations, scatter where the Gaussian start expects little, relative to what was observed there. A steady rise is noise or stripes that build up from iteration to iteration.",
  },
] as const;
