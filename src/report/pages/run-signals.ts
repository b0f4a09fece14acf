/** The charts of a run over signals, in place of pictures. */
import { sameShape } from "../../core/shape.ts";
import type { Series } from "../charts/chart.ts";
import { capitalize, count } from "../format.ts";
import { type Content, figure, html, type Markup } from "../html.ts";
import type { Pictures, RunData } from "../read-run.ts";
import { BAND_LEVEL, bandOf, curve, isSignal, MOST_CHANNELS, measurements, signalChart } from "../signals.ts";
import { resultPictures, stageName } from "./run-images.ts";

/** Prior samples drawn one by one beside the band of all. */
const SHOWN_SAMPLES = 2;
/** Observations that a report shows. */
const SHOWN_OBSERVATIONS = 6;

/** Prior samples at the start and of the result: a chart for each channel. */
export function priorSignals(run: RunData): Content {
  const { latentShape, units } = run.observations;
  const figures = startAndResult(run).flatMap((stage): Markup[] => {
    const { prior } = stage;
    if (prior === undefined || prior.shape[0] === 0) return [];
    return channelsOf(latentShape).map((c) => {
      const drawn = Math.min(SHOWN_SAMPLES, prior.shape[0]!);
      const samples = Array.from({ length: drawn }, (_, i) => curve(`sample ${i + 1}`, prior, i, c));
      const series = [bandOf("mean", prior, c), ...samples];
      const caption = html`${capitalize(stageName(stage, run))}: ${count(prior.shape[0]!, "sample")} of the prior, channel ${c} of ${latentShape[0]}. The band holds the central ${100 * BAND_LEVEL} % of them.`;
      return figure(signalChart(series, c, units), caption);
    });
  });
  return figures.length > 0 && html`<div class="charts">\n${figures}</div>`;
}

/** What was measured, the truth where it is known, and posterior samples: a chart for each of the first observations. */
export function gallerySignals(run: RunData): Content {
  const { units, latentShape } = run.observations;
  const { observations, mask, truth } = run.gallery;
  const stages = startAndResult(run).flatMap((stage) => {
    const { posterior } = stage;
    return posterior ? [{ name: stageName(stage, run), posterior }] : [];
  });
  if (stages.length === 0) return null;
  const isAlike = observations && sameShape(observations.shape.slice(1), latentShape);
  const most = Math.min(SHOWN_OBSERVATIONS, ...stages.map(({ posterior }) => posterior.shape[0]!));
  const figures = Array.from({ length: most }, (_, i) => i).flatMap((i) =>
    channelsOf(latentShape).map((c): Markup => {
      const series: Series[] = [
        ...(isAlike && i < observations.shape[0]! ? [measurements(observations, fitting(mask), i, c)] : []),
        ...(truth && i < truth.shape[0]! ? [curve("truth", truth, i, c)] : []),
        ...stages.map(({ name, posterior }) => curve(name, posterior, i, c)),
      ];
      return figure(signalChart(series, c, units), `Observation ${i}: one posterior sample of each stage.`);
    }),
  );
  const note = truth && " The truth is shown for comparison only; training never sees it.";
  return html`<p class="soft">Dots: what was measured, where observations are like latents.${note}</p>\n<div class="charts">\n${figures}</div>`;
}

/** A mask of signals; one of other axes, as [n, L], is not drawn. */
function fitting(mask: RunData["gallery"]["mask"]) {
  return mask && isSignal(mask.shape.slice(1)) ? mask : undefined;
}

function startAndResult(run: RunData): Pictures[] {
  const [start] = run.pictures;
  const result = resultPictures(run);
  return [...new Set([start, result])].filter((stage) => stage !== undefined);
}

function channelsOf([C = 0]: readonly number[]): number[] {
  return Array.from({ length: Math.min(C, MOST_CHANNELS) }, (_, c) => c);
}
