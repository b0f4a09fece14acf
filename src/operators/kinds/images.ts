import { ShapeError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape } from "../../core/shape.ts";

/** Height and width of images. */
export type Size = readonly [number, number];

/** C, H and W of image latents. @throws ShapeError unless there are three axes */
export function imageShape(latentShape: Shape, where: string): [number, number, number] {
  if (latentShape.length !== 3)
    throw new ShapeError(
      `${where}: latents must be images [C, H, W], got ${formatShape(latentShape)}. Use a matrix for other shapes.`,
    );
  return latentShape as [number, number, number];
}

/** For each entry of y [C, h, w], the flat entry of x [C, H, W] at row start + i step, likewise for columns. */
export function pickedPixels(latentShape: Shape, start: Size, step: number, [h, w]: Size): Int32Array {
  const [C, H, W] = latentShape as [number, number, number];
  expectBearable([C, h, w], "images");
  return Int32Array.from({ length: C * h * w }, (_, flat) => {
    const column = flat % w;
    const row = Math.floor(flat / w) % h;
    const channel = Math.floor(flat / (w * h));
    return (channel * H + start[0] + row * step) * W + start[1] + column * step;
  });
}
