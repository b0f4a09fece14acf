/** The pictures of a run over images, or slices of volumes. */
import type { HostArray } from "../../core/array.ts";
import { sameShape } from "../../core/shape.ts";
import { formatTick } from "../format.ts";
import { type Content, figure, html } from "../html.ts";
import { film, grid, isImage, rangeOf, type Strip } from "../pictures.ts";
import type { Range } from "../png.ts";
import type { Pictures, RunData } from "../read-run.ts";

/** What black and white stand for: the range of the data if known, else of the latest samples. */
export function latentRange(run: RunData): Range {
  const last = run.pictures.at(-1);
  return rangeOf(run.observations.range, [run.gallery.truth, last?.prior, last?.posterior]);
}

/** "start" or "iteration 3"; the result is named where another iteration came after it. */
export function stageName({ iteration }: Pictures, { result, figures }: RunData): string {
  const name = iteration === 0 ? "start" : `iteration ${iteration}`;
  return iteration === result && iteration !== figures.at(-1)?.iteration ? `${name} (result)` : name;
}

/** Pictures of the result, or the last that were drawn. */
export function resultPictures(run: RunData): Pictures | undefined {
  return run.pictures.find(({ iteration }) => iteration === run.result) ?? run.pictures.at(-1);
}

/** Prior samples, a row for each of some iterations. */
export function priorFilm(run: RunData): Content {
  const strips = stages(run, ({ prior }) => prior);
  if (strips.length === 0) return null;
  const caption = html`Samples of the prior, drawn by the denoiser of each stage. The same noise seeds are used each time, so a column shows what becomes of one seed. ${scaleNote(run)}`;
  return figure(film(strips), caption);
}

/** More prior samples of the result than the film has room for. */
export function resultPrior(run: RunData): Content {
  const { prior, iteration } = resultPictures(run) ?? {};
  if (prior === undefined || iteration === 0 || prior.shape[0]! <= 12) return null;
  const { figure: picture, shown } = grid(prior, latentRange(run));
  return figure(picture, `${shown} samples of the prior after iteration ${iteration}, unselected.`);
}

/** Observations, the truth where it is known, and posterior samples below each other. */
export function galleryFilm(run: RunData): Content {
  const { observations, mask, truth } = run.gallery;
  const above: Strip[] = [];
  const sentences: string[] = [];
  if (observations && isImage(observations.shape.slice(1))) {
    const alike = sameShape(observations.shape.slice(1), run.observations.latentShape);
    const range = alike ? latentRange(run) : rangeOf(undefined, [observations]);
    const fits = mask && fitsImages(mask, observations);
    above.push({ label: "observation", images: observations, range, mask: fits ? mask : undefined });
    if (fits) sentences.push("Blue: not observed.");
    if (!alike)
      sentences.push(
        `Observations: black is ${formatTick(round(range[0]))}, white ${formatTick(round(range[1]))}.`,
      );
  } else if (observations) {
    sentences.push(
      `Observations have the shape ${observations.shape.slice(1).join(" × ")} and are not drawn.`,
    );
  }
  if (truth) {
    above.push({ label: "truth", images: truth, range: latentRange(run) });
    sentences.push("The truth is shown for comparison only; training never sees it.");
  }
  const below = stages(run, ({ posterior }) => posterior);
  const strips = [
    ...above.slice(0, -1),
    ...above.slice(-1).map((s) => ({ ...s, breakAfter: true })),
    ...below,
  ];
  if (strips.length === 0) return null;
  const caption = html`One posterior sample x given y for each observation and stage. ${sentences.join(" ")} ${scaleNote(run)}`;
  return figure(film(strips), caption);
}

function stages(run: RunData, pick: (p: Pictures) => HostArray<"float32"> | undefined): Strip[] {
  const range = latentRange(run);
  return run.pictures.flatMap((stage) => {
    const images = pick(stage);
    return images && images.shape[0]! > 0 ? [{ label: stageName(stage, run), images, range }] : [];
  });
}

function scaleNote(run: RunData): string {
  const [lo, hi] = latentRange(run).map(round);
  const { units, latentShape } = run.observations;
  const [channels, depth] = latentShape.length === 2 ? [1] : latentShape;
  const which =
    (latentShape.length === 4 ? ` Slice ${depth! >> 1} of ${depth} is drawn.` : "") +
    (channels === 1 || channels === 3 ? "" : ` Channel 0 of ${channels} is drawn.`);
  const shown = [...run.pictures.flatMap(({ prior, posterior }) => [prior, posterior]), run.gallery.truth];
  const broken = shown.some((array) => array?.data.some((v) => !Number.isFinite(v)));
  const alert = broken ? " Magenta: not finite." : "";
  return `Black is ${formatTick(lo!)}, white ${formatTick(hi!)}${units ? ` ${units}` : ""}.${which}${alert}`;
}

function fitsImages(mask: HostArray, images: HostArray): boolean {
  const [axes, own] = [images.shape.length, mask.shape.length];
  const isVolume = axes === 5;
  return (
    mask.shape[0] === images.shape[0] &&
    sameShape(mask.shape.slice(isVolume ? 2 : -2), images.shape.slice(isVolume ? 2 : -2)) &&
    (isVolume ? own === axes : own === 3 || own === 4)
  );
}

const round = (value: number) => Number(value.toPrecision(3));
