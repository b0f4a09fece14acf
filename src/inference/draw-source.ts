import { float32, type HostArray } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";

/** What some draws need besides their source. */
export interface DrawOptions extends Watch {
  /** The random stream of draw `index`: it depends on nothing else. */
  readonly stream: (index: number) => Rng;
  /** Noise levels in the model's coordinates, from the largest to zero. Default: those of the source, if it has any. */
  readonly levels?: readonly number[] | undefined;
  /** For progress. Default: no name. */
  readonly stage?:
    | { readonly name: string; readonly iteration: number; readonly iterations: number }
    | undefined;
}

/** Draws [n, ...latent] in the user's units, the number of the first, and how the solvers behind them fared. */
export interface DrawnBatch {
  readonly first: number;
  readonly samples: HostArray<"float32">;
  readonly status?: DrawStatus | undefined;
  /** ln q(y) less that of the Gaussian start, an estimate from each draw (`evidenceGain`), [n], if the source was asked for it. */
  readonly gain?: HostArray<"float32"> | undefined;
}

/**
 * What draws, compiled: samples of a prior, or one draw for each observation of a set. Released by `await using`, or by
 * `source[Symbol.asyncDispose]()`.
 */
export interface DrawSource extends AsyncDisposable {
  /** Draws that are made together, and handed on together. */
  readonly batch: number;
  /** Shape of a latent. */
  readonly shape: Shape;
  /**
   * Draws numbers [start, end), batch by batch; progress counts from 0 to end - start.
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

/** All draws of a range in one array, [end - start, ...latent]. */
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
