import { float32, type HostArray, hostArray } from "../core/array.ts";
import { ConfigError, DataError, UnsupportedOpError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import {
  explodingDenoiser,
  type Parameterization,
  preservingDenoiser,
  preservingLevels,
  type TimedNetwork,
} from "../diffusion/parameterization.ts";
import { checkSchedule, type Schedule } from "../diffusion/schedule.ts";
import { add, cast, floor, reshape, type Tensor } from "../graph/index.ts";
import { type OnnxModel, type OnnxValue, readOnnx } from "../graph/onnx/read.ts";
import { borderOf } from "./export/border.ts";
import type { ExportDescription } from "./export/description.ts";
import { readDescription, startGaussian } from "./export/read-description.ts";
import type { Model } from "./model.ts";

/** What the file of a denoiser does not say. A file that diem exported says all of it. */
export interface OnnxPriorOptions {
  /** What the network predicts. Default "mean". */
  readonly parameterization?: Parameterization | undefined;
  /** alpha-bar of a variance-preserving process, [T]. Default: the process is x_t = x + sigma_t z. */
  readonly alphaBar?: HostArray | undefined;
  /** Names of the inputs, if names and axes do not tell x from the time. */
  readonly inputs?: { readonly x?: string | undefined; readonly time?: string | undefined } | undefined;
  /** Shape of a latent, if the file leaves it free. */
  readonly latentShape?: Shape | undefined;
  /** Smallest and largest noise level. Default: those of alpha-bar. */
  readonly levels?: readonly [number, number] | undefined;
  /** Limits of clean data. */
  readonly range?: readonly [number, number] | undefined;
}

/** A prior that `onnxPrior` read, with the description in its file if diem wrote it. */
export interface OnnxPrior {
  readonly model: Model;
  readonly description?: ExportDescription | undefined;
}

/**
 * Reads the denoiser in an ONNX file as a prior.
 * @param where the file, for messages
 * @throws DataError or UnsupportedOpError if the file is damaged, or holds an operator that `readOnnx` does not know
 * @throws ConfigError if an option is missing or does not fit the network
 */
export function onnxPrior(bytes: Uint8Array, where: string, options: OnnxPriorOptions = {}): OnnxPrior {
  const file = readOnnx(bytes, where);
  const description = readDescription(file.metadata, where);
  if (description) return { model: exportedModel(file, description, where, options), description };
  const { parameterization, alphaBar, range } = options;
  if (parameterization === undefined)
    throw new ConfigError(
      `${where}: expected to know what the network predicts, found nothing about it. Give its parameterization: mean, noise, v or score.`,
    );
  const ports = portsOf(file, where, options);
  const shape = latentShapeOf(ports.x, where, options.latentShape);
  const network = timedNetwork(file, ports, shape, where);
  const denoiser = alphaBar
    ? preservingDenoiser(network, parameterization, alphaBar)
    : explodingDenoiser(network, parameterization);
  const N = sizeOf(shape);
  const gaussian = {
    mean: float32(new Float32Array(N)),
    diagonal: float32(new Float32Array(N).fill(1)),
    factor: float32([], [N, 0]),
  };
  const schedule = scheduleOf(options, where);
  return { model: modelOf({ denoiser, shape, gaussian, base: "normal", schedule, limits: range }) };
}

type Parts = Pick<Model, "gaussian" | "base" | "schedule"> &
  Required<Pick<Model, "denoiser" | "limits">> & {
    readonly shape: Shape;
    readonly coordinates?: Model["coordinates"];
  };

function modelOf({ shape, limits, ...rest }: Parts): Model {
  return {
    ...rest,
    network: { shape, parameters: [], dropoutRate: 0, apply: (_, x) => x },
    parameters: undefined,
    ...(limits && { limits }),
  };
}

/** A denoiser that diem wrote. Where entries have units of their own, its coordinates are x / noiseScale. */
function exportedModel(
  file: OnnxModel,
  description: ExportDescription,
  where: string,
  { parameterization = "mean", alphaBar, levels }: OnnxPriorOptions,
): Model {
  const { what, latentShape: shape, noiseScale, schedule, range } = description;
  if (what !== "denoiser")
    throw new DataError(`${where}: expected a denoiser, found a ${what}. Export with --what denoiser.`);
  if (parameterization !== "mean" || alphaBar)
    throw new ConfigError(
      `${where}: expected no parameterization or process, for the file says that it is a mean of diem's. Leave them out.`,
    );
  const ports = portsOf(file, where, { inputs: { x: "x", time: "sigma" } });
  const network = timedNetwork(file, ports, shape, where);
  const [N, C] = [sizeOf(shape), shape[0] ?? 1];
  const scale = Float64Array.from({ length: N }, (_, i) => noiseScale[Math.floor((i * C) / N)]!);
  const own = explodingDenoiser(network, "mean");
  const [sigmaMin, sigmaMax] = levels ?? [schedule.sigmaMin, schedule.sigmaMax];
  const parts = {
    shape,
    base: description.start.base,
    schedule: { ...schedule, sigmaMin, sigmaMax },
    limits: range,
  };
  const gaussian = startGaussian(description.start, scale, where);
  if (noiseScale.every((each) => each === 1)) return modelOf({ ...parts, denoiser: own, gaussian });
  const coordinates = {
    shift: hostArray("float64", [N], new Float64Array(N)),
    scale: hostArray("float64", [N], scale),
    unit: 1,
    noise: 0, // schedules follow from it, and this prior has one
  };
  const { into, outOf } = borderOf(coordinates, shape);
  return modelOf({
    ...parts,
    gaussian,
    coordinates,
    denoiser: (z, sigma) => into(own(outOf(z), sigma)),
  });
}

function scheduleOf({ alphaBar, levels }: OnnxPriorOptions, where: string): Schedule {
  const known = alphaBar && preservingLevels(alphaBar);
  const [sigmaMin, sigmaMax] = levels ?? [known?.[0], known?.at(-1)];
  if (sigmaMin === undefined || sigmaMax === undefined)
    throw new ConfigError(
      `${where}: expected the noise levels that the network was trained for, found none. Give the smallest and the largest.`,
    );
  checkSchedule({ sigmaMin, sigmaMax }, where);
  return { sigmaMin, sigmaMax, spacing: "geometric" };
}

interface Ports {
  readonly x: OnnxValue;
  readonly time: OnnxValue;
}

/** What exporters call the noise level or the time. */
const TIMES = ["sigma", "sigmas", "t", "time", "timestep", "timesteps", "noise_level", "noise_labels"];

/** The inputs x and time: those named, or of two the one with a name of `TIMES`, else the one of fewer axes, is the time. */
function portsOf(
  { inputs, outputs }: OnnxModel,
  where: string,
  { inputs: given = {} }: OnnxPriorOptions,
): Ports {
  const names = inputs.map(({ name }) => name);
  if (inputs.length !== 2 || outputs.length !== 1)
    throw new ConfigError(
      `${where}: expected a network of two inputs, x and time, and one output, found inputs ${names.join(", ") || "none"} and ${outputs.length} outputs. Export it without the others.`,
    );
  const axes = (value: OnnxValue) => value.shape?.length ?? 0;
  const named = (name: string | undefined) =>
    name === undefined ? undefined : findInput(inputs, name, where);
  const other = (one: OnnxValue | undefined) => one && inputs.find((input) => input !== one)!;
  const called = inputs.filter(({ name }) => TIMES.includes(name.toLowerCase()));
  const [fewer] = [...inputs].sort((a, b) => axes(a) - axes(b));
  const isClear = axes(inputs[0]!) !== axes(inputs[1]!);
  const time =
    named(given.time) ??
    other(named(given.x)) ??
    (called.length === 1 ? called[0] : isClear ? fewer : undefined);
  if (!time)
    throw new ConfigError(
      `${where}: expected to tell x from the time, found inputs ${names.join(" and ")} alike. Name one of them.`,
    );
  const x = named(given.x) ?? other(time)!;
  if (x === time) throw new ConfigError(`${where}: expected two inputs, found ${x.name} named for both.`);
  return { x, time };
}

function findInput(inputs: readonly OnnxValue[], name: string, where: string): OnnxValue {
  const found = inputs.find((input) => input.name === name);
  if (!found)
    throw new ConfigError(
      `${where}: expected an input called ${name}, found ${inputs.map((input) => input.name).join(", ")}.`,
    );
  return found;
}

function latentShapeOf({ name, shape }: OnnxValue, where: string, given: Shape | undefined): Shape {
  const own = shape?.slice(1);
  const isKnown = own !== undefined && own.length > 0 && own.every((size) => size !== undefined);
  if (!given && !isKnown)
    throw new ConfigError(
      `${where}: expected to know the shape of a latent, found input ${name} [${shape?.map((size) => size ?? "any").join(", ") ?? "of any shape"}]. Give the latent shape.`,
    );
  const latent = given ?? (own as number[]); // each is known, or it was refused
  const fits =
    own === undefined ||
    (own.length === latent.length && own.every((size, k) => (size ?? latent[k]) === latent[k]));
  if (!fits)
    throw new DataError(
      `${where}: expected a network for latents ${formatShape(latent)}, found input ${name} [${own!.map((size) => size ?? "any").join(", ")}] for each sample. Give another prior.`,
    );
  return latent;
}

/** The file as nodes of a graph; times are rounded where it takes whole numbers. */
function timedNetwork(
  file: OnnxModel,
  { x: xPort, time }: Ports,
  latent: Shape,
  where: string,
): TimedNetwork {
  return (x, t) => {
    const whole = time.isWhole ? cast(floor(add(t, 0.5)), "int64") : t;
    const [output] = Object.values(file.build({ [xPort.name]: x, [time.name]: shaped(whole, time, where) }));
    const expected = [x.shape[0]!, ...latent];
    if (formatShape(output!.shape) !== formatShape(expected))
      throw new UnsupportedOpError(
        `${where}: expected an output of x's shape, ${formatShape(expected)}, found ${formatShape(output!.shape)}. Export a network that predicts one number for each of x.`,
      );
    return output!;
  };
}

/** Times [B] in the shape that the file takes them in: [B], [B, 1, ...], or one for all. */
function shaped(t: Tensor, { name, shape }: OnnxValue, where: string): Tensor {
  if (shape === undefined) return t;
  if (shape.length === 0 || (shape.length === 1 && shape[0] === 1))
    throw new ConfigError(
      `${where}: expected a time for each sample, found input ${name} with one for all. Export it with a free size (dynamic_axes).`,
    );
  return reshape(t, [t.shape[0]!, ...shape.slice(1).map(() => 1)]);
}
