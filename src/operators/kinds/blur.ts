import { ConfigError, ShapeError } from "../../core/errors.ts";
import { finite, whole, wholes } from "../../core/kinds.ts";
import { type NestedNumbers, nestedArray, nestedNumbers } from "../../core/nested.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { add, constant, conv2d, expand, flip, pad, reshape, slice, type Tensor } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { gaussianKernel, motionKernel } from "./blur-kernels.ts";
import { expectGrid, planes, type Size } from "./places.ts";

/**
 * Convolution of images [B, C, H, W] with a kernel, zeros beyond the edges, same size; likewise along 1 and 3 axes.
 *   (A x)[c, i, j] = sum_{k, l} h[k, l] x[c, i + (K - 1) / 2 - k, j + (L - 1) / 2 - l]
 * is scipy.signal.convolve(x[c], h, mode="same").
 * @param h kernels [B, K, L], one for each sample, or [1, K, L], one for all, with as many axes as x; their sizes are odd
 */
export function blur(h: Tensor): LinearOperator {
  const [, ...size] = h.shape;
  expectOdd(size);
  const turned = flip(
    h,
    size.map((_, k) => k + 1),
  ); // conv2d correlates
  if (size.length < 3) return (x) => reshape(correlate(planes(x), kernelImages(turned)), x.shape);
  return (x) => {
    const [K, D] = [size[0]!, x.shape[2]!];
    const padded = pad(x, 2, (K - 1) / 2, (K - 1) / 2);
    const slices = Array.from({ length: K }, (_, k) =>
      correlate(planes(slice(padded, 2, k, k + D)), kernelImages(slice(turned, 1, k, k + 1))),
    );
    return reshape(slices.reduce(add), x.shape);
  };
}

/** Kernels [n, ...size] of one plane as [n, K, L]. */
function kernelImages(h: Tensor): Tensor {
  const [n, ...size] = h.shape as [number, ...number[]];
  return reshape(h, [n, size.at(-2) ?? 1, size.at(-1)!]);
}

/** Cross-correlation of images [B, C, H, W] with kernels [B or 1, K, L], zeros beyond the edges. */
function correlate(x: Tensor, kernels: Tensor): Tensor {
  const [B, C, H, W] = x.shape as [number, number, number, number];
  const [n, K, L] = kernels.shape as [number, number, number];
  const padded = pad(pad(x, 2, (K - 1) / 2, (K - 1) / 2), 3, (L - 1) / 2, (L - 1) / 2);
  const [height, width] = padded.shape.slice(2) as [number, number];
  if (n === 1) {
    const images = reshape(padded, [B * C, 1, height, width]);
    return reshape(conv2d(images, reshape(kernels, [1, 1, K, L])), [B, C, H, W]);
  }
  // The samples become channels, each a group with the kernel of its sample.
  const own = reshape(expand(reshape(kernels, [B, 1, K, L]), [B, C, K, L]), [B * C, 1, K, L]);
  const images = reshape(padded, [1, B * C, height, width]);
  return reshape(conv2d(images, own, undefined, { groups: B * C }), [B, C, H, W]);
}

/** One kernel for each observation. */
export function blurFamily(latentShape: Shape, kernelShape: Size): OperatorFamily {
  expectKernel(kernelShape, latentShape);
  return {
    latentShape,
    observationShape: latentShape,
    data: { kernel: kernelShape },
    masks: {},
    bind: (data) => blur(data.kernel!),
  };
}

/** One kernel for all observations, a constant of the program. @param kernel of images, a list of rows */
export function sharedBlurFamily(latentShape: Shape, kernel: NestedNumbers): OperatorFamily {
  const array = nestedArray(kernel);
  expectKernel(array.shape, latentShape);
  const h = constant({ ...array, shape: [1, ...array.shape] });
  return { latentShape, observationShape: latentShape, data: {}, masks: {}, bind: () => blur(h) };
}

/** @throws ShapeError unless the kernel has the latents' axes and odd sizes */
function expectKernel(size: Size, latentShape: Shape): void {
  const { lengths } = expectGrid(latentShape, "blur");
  if (size.length !== lengths.length)
    throw new ShapeError(
      `blur: the kernel must have ${lengths.length} axes as latents ${formatShape(latentShape)}, got ${formatShape(size)}.`,
    );
  expectOdd(size);
}

/** An even kernel has no central place: latents would shift by half of one. */
function expectOdd(size: Size): void {
  if (size.some((n) => n % 2 !== 1))
    throw new ShapeError(
      `blur: the kernel must have odd sizes, got ${formatShape(size)}. Add a row or column of zeros.`,
    );
}

export const blurKind: OperatorKind = {
  name: "blur",
  fields: ["kernelShape", "kernel"],
  family: (spec, latentShape) => {
    const axes = expectGrid(latentShape, "blur").lengths.length;
    return spec.has("kernel")
      ? sharedBlurFamily(latentShape, spec.read("kernel", nestedNumbers(axes)))
      : blurFamily(latentShape, spec.read("kernelShape", wholes(axes, 1)));
  },
  arrays: ["kernel"],
  latentShapeOf: (observationShape) => observationShape,
  fieldsOf: ({ kernel }) => kernel && { kernelShape: kernel.shape.slice(1) },
  simulations: [
    simulation("gaussian-blur", { size: whole(1), deviation: finite }, ({ size, deviation }, latentShape) => {
      const axes = expectGrid(latentShape, "gaussian-blur").lengths.length;
      return { operator: { name: "blur", kernel: gaussianKernel(size, deviation, axes) } };
    }),
    simulation(
      "motion-blur",
      { size: whole(1), "intensity?": finite },
      ({ size, intensity = 0.5 }, latentShape) => {
        if (latentShape.length !== 3)
          throw new ConfigError(
            `corrupt: motion-blur needs images [C, H, W], got ${formatShape(latentShape)}. Take gaussian-blur.`,
          );
        return {
          operator: { name: "blur", kernelShape: [size, size] },
          draw: (rng) => ({ kernel: motionKernel(size, intensity, rng) }),
        };
      },
    ),
  ],
  examples: [
    { spec: { name: "blur", kernelShape: [3, 5] }, latentShape: [2, 4, 6] },
    { spec: { name: "blur", kernelShape: [3] }, latentShape: [2, 6] },
    { spec: { name: "blur", kernelShape: [3, 1, 3] }, latentShape: [2, 3, 2, 4] },
    { spec: { name: "blur", kernel: [1, 2, 0] }, latentShape: [2, 6] },
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
