import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { batchesOf, type DrawOptions, type DrawSource, drawAll } from "./draw-source.ts";

/** Options of `drawSeveral`. */
export interface SeveralOptions extends Omit<DrawOptions, "stream"> {
  /** The random stream of draw s for observation `index`. */
  readonly stream: (index: number, s: number) => Rng;
}

/**
 * Makes S draws for each of the observations [start, end), batch by batch, [n, S, ...latent]. Progress counts all draws.
 */
export async function* drawSeveral(
  source: DrawSource,
  [start, end]: readonly [number, number],
  S: number,
  { stream, onEvent, ...options }: SeveralOptions,
): AsyncGenerator<{ readonly first: number; readonly samples: HostArray<"float32"> }, void> {
  for (const [first, stop] of batchesOf([start, end], source.batch)) {
    const drawn: HostArray<"float32">[] = [];
    for (let s = 0; s < S; s++)
      drawn.push(
        await drawAll(source, [first, stop], {
          ...options,
          stream: (index) => stream(index, s),
          onEvent: (event) =>
            onEvent?.({
              ...event,
              done: (first - start) * S + s * (stop - first) + event.done,
              total: (end - start) * S,
            }),
        }),
      );
    yield { first, samples: interleave(drawn) };
  }
}

/** Draw after draw [n, ...latent] becomes observation after observation, [n, S, ...latent]. */
function interleave(draws: readonly HostArray<"float32">[]): HostArray<"float32"> {
  const S = draws.length;
  const [n, ...shape] = draws[0]!.shape as [number, ...number[]];
  const size = sizeOf(shape);
  const out = new Float32Array(n * S * size);
  for (const [s, draw] of draws.entries())
    for (let i = 0; i < n; i++) out.set(draw.data.subarray(i * size, (i + 1) * size), (i * S + s) * size);
  return float32(out, [n, S, ...shape]);
}
