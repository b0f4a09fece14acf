import { float32, type HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { formatPort, isFree, type OnnxProgram } from "../runtime/onnx-program.ts";
import { repeatChannel } from "./channels.ts";

/** A learned perceptual distance of pairs of images. Release it when done. */
export interface Lpips {
  /**
   * Compares pairs of images.
   * @param x images in [-1, 1], [n, C, H, W]; grey ones (C = 1) get three equal channels if the network takes colour
   * @param y of the same shape
   * @returns a distance for each pair, [n]; 0 for equal images
   * @throws DataError for other shapes or values outside [-1, 1] by more than rounding
   */
  readonly compare: (x: HostArray<"float32">, y: HostArray<"float32">) => Promise<HostArray<"float32">>;
  /** Frees the engine's memory. */
  readonly release: () => Promise<void>;
}

/** Channels that published networks take. */
const COLOURS = 3;
/** Room for the rounding of values that were scaled to [-1, 1]. */
const SLACK = 1e-3;

/**
 * The learned perceptual image patch similarity [Zhang18] from an ONNX model that computes it
 * (scripts/export-lpips.py): two inputs x and y, float32 [N, 3, H, W] in [-1, 1]; one output with N numbers,
 *   d(x, y) = sum_l mean over places of sum_c w_lc (f_lc(x) - f_lc(y))^2,   f_l features of unit length.
 * @param name of the file, for messages        @throws DataError if the model has other inputs or outputs
 */
export function lpips(model: OnnxProgram, name: string): Lpips {
  const [x, y, ...others] = model.inputs;
  const [distance, ...more] = model.outputs;
  const isImage = (port: typeof x) => port?.dtype === "float32" && port.shape.length === 4;
  if (!x || !y || !distance || !isImage(x) || !isImage(y) || others.length + more.length > 0)
    throw new DataError(
      `${name}: expected a network of two images, float32 [N, 3, H, W] each, with one output, found inputs ${model.inputs.map(formatPort).join(", ") || "none"} and ${model.outputs.length} outputs. See scripts/export-lpips.py.`,
    );
  const channels = isFree(x.shape[1]!) ? COLOURS : Number(x.shape[1]);
  const inColour = (images: HostArray<"float32">) =>
    images.shape[1] === 1 && channels > 1 ? repeatChannel(images, channels) : images;
  return {
    async compare(a, b) {
      if (!sameShape(a.shape, b.shape))
        throw new DataError(
          `${name}: expected pairs of one shape, found ${formatShape(a.shape)} and ${formatShape(b.shape)}.`,
        );
      for (const { data } of [a, b]) {
        const outside = data.find((value) => !(Math.abs(value) <= 1 + SLACK));
        if (outside !== undefined)
          throw new DataError(
            `${name}: expected images in [-1, 1], found ${outside}. Scale them: 2 (x - lo) / (hi - lo) - 1.`,
          );
      }
      const found = await model.run({ [x.name]: inColour(a), [y.name]: inColour(b) });
      const { dtype, data, shape } = found[distance.name]!;
      if (dtype !== "float32" || data.length !== a.shape[0])
        throw new DataError(
          `${name}: expected a distance for each of ${a.shape[0]} pairs, found ${dtype} ${formatShape(shape)}. Export it without averaging over the batch.`,
        );
      return float32(data as Float32Array, [data.length]); // just checked
    },
    release: model.release,
  };
}
