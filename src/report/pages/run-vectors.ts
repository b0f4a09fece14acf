/** The corner plots of a run over vectors, in place of pictures. */
import type { HostArray } from "../../core/array.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { cornerPlot, cornerRanges, MAX_AXES } from "../charts/scatter.ts";
import { capitalize, count } from "../format.ts";
import { type Content, figure, html, type Markup } from "../html.ts";
import type { Pictures, RunData } from "../read-run.ts";
import { resultPictures, stageName } from "./run-images.ts";

/** Corner plots of up to this many axes are small enough for three in a row. */
const ROOM_FOR_MIDDLE = 3;

/** Prior samples at the start, where there is room of an iteration between, and of the result, on the same axes. */
export function priorCorners(run: RunData): Content {
  return corners(run, ({ prior }) => prior, "of the prior");
}

/** Posterior samples of the gallery, one for each observation, likewise. */
export function posteriorCorners(run: RunData): Content {
  return corners(
    run,
    ({ posterior }) => posterior,
    "of the posterior, one for each observation of the gallery",
  );
}

/** A corner plot of [n, ...latent] as a figure; arrays of more axes are flattened. */
function corners(
  run: RunData,
  pick: (p: Pictures) => HostArray<"float32"> | undefined,
  what: string,
): Content {
  const stages = run.pictures.flatMap((stage) => {
    const samples = pick(stage);
    return samples ? [{ stage, samples: flat(samples) }] : [];
  });
  if (stages.length === 0) return null;
  const result = Math.max(
    stages.findIndex(({ stage }) => stage === resultPictures(run)),
    0,
  );
  const middle = stages[0]!.samples.shape[1]! <= ROOM_FOR_MIDDLE ? [Math.ceil(result / 2)] : [];
  const chosen = [...new Set([0, ...middle, result])].map((i) => stages[i]!);
  const truth = run.gallery.truth && flat(run.gallery.truth);
  const ranges = cornerRanges([chosen.at(-1)!.samples, ...(truth ? [truth] : [chosen[0]!.samples])]);
  const figures = chosen.map(({ stage, samples }): Markup => {
    const caption = html`${capitalize(stageName(stage, run))}: ${count(samples.shape[0]!, "sample")} ${what}.`;
    return figure(cornerPlot(samples, { truth, ranges }), caption);
  });
  const { latentShape, units } = run.observations;
  const D = sizeOf(latentShape);
  const left = D > MAX_AXES && ` The first ${MAX_AXES} of ${D} dimensions.`;
  const mirror =
    truth &&
    html` Orange, above the diagonal: ${count(truth.shape[0]!, "true latent")}, for comparison only; training never sees them.`;
  return html`<p class="soft">Blue, below the diagonal: samples.${mirror}${left} Diagonal: the density of each dimension.${units && ` Axes are in ${units}.`}</p>
<div class="corners">\n${figures}</div>`;
}

function flat(array: HostArray<"float32">): HostArray<"float32"> {
  const [n = 0, ...shape] = array.shape as Shape;
  return { ...array, shape: [n, sizeOf(shape)] };
}
