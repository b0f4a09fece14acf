import { float32, type HostArray } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";

/** Options of `DrawSource.draw`. */
export interface DrawOptions extends Watch {
  /** The random stream of draw `index`; the draw depends on no other. */
  readonly stream: (index: number) => Rng;
  /** Noise levels in the model's coordinates, from the largest to zero. Default: those of the source, if it has any. */
  readonly levels?: readonly number[] | undefined;
  /** What progress events say. Default: no name. */
  readonly stage?:
    | { readonly name: string; readonly iteration: number; readonly iterations: number }
    | undefined;
}

/** A batch of draws. */
export interface DrawnBatch {
  /** Index of the first draw. */
  readonly first: number;
  /** The draws in your units, [n, ...latent]. */
  readonly samples: HostArray<"float32">;
  /** How well the solvers of the posterior method solved, if it has any. */
  readonly status?: DrawStatus | undefined;
  /** ln q(y) less that of the Gaussian start, estimated from each draw (`evidenceGain`), [n]; only if asked for (`evidence`). */
  readonly gain?: HostArray<"float32"> | undefined;
}

/**
 * A compiled source of draws: samples of a prior, or one posterior draw for each observation of a set. `await using` or
 * `source[Symbol.asyncDispose]()` releases it.
 */
export interface DrawSource extends AsyncDisposable {
  /** Number of draws that are computed together. */
  readonly batch: number;
  /** Shape of a latent. */
  readonly shape: Shape;
  /**
   * Makes the draws with indices [start, end), batch by batch. Progress counts from 0 to end - start.
   * @throws NumericalError if a draw is not finite, AbortedError if stopped
   */
  draw(range: readonly [number, number], options: DrawOptions): AsyncGenerator<DrawnBatch, void>;
}

/** The batches of [start, end). */
export function* batchesOf(
  [start, end]: readonly [number, number],
  batch: number,
): Generator<readonly [number, number]> {
  for (let first = start; first < end; first += batch) yield [first, Math.min(first + batch, end)];
}

/** The streams of draws [first, stop). */
export function streamsOf({ stream }: DrawOptions, [first, stop]: readonly [number, number]): Rng[] {
  return Array.from({ length: stop - first }, (_, i) => stream(first + i));
}

/** Tells how many of [start, end) are done. */
export function progressOf([start, end]: readonly [number, number], { stage, onEvent }: DrawOptions) {
  const { name, iteration, iterations } = stage ?? { name: "", iteration: 0, iterations: 0 };
  return (to: number) =>
    onEvent?.({ stage: name, iteration, iterations, done: to - start, total: end - start, unit: "draws" });
}

/** Makes all draws of a range, as one array [end - start, ...latent]. */
export async function drawAll(
  source: DrawSource,
  [start, end]: readonly [number, number],
  options: DrawOptions,
): Promise<HostArray<"float32">> {
  const size = sizeOf(source.shape);
  const all = float32(new Float32Array((end - start) * size), [end - start, ...source.shape]);
  for await (const { first, samples } of source.draw([start, end], options))
    all.data.set(samples.data, (first - start) * size);
  return all;
}
