/** Samples of the prior. */
import { Rng } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import { drawAll } from "../src/inference/draw-source.ts";
import { compilePrior } from "../src/inference/prior.ts";
import type { EngineOptions } from "../src/runtime/engine.ts";
import type { CarriedPrior } from "../src/web/prior-file.ts";
import { fill, make, numberField, workBar } from "./elements.ts";
import { draw, limitsOf } from "./pictures.ts";

/** Samples at once. */
const COUNT = 16;

/** A section that draws samples: those of `diem sample` with the same seed. */
export function priorSection(
  { model, eStep, priorSteps }: CarriedPrior,
  device: NonNullable<EngineOptions["device"]>,
): HTMLElement {
  const seed = numberField("seed", "Seed", 0, 0);
  const grid = make("div", { className: "draws", id: "samples" });
  const bar = workBar("sample", `Draw ${COUNT} samples`, async ({ signal, tell }) => {
    const choice = { ...eStep, steps: priorSteps, batch: COUNT };
    await using source = await compilePrior(model, choice, { device, threads: 1 });
    const rng = new Rng(seed.read());
    const { data } = await drawAll(source, [0, COUNT], {
      stream: (index) => rng.split("sample", index),
      signal,
      onEvent: ({ done, total }) => tell(done / total),
    });
    showRows(grid, data, model.network.shape, model.limits ?? limitsOf(data));
    return `${COUNT} samples, ${priorSteps} steps each.`;
  });
  return make("section", {}, [
    make("h2", {}, ["Samples of the prior"]),
    make("div", { className: "tools" }, [seed.labelled]),
    bar,
    grid,
  ]);
}

/** Latents one after the other, each on a canvas of its own; with all values beside them, for programs. */
export function showRows(
  into: HTMLElement,
  data: Float32Array,
  shape: readonly number[],
  limits: readonly [number, number],
): void {
  const size = sizeOf(shape);
  const canvases = Array.from({ length: data.length / size }, (_, i) => {
    const canvas = make("canvas");
    draw(canvas, data.subarray(i * size, (i + 1) * size), shape, limits);
    return canvas;
  });
  fill(into, canvases);
  (into as HTMLElement & { values?: Float32Array }).values = data;
}
