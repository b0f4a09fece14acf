import { type HostArray, rows } from "../core/array.ts";
import { compileOver } from "../data/observations/observation-program.ts";
import type { Observations } from "../data/observations/observations.ts";
import { input, sub } from "../graph/index.ts";
import { measuredEntries } from "../operators/measured.ts";
import { noiseSquares } from "../posterior/solvers/noise.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** How far latents are from their observations, and how many numbers of each were measured. */
export interface Misfits {
  /** (y - A x)' Sigma_y^-1 (y - A x) of each, over measured entries. */
  readonly squares: Float64Array;
  readonly measured: Float64Array;
}

/** Observations together. */
const BATCH = 64;

/** Compares latents with observations [start, start + n); released by `await using`. */
export interface MisfitProgram extends AsyncDisposable {
  /** @param x one latent for each, [n, ...latent] */
  of(x: HostArray<"float32">, start: number): Promise<Misfits>;
}

/** @param observations in the coordinates of the latents @param most latents together */
export async function compileMisfits(
  observations: Observations,
  most: number,
  engine: EngineOptions,
): Promise<MisfitProgram> {
  const size = Math.min(BATCH, most);
  const program = await compileOver(
    observations,
    size,
    ({ operator, y, variance }, { data }) => {
      const latents = input([size, ...observations.header.latentShape]);
      const squares = noiseSquares(variance, sub(y, operator(latents)));
      const measured = measuredEntries(observations.family, data, size);
      return { inputs: { latents }, outputs: { squares, measured } };
    },
    engine,
  );
  return {
    async of(x, start) {
      const n = x.shape[0]!;
      const squares = new Float64Array(n);
      const measured = new Float64Array(n);
      for (let first = 0; first < n; first += size) {
        const end = Math.min(first + size, n);
        const batch = await observations.read(start + first, start + end);
        const found = await program.run(batch, { latents: rows(x, first, end) });
        squares.set(Array.from(found.squares.data, Number), first);
        measured.set(Array.from(found.measured.data, Number), first);
      }
      return { squares, measured };
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
