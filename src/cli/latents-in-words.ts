import { formatShape, type Shape } from "../core/shape.ts";

/** What latents of a shape are taken for: the number of axes decides. */
export function latentsInWords(shape: Shape): string {
  const kind = ["vectors", "signals", "images", "volumes"][shape.length - 1] ?? "arrays";
  const [channels = 1] = shape;
  const hint =
    shape.length === 2 && channels > 1
      ? `; were they images, [${[1, ...shape].join(", ")}] would say so`
      : "";
  return `${kind} ${formatShape(shape)}${hint}`;
}
