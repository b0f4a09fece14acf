import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { rows, wholePair } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { constant, conv2d, expand, flip, pad, reshape, type Tensor } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { gaussianKernel, motionKernel } from "./blur-kernels.ts";
import { imageShape, type Size } from "./images.ts";

/**
 * Convolution of images [B, C, H, W] with a kernel, zeros beyond the edges, same size.
 *   (A x)[c, i, j] = sum_{k, l} h[k, l] x[c, i + (K - 1) / 2 - k, j + (L - 1) / 2 - l]
 * is scipy.signal.convolve2d(x[c], h, mode="same", boundary="fill").
 * @param h kernels [B, K, L], one for each sample, or [1, K, L], one for all; K and L odd
 */
export function blur(h: Tensor): LinearOperator {
  const [kernels, K, L] = h.shape as [number, number, number];
  expectOdd([K, L]);
  const turned = flip(h, [1, 2]); // conv2d correlates
  return (x) => {
    const [B, C, H, W] = x.shape as [number, number, number, number];
    const padded = pad(pad(x, 2, (K - 1) / 2, (K - 1) / 2), 3, (L - 1) / 2, (L - 1) / 2);
    const [height, width] = padded.shape.slice(2) as [number, number];
    if (kernels === 1) {
      const images = reshape(padded, [B * C, 1, height, width]);
      return reshape(conv2d(images, reshape(turned, [1, 1, K, L])), [B, C, H, W]);
    }
    // The samples become channels, each a group with the kernel of its sample.
    const own = reshape(expand(reshape(turned, [B, 1, K, L]), [B, C, K, L]), [B * C, 1, K, L]);
    const images = reshape(padded, [1, B * C, height, width]);
    return reshape(conv2d(images, own, undefined, { groups: B * C }), [B, C, H, W]);
  };
}

/** One kernel for each observation. */
export function blurFamily(latentShape: Shape, kernelShape: Size): OperatorFamily {
  imageShape(latentShape, "blur");
  expectOdd(kernelShape);
  return {
    latentShape,
    observationShape: latentShape,
    data: { kernel: kernelShape },
    masks: {},
    bind: (data) => blur(data.kernel!),
  };
}

/** One kernel for all observations, given by its rows; a constant of the program. */
export function sharedBlurFamily(latentShape: Shape, kernel: readonly (readonly number[])[]): OperatorFamily {
  imageShape(latentShape, "blur");
  const size = [kernel.length, kernel[0]!.length] as const;
  expectOdd(size);
  const h = constant(float32(kernel.flat(), [1, ...size]));
  return { latentShape, observationShape: latentShape, data: {}, masks: {}, bind: () => blur(h) };
}

/** An even kernel has no central pixel: the image would shift by half of one. */
function expectOdd(size: Size): void {
  if (size.some((n) => n % 2 !== 1))
    throw new ShapeError(
      `blur: the kernel must have odd sizes, got ${formatShape(size)}. Add a row or column of zeros.`,
    );
}

export const blurKind: OperatorKind = {
  name: "blur",
  fields: ["kernelShape", "kernel"],
  family: (spec, latentShape) =>
    spec.has("kernel")
      ? sharedBlurFamily(latentShape, spec.read("kernel", rows))
      : blurFamily(latentShape, spec.read("kernelShape", wholePair(1))),
  arrays: ["kernel"],
  latentShapeOf: (observationShape) => observationShape,
  fieldsOf: ({ kernel }) => kernel && { kernelShape: kernel.shape.slice(1) },
  simulations: [
    simulation("gaussian-blur", { size: "whole", deviation: "number" }, ({ size, deviation }) => ({
      operator: { name: "blur", kernel: gaussianKernel(size, deviation) },
    })),
    simulation("motion-blur", { size: "whole", intensity: "number?" }, ({ size, intensity = 0.5 }) => ({
      operator: { name: "blur", kernelShape: [size, size] },
      draw: (rng) => ({ kernel: motionKernel(size, intensity, rng) }),
    })),
  ],
  examples: [
    { spec: { name: "blur", kernelShape: [3, 5] }, latentShape: [2, 4, 6] },
    {
      spec: {
        name: "blur",
        kernel: [
          [1, 2, 3],
          [0, -1, 0],
          [2, 0, 0],
        ],
      },
      latentShape: [2, 4, 6],
    },
  ],
};
