import { float32, type HostArray, rows } from "../core/array.ts";
import { DataError, NumericalError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { formatPort, isFree, type OnnxPort, type OnnxProgram } from "../runtime/onnx-program.ts";
import { repeatChannel } from "./channels.ts";
import { resizeLikeTensorFlow } from "./resize.ts";

/** The outputs of a network for n images. */
export interface ImageFeatures {
  /** [n, D] */
  readonly features: HostArray<"float32">;
  /** [n, classes], if the network knows classes. */
  readonly logits?: HostArray<"float32">;
}

/** A network in whose features sets of images are compared. Release it when done. */
export interface FeatureNetwork {
  /** What the Frechet distance is called: "FID", or "Frechet distance in NAME's features". */
  readonly distanceName: string;
  /** Channels that it takes; undefined if it takes any number. */
  readonly channels: number | undefined;
  /** Height and width that it takes; undefined if it takes any size. */
  readonly size: readonly [number, number] | undefined;
  /** Whether it knows classes. */
  readonly hasClasses: boolean;
  /**
   * Computes the features of images.
   * @param images [n, C, H, W], black 0 and white 1; a single channel is repeated if the network takes three
   * @throws ShapeError or DataError for images of another size, NumericalError if features are not finite
   */
  readonly compute: (images: HostArray<"float32">) => Promise<ImageFeatures>;
  /** Frees the engine's memory. */
  readonly release: () => Promise<void>;
}

/** How images reach a network that is not the Inception network. */
export interface FeatureNetworkOptions {
  /** The values that the network takes for black and white. Default [0, 1], as after PyTorch's ToTensor alone. */
  readonly range?: readonly [number, number];
}

/** Names that scripts/export-inception.py gives if the weights are the standard ones. */
const INCEPTION_OUTPUTS = ["2048", "logits_unbiased"] as const;

/**
 * Makes a network of features of an ONNX model with one input of images, [N, C, H, W] in float32.
 *
 * The names of the outputs tell the Inception network [Szegedy16] of [Heusel17] (scripts/export-inception.py). Its images are
 * prepared as by torch-fidelity: rounded to 256 levels, and resized to 299 x 299 as TensorFlow 1 did. Any other network has an
 * output `features`, or a single one, and perhaps an output `logits`. Its images are scaled to its range, and neither rounded
 * nor resized.
 * @param name of the file, for messages and the distance's name
 * @throws DataError if the model's inputs and outputs are not such
 */
export function featureNetwork(
  model: OnnxProgram,
  name: string,
  options: FeatureNetworkOptions = {},
): FeatureNetwork {
  const range = options.range ?? ([0, 1] as const);
  const port = imagePort(model, name);
  const names = model.outputs.map((output) => output.name);
  const isInception = INCEPTION_OUTPUTS.every((output) => names.includes(output));
  const [features, logits] = isInception ? INCEPTION_OUTPUTS : outputNames(names, name);
  const [batch, channels, height, width] = port.shape as [number | string, ...(number | string)[]];
  const fixedBatch = isFree(batch) ? undefined : Number(batch);
  const size =
    isInception || isFree(height!) || isFree(width!) ? undefined : ([Number(height), Number(width)] as const);
  const prepare = isInception ? inceptionPixels : (x: HostArray<"float32">) => scaled(x, range);
  const run = async (x: HostArray<"float32">): Promise<ImageFeatures> => {
    const found = await model.run({ [port.name]: x }, logits === undefined ? [features] : [features, logits]);
    const matrix = (output: string) => featureMatrix(found[output]!, x.shape[0]!, `${name}: ${output}`);
    return { features: matrix(features), ...(logits !== undefined && { logits: matrix(logits) }) };
  };
  return {
    distanceName: isInception ? "FID" : `Frechet distance in ${name}'s features`,
    channels: isFree(channels!) ? undefined : Number(channels),
    size,
    hasClasses: logits !== undefined,
    async compute(images) {
      const x = prepare(withChannels(images, port, size, name));
      return fixedBatch === undefined ? await run(x) : await inBatches(run, x, fixedBatch);
    },
    release: model.release,
  };
}

function imagePort({ inputs }: OnnxProgram, name: string): OnnxPort {
  const [port, ...others] = inputs;
  if (!port || others.length > 0 || port.dtype !== "float32" || port.shape.length !== 4)
    throw new DataError(
      `${name}: expected a network with one input, float32 [N, C, H, W], found ${inputs.map((p) => `${p.name} ${formatPort(p)}`).join(", ") || "none"}. Export it so.`,
    );
  return port;
}

function outputNames(names: readonly string[], name: string): [features: string, logits: string | undefined] {
  const features = names.length === 1 ? names[0] : names.find((output) => output === "features");
  if (features === undefined)
    throw new DataError(
      `${name}: expected one output, or one named features, found ${names.join(", ")}. Rename it in the export.`,
    );
  return [features, names.find((output) => output === "logits" && output !== features)];
}

/** Repeats a single channel where more are taken. */
function withChannels(
  images: HostArray<"float32">,
  { shape }: OnnxPort,
  size: readonly [number, number] | undefined,
  name: string,
): HostArray<"float32"> {
  const [, C = 0, H = 0, W = 0] = images.shape;
  const channels = isFree(shape[1]!) ? C : Number(shape[1]);
  const fits = images.shape.length === 4 && (C === channels || C === 1);
  if (!fits || (size && (H !== size[0] || W !== size[1])))
    throw new DataError(
      `${name}: expected images [N, ${channels}, ${size ? size.join(", ") : "H, W"}], found ${formatShape(images.shape)}. Resize them, or export the network for this size.`,
    );
  return C === channels ? images : repeatChannel(images, channels);
}

/** 256 levels as an image file holds them, at the size that the network takes. */
function inceptionPixels(images: HostArray<"float32">): HostArray<"float32"> {
  const bytes = images.data.map((value) => Math.round(255 * Math.min(1, Math.max(0, value))));
  return resizeLikeTensorFlow(float32(bytes, images.shape), 299, 299);
}

function scaled(images: HostArray<"float32">, [lo, hi]: readonly [number, number]): HostArray<"float32"> {
  return float32(
    images.data.map((value) => lo + (hi - lo) * value),
    images.shape,
  );
}

/** For a network that takes batches of one size: the last is filled up with zeros and cut again. */
async function inBatches(
  run: (x: HostArray<"float32">) => Promise<ImageFeatures>,
  images: HostArray<"float32">,
  batch: number,
): Promise<ImageFeatures> {
  const n = images.shape[0]!;
  const shape = [batch, ...images.shape.slice(1)];
  const parts: ImageFeatures[] = [];
  for (let start = 0; start < n; start += batch) {
    const end = Math.min(start + batch, n);
    const data = new Float32Array(shape.reduce((product, size) => product * size));
    data.set(rows(images, start, end).data);
    const { features, logits } = await run(float32(data, shape));
    const cut = (array: HostArray<"float32">) => rows(array, 0, end - start);
    parts.push({ features: cut(features), ...(logits && { logits: cut(logits) }) });
  }
  const logits = parts.flatMap((part) => part.logits ?? []);
  return {
    features: joinRows(parts.map(({ features }) => features)),
    ...(logits.length > 0 && { logits: joinRows(logits) }),
  };
}

/** Arrays of equal rows, one after the other. */
export function joinRows(parts: readonly HostArray<"float32">[]): HostArray<"float32"> {
  const n = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const shape = [n, ...parts[0]!.shape.slice(1)];
  const data = new Float32Array(shape.reduce((product, size) => product * size));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return float32(data, shape);
}

/** [n, D] from [n, D] or [n, D, 1, 1]. */
function featureMatrix(array: HostArray, n: number, where: string): HostArray<"float32"> {
  const { dtype, shape, data } = array;
  const isMatrix = shape[0] === n && shape.length >= 2 && shape.slice(2).every((size) => size === 1);
  if (dtype !== "float32" || !isMatrix)
    throw new DataError(
      `${where}: expected float32 [${n}, D], found ${dtype} ${formatShape(shape)}. Pool the features in the export.`,
    );
  const values = data as Float32Array; // just checked
  if (!values.every(Number.isFinite))
    throw new NumericalError(`${where}: expected finite features, found others. Look at the images.`);
  return float32(values, [n, shape[1]!]);
}
