import type { Shape } from "../../core/shape.ts";

/** Whether a mask of this shape spreads over a shape, by NumPy's rule, without enlarging it. */
export function isMaskShape(maskShape: Shape, shape: Shape): boolean {
  const lead = shape.length - maskShape.length;
  return lead >= 0 && maskShape.every((size, axis) => size === 1 || size === shape[lead + axis]);
}
