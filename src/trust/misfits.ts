import { type HostArray, rows } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import { compileOver } from "../data/observations/observation-program.ts";
import type { Observations } from "../data/observations/observations.ts";
import { div, expand, input, mul, reshape, scalar, square, sub } from "../graph/index.ts";
import { measuredEntries, seenEntries } from "../operators/measured.ts";
import { noiseCovariance, noiseSquares } from "../posterior/solvers/noise.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** How far latents are from their observations, and how many numbers of each were measured. */
export interface Misfits {
  /** (y - A x)' Sigma_y^-1 (y - A x) of each, over measured entries. */
  readonly squares: Float64Array;
  readonly measured: Float64Array;
  /** (y - A x)^2 over the variance of the entry's own noise, and whether it was measured (1 or 0), [n, M] both. */
  readonly each: Float32Array;
  readonly seen: Float32Array;
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
      const residual = sub(y, operator(latents));
      const { family } = observations;
      const M = sizeOf(family.observationShape);
      const seen = seenEntries(family, data, size) ?? expand(scalar(1), [size, M]);
      const each = mul(reshape(div(square(residual), noiseCovariance(variance).diagonal), [size, M]), seen);
      const squares = noiseSquares(variance, residual);
      const measured = measuredEntries(family, data, size);
      return { inputs: { latents }, outputs: { squares, measured, each, seen } };
    },
    engine,
  );
  return {
    async of(x, start) {
      const n = x.shape[0]!;
      const squares = new Float64Array(n);
      const measured = new Float64Array(n);
      const M = sizeOf(observations.family.observationShape);
      const each = new Float32Array(n * M);
      const seen = new Float32Array(n * M);
      for (let first = 0; first < n; first += size) {
        const end = Math.min(first + size, n);
        const batch = await observations.read(start + first, start + end);
        const found = await program.run(batch, { latents: rows(x, first, end) });
        squares.set(Array.from(found.squares.data, Number), first);
        measured.set(Array.from(found.measured.data, Number), first);
        each.set(found.each.data as Float32Array, first * M);
        seen.set(found.seen.data as Float32Array, first * M);
      }
      return { squares, measured, each, seen };
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
