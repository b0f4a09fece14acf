/** What is exported, as graphs for n samples in the user's units. */

import { float32, hostArray } from "../../core/array.ts";
import { ConfigError } from "../../core/errors.ts";
import { flatten, type Tree } from "../../core/tree.ts";
import { kindInCoordinates } from "../../data/observations/coordinates.ts";
import {
  bindMeasurement,
  type MeasurementInputs,
  measurementInputs,
} from "../../data/observations/measurement.ts";
import type { ObservationKind } from "../../data/observations/observations.ts";
import { type Denoiser, perSample } from "../../diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants } from "../../diffusion/gaussian.ts";
import { type SamplerProgram, samplerProgram } from "../../diffusion/sampler-program.ts";
import { noiseLevels } from "../../diffusion/schedule.ts";
import {
  add,
  constant,
  div,
  expand,
  gather,
  greaterOrEqual,
  input,
  integers,
  matmul,
  mul,
  reshape,
  scalar,
  slice,
  sqrt,
  type Tensor,
  where,
} from "../../graph/index.ts";
import type { Named } from "../../graph/onnx/write.ts";
import { substitute } from "../../graph/traverse.ts";
import { gaussianGuided } from "../../posterior/gaussian-guided.ts";
import { samplerMethod } from "../choice.ts";
import { limited, type Model, modelDenoiser } from "../model.ts";
import { type PosteriorChoice, posteriorDenoiser } from "../posterior-denoiser.ts";
import type { PriorChoice } from "../prior.ts";
import { acrossBorder, borderOf } from "./border.ts";

/** A graph whose inputs and outputs have names. */
export interface NamedGraph {
  readonly inputs: Named;
  readonly outputs: Named;
}

/** (x, sigma) -> mean = E[x_0 | x], without the limits of the data's range, which samplers apply. */
export function denoiserGraph(model: Model, n: number): NamedGraph {
  const { shape } = model.network;
  const [x, sigma] = [input([n, ...shape]), input([n])];
  const denoiser = acrossBorder(modelDenoiser(model), borderOf(model.coordinates, shape));
  return { inputs: { x, sigma }, outputs: { mean: denoiser(x, sigma) } };
}

/**
 * (x, sigma, y, the operator's data) -> mean = E[x_0 | x, y], as the E-step's steps ask for it: Jacobian, solver and limits
 * inside. Particles, which are no denoiser, are left out.
 */
export function posteriorGraph(
  model: Model,
  kind: ObservationKind,
  choice: PosteriorChoice,
  n: number,
): NamedGraph {
  const { coordinates, network, gaussian } = model;
  const border = borderOf(coordinates, network.shape);
  const [x, sigma] = [input([n, ...network.shape]), input([n])];
  const observed = measurementInputs(kind, n);
  const measurement = bindMeasurement(
    coordinates ? kindInCoordinates(kind, coordinates) : kind,
    inUnits(observed, border.unit),
  );
  const denoiser = modelDenoiser(model);
  const guided = posteriorDenoiser(denoiser, measurement, choice, gaussian);
  const chosen = belowLevel(
    choice.gaussianBelow,
    border.unit,
    gaussianGuided(denoiser, measurement, gaussian),
    guided,
  );
  const posterior = acrossBorder(limited(chosen, model), border);
  const { y, data, noiseVariance } = observed;
  const own = { x, sigma, y, ...(noiseVariance && { noise_variance: noiseVariance }) };
  const taken = [...Object.keys(own), "mean"].find((name) => Object.hasOwn(data, name));
  if (taken !== undefined)
    throw new ConfigError(
      `export: expected an operator whose data are not called ${taken}, which is an input or output of every posterior. Rename that array.`,
    );
  return { inputs: { ...own, ...data }, outputs: { mean: posterior(x, sigma) } };
}

/** Observations divided by a unit, as `batchInCoordinates` divides arrays. */
function inUnits(inputs: MeasurementInputs, unit: number): MeasurementInputs {
  const { noiseVariance } = inputs;
  return {
    ...inputs,
    y: div(inputs.y, unit),
    ...(noiseVariance && { noiseVariance: div(div(noiseVariance, unit), unit) }),
  };
}

