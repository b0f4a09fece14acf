import type { HostArray } from "../../core/array.ts";
import { UnsupportedOpError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import type { Named } from "./write.ts";

/**
 * Sizes of a graph whose batch is free. Tensors have static shapes, so the graph is built for a batch of p samples, p a
 * large prime: a size that is made of others by multiplication is a multiple of p exactly if the batch is one of its
 * factors, and k p stands for k n.
 */
export class FreeBatch {
  /** What the number of samples is called in the graph, an int64 vector of one entry. */
  readonly name = "%n";
  readonly #p: number;
  /** Names of the vectors made so far, by their entries. */
  readonly #made = new Map<string, string>();

  constructor(p: number) {
    this.#p = p;
  }

  isFree(size: number): boolean {
    return size !== 0 && size % this.#p === 0;
  }

  hasFree(sizes: readonly number[]): boolean {
    return sizes.some((size) => this.isFree(size));
  }

  /** How a free size is shown to who looks at the model's inputs and outputs. */
  label(size: number): string {
    return size === this.#p ? "n" : `${size / this.#p} n`;
  }

  /** The input, and its axis, whose size is the number of samples. @throws UnsupportedOpError if there is none */
  source(inputs: Named): { readonly input: string; readonly axis: number } {
    for (const [input, { shape }] of Object.entries(inputs))
      if (shape.includes(this.#p)) return { input, axis: shape.indexOf(this.#p) };
    throw new UnsupportedOpError(
      "export: expected an input with an axis for the samples, found none. Add one.",
    );
  }

  /** A target of Reshape, which finds its one free size itself. */
  forReshape(sizes: readonly number[]): number[] {
    return sizes.map((size) => (this.isFree(size) ? -1 : size));
  }

  /** Has `make` compute sizes as fixed + times n, unless that was done before. @returns the name of the result */
  once(sizes: readonly number[], make: (name: string, fixed: number[], times: number[]) => void): string {
    const key = sizes.join();
    const made = this.#made.get(key);
    if (made !== undefined) return made;
    const name = `${this.name}.${this.#made.size}`;
    this.#made.set(key, name);
    make(
      name,
      sizes.map((size) => (this.isFree(size) ? 0 : size)),
      sizes.map((size) => (this.isFree(size) ? size / this.#p : 0)),
    );
    return name;
  }

  /** @throws UnsupportedOpError if a constant has an axis for the samples */
  refuseArray({ shape }: HostArray): void {
    if (this.hasFree(shape))
      throw new UnsupportedOpError(
        `export: expected constants that serve any number of samples, found one of shape ${formatShape(shape)}. Make it [1, ...], so that it broadcasts.`,
      );
  }
}
