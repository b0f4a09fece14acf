/** Posterior draws for an observation that is painted or loaded: some entries of a latent with noise, the others missing. */
import { float32, type HostArray } from "../src/core/array.ts";
import { Rng } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import { toUser } from "../src/data/observations/coordinates.ts";
import { observationKind } from "../src/data/observations/observation-kind.ts";
import { drawAll } from "../src/inference/draw-source.ts";
import { compileGuided } from "../src/inference/posterior.ts";
import { compilePrior } from "../src/inference/prior.ts";
import type { EngineOptions } from "../src/runtime/engine.ts";
import type { CarriedPrior } from "../src/web/prior-file.ts";
import { fill, make, numberField, type Work, workBar } from "./elements.ts";
import { latentFiles } from "./files.ts";
import { brush, type Observation } from "./paint.ts";
import { draw, imageOf, limitsOf } from "./pictures.ts";
import { showRows } from "./samples.ts";

/** Posterior draws of an observation. */
const COUNT = 16;
/** Screen pixels of a painted image. */
const PAINTED = 280;

type Device = NonNullable<EngineOptions["device"]>;

/** A section where an observation is made, and draws of its posterior with their mean and deviation. */
export function posteriorSection(prior: CarriedPrior, device: Device): HTMLElement {
  const { model } = prior;
  const { shape } = model.network;
  const { coordinates } = model;
  const typical = coordinates ? coordinates.noise * coordinates.scale.data[0]! : 0.1;
  const noise = numberField("noise", "Deviation of the noise", Number(typical.toPrecision(2)), 0);
  const limits = () => model.limits ?? limitsOf(observation.y.filter((_, at) => observation.mask[at] === 1));
  const observation: Observation = {
    y: toUser(coordinates, model.gaussian.mean).data.slice(),
    mask: new Float32Array(sizeOf(shape)).fill(1),
  };
  const canvas = make("canvas", { id: "paint" });
  const show = () => {
    const seen = observation.y.map((value, at) => (observation.mask[at] === 1 ? value : Number.NaN));
    draw(canvas, seen, shape, limits(), Math.max(1, Math.floor(PAINTED / (imageOf(shape)?.[1] ?? 1))));
  };
  const take = ({ y, mask }: Observation) => {
    observation.y.set(y);
    observation.mask.set(mask);
    show();
  };
  const results = make("div", { id: "posterior" });
  const parts = [
    make("h2", {}, ["Posterior of an observation"]),
    make("p", {}, [
      "Take a sample of the prior or files (.npy; y may be NaN where nothing was measured), delete what shall be unknown, and draw what may have been there.",
    ]),
    workBar("take", "Take a sample", async ({ signal, tell }) => {
      const y = await sampleOne(prior, device, { signal, tell });
      take({ y, mask: observation.mask.fill(1) });
      return "";
    }),
    make("div", { className: "tools" }, [...latentFiles(shape, take), noise.labelled]),
    ...brush(canvas, observation, shape, limits, show),
    canvas,
    workBar("reconstruct", `Draw ${COUNT} from the posterior`, async (work) => {
      const deviation = noise.read();
      if (!(deviation > 0)) throw new Error("Deviation of the noise: a number above 0 is expected.");
      const draws = await reconstruct(prior, device, observation, deviation ** 2, work);
      showPosterior(results, draws, shape, limits());
      return `${COUNT} draws.`;
    }),
    results,
  ];
  show();
  return make("section", {}, parts);
}

async function sampleOne(
  { model, eStep, priorSteps }: CarriedPrior,
  device: Device,
  { signal, tell }: Work,
): Promise<Float32Array> {
  await using source = await compilePrior(
    model,
    { ...eStep, steps: priorSteps, batch: 1 },
    { device, threads: 1 },
  );
  const rng = new Rng(performance.now() | 0);
  const onEvent = ({ done, total }: { done: number; total: number }) => tell(done / total);
  return (await drawAll(source, [0, 1], { stream: () => rng, signal, onEvent })).data;
}

/** Draws q(x | y) for a mask [COUNT, ...latent], as `diem reconstruct` makes them for COUNT observations that are the same. */
async function reconstruct(
  { model, eStep }: CarriedPrior,
  device: Device,
  { y, mask }: Observation,
  noiseVariance: number,
  { signal, tell }: Work,
): Promise<HostArray<"float32">> {
  const { shape } = model.network;
  const kind = observationKind({
    format: "diem-observations",
    version: 1,
    operator: { name: "mask", maskShape: shape },
    latentShape: shape,
    observationShape: shape,
    noiseVariance,
  });
  const repeated = (values: Float32Array, n: number) => {
    const out = new Float32Array(n * values.length);
    for (let i = 0; i < n; i++) out.set(values, i * values.length);
    return float32(out, [n, ...shape]);
  };
  const measured = y.map((value, at) => (mask[at] === 1 ? value : 0));
  const read = async (start: number, end: number) => ({
    y: repeated(measured, end - start),
    data: { mask: repeated(mask, end - start) },
  });
  const choice = { ...eStep, batch: COUNT };
  await using source = await compileGuided(model, { ...kind, read }, choice, { device, threads: 1 });
  const rng = new Rng(0);
  return await drawAll(source, [0, COUNT], {
    stream: (index) => rng.split("reconstruct", index, 0),
    signal,
    onEvent: ({ done, total }) => tell(done / total),
  });
}

function showPosterior(
  into: HTMLElement,
  { data }: HostArray<"float32">,
  shape: readonly number[],
  limits: readonly [number, number],
): void {
  const size = sizeOf(shape);
  const mean = new Float32Array(size);
  const deviation = new Float32Array(size);
  for (let at = 0; at < data.length; at++) mean[at % size]! += data[at]! / COUNT;
  for (let at = 0; at < data.length; at++)
    deviation[at % size]! += (data[at]! - mean[at % size]!) ** 2 / (COUNT - 1);
  for (let at = 0; at < size; at++) deviation[at] = Math.sqrt(deviation[at]!);
  const zoom = Math.max(1, Math.floor(PAINTED / 2 / (imageOf(shape)?.[1] ?? 1)));
  const figure = (id: string, values: Float32Array, within: readonly [number, number], caption: string) => {
    const canvas = make("canvas", { id });
    draw(canvas, values, shape, within, zoom);
    return make("figure", {}, [canvas, make("figcaption", {}, [caption])]);
  };
  const rows = make("div", { className: "draws", id: "draws" });
  showRows(rows, data, shape, limits);
  const [, most] = limitsOf(deviation);
  fill(into, [
    make("div", { className: "row" }, [
      figure("mean", mean, limits, "Mean"),
      figure("deviation", deviation, [0, most], `Standard deviation, up to ${most.toPrecision(2)}`),
    ]),
    rows,
  ]);
}