/** The denoiser `cheap` at noise levels below `level`, which is in the user's units. */
function belowLevel(
  level: number | null | undefined,
  unit: number,
  cheap: Denoiser,
  denoiser: Denoiser,
): Denoiser {
  if (typeof level !== "number") return denoiser;
  return (x_t, sigma_t) =>
    where(perSample(greaterOrEqual(sigma_t, level / unit), x_t), denoiser(x_t, sigma_t), cheap(x_t, sigma_t));
}

/**
 * noise [K, n, ...latent], standard normals, -> samples: the whole loop of a sampler inside. Of a model that builds on its
 * Gaussian start the first row (its first r numbers, r the rank) and the second draw from it; the next row is the noise
 * of the first level, then come those of the steps.
 */
export function samplerGraph(model: Model, choice: PriorChoice, n: number): NamedGraph {
  const { shape } = model.network;
  const levels = noiseLevels(model.schedule, choice.steps);
  const turns = levels.length - 1;
  const method = samplerMethod(choice);
  const program = samplerProgram({
    ...{ sampler: method, shape, batch: n, turns },
    denoiser: () => limited(modelDenoiser(model), model),
  });
  const first = model.base === "gaussian" ? 2 : 0;
  const noise = input([first + 1 + turns * method.noises, n, ...shape]);
  const row = (k: number) => gather(noise, reshape(integers([k]), []));
  const begin = model.base === "gaussian" ? drawOf(model.gaussian, row(0), row(1)) : meanOf(model);
  const fixed = new Map<Tensor, Tensor>();
  const inputs = flatten<Tensor>(program.inputs as Tree<Tensor>);
  for (const [name, tensor] of Object.entries(inputs))
    fixed.set(tensor, startOf(name, tensor, { levels, noise, first, begin, row }));
  const { x } = program.outputs.next as Record<keyof SamplerProgram["carried"], Tensor>;
  const [ended] = substitute([x!], fixed);
  return {
    inputs: { noise },
    outputs: { samples: borderOf(model.coordinates, shape).outOf(ended!) },
  };
}

interface Start {
  readonly levels: readonly number[];
  readonly noise: Tensor;
  readonly first: number;
  readonly begin: Tensor;
  readonly row: (k: number) => Tensor;
}

/** What an input of a sampler's program is when the loop begins. */
function startOf(name: string, tensor: Tensor, { levels, noise, first, begin, row }: Start): Tensor {
  const turns = levels.length - 1;
  switch (name) {
    case "now.x":
      return add(begin, mul(row(first), levels[0]!));
    case "levels": {
      const around = Array.from({ length: turns }, (_, k) => [
        levels[Math.max(k - 1, 0)]!,
        levels[k]!,
        levels[k + 1]!,
      ]);
      return constant(float32(around.flat(), [turns, 3]));
    }
    case "noise":
      return reshape(slice(noise, 0, first + 1, noise.shape[0]!), tensor.shape);
    case "count":
      return constant(hostArray("int64", [], BigInt64Array.of(BigInt(turns))));
    default:
      return expand(scalar(0), tensor.shape); // the method's memory, and the status
  }
}

/** mean + U w + sqrt(diagonal) e, as `drawGaussian`. @param w [n, ...latent], of which the first r numbers count */
function drawOf(gaussian: Gaussian, w: Tensor, e: Tensor): Tensor {
  const { mean, diagonal, factor } = gaussianConstants(gaussian);
  const [N, r] = factor.shape as [number, number];
  const flat = (z: Tensor) => reshape(z, [z.shape[0]!, N]);
  const own = add(mean, mul(sqrt(diagonal), flat(e)));
  const drawn = r === 0 ? own : add(own, matmul(slice(flat(w), 1, 0, r), factor, { transB: true }));
  return reshape(drawn, e.shape);
}

function meanOf({ gaussian, network }: Model): Tensor {
  return constant(float32(gaussian.mean.data, [1, ...network.shape]));
}
