/** Values of options that several commands read. */
import { ConfigError } from "../core/errors.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { Arguments } from "./arguments.ts";

/** Numbers between commas; NaN where there is nothing. */
export function numbers(text: string): number[] {
  return text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
}

/** A shape such as 1,28,28. @throws ConfigError if a part is no positive integer */
export function shapeOption(args: Arguments, name: string): number[] | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const shape = numbers(text);
  if (!shape.every((size) => Number.isSafeInteger(size) && size > 0))
    throw new ConfigError(`--${name}: expected positive integers such as 1,28,28, got "${text}".`);
  return shape;
}

/** `--range LO,HI`, or another option of two numbers. @throws ConfigError unless LO < HI */
export function rangeOption(args: Arguments, name = "range"): [number, number] | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const [lo, hi, ...rest] = numbers(text);
  if (rest.length > 0 || !(lo! < hi!))
    throw new ConfigError(`--${name}: expected LO,HI with LO < HI, got "${text}".`);
  return [lo!, hi!];
}

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
