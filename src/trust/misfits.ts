import { type HostArray, rows } from "../core/array.ts";
import { pickRows } from "../core/rows.ts";
import { sizeOf } from "../core/shape.ts";
import { compileOver } from "../data/observations/observation-program.ts";
import { kindsIn, type ObservationSet, partsOf } from "../data/observations/observation-set.ts";
import type { Observations } from "../data/observations/observations.ts";
import { div, expand, input, mul, reshape, scalar, square, sub } from "../graph/index.ts";
import { batchesOf } from "../inference/draw-source.ts";
import { measuredEntries, seenEntries } from "../operators/measured.ts";
import { noiseCovariance, noiseSquares } from "../posterior/solvers/noise.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** How far latents are from their observations, and how many numbers of each were measured. */
export interface Misfits {
  /** (y - A x)' Sigma_y^-1 (y - A x) of each, over measured entries. */
  readonly squares: Float64Array;
  readonly measured: Float64Array;
  /** (y - A x)^2 over the variance of the entry's own noise, and whether it was measured (1 or 0), [M] of each. */
  readonly each: readonly Float32Array[];
  readonly seen: readonly Float32Array[];
}

/** Squares for each measured number from which draws are said to disagree with their measurements: exact draws have 1. */
export const DISAGREES = 2;
/** Observations together. */
const BATCH = 64;

/** Compares latents with observations [start, start + n); released by `await using`. */
export interface MisfitProgram extends AsyncDisposable {
  /** @param x one latent for each, [n, ...latent] */
  of(x: HostArray<"float32">, start: number): Promise<Misfits>;
}

/** @param set observations in the coordinates of the latents @param most latents together */
export async function compileMisfits(
  set: ObservationSet,
  most: number,
  engine: EngineOptions,
): Promise<MisfitProgram> {
  const kinds: Awaited<ReturnType<typeof compileKind>>[] = [];
  for (const { observations, numbers } of partsOf(set))
    kinds.push(await compileKind(observations, Math.min(BATCH, most, Math.max(1, numbers.length)), engine));
  return {
    async of(x, start) {
      const n = x.shape[0]!;
      const [squares, measured] = [new Float64Array(n), new Float64Array(n)];
      const [each, seen]: [Float32Array[], Float32Array[]] = [[], []];
      for (const { kind, observations, range, numbers } of kindsIn(set, [start, start + n])) {
        const { size, program } = kinds[kind]!;
        for (const [first, end] of batchesOf(range, size)) {
          const places = numbers.subarray(first - range[0], end - range[0]).map((number) => number - start);
          const batch = await observations.read(first, end);
          const found = await program.run(batch, { latents: pickRows(x, places) });
          for (const [i, place] of places.entries()) {
            squares[place] = Number(found.squares.data[i]);
            measured[place] = Number(found.measured.data[i]);
            each[place] = rows(found.each, i, i + 1).data as Float32Array;
            seen[place] = rows(found.seen, i, i + 1).data as Float32Array;
          }
        }
      }
      return { squares, measured, each, seen };
    },
    [Symbol.asyncDispose]: async () => {
      for (const { program } of kinds) await program[Symbol.asyncDispose]();
    },
  };
}

/** @param size observations together */
async function compileKind(observations: Observations, size: number, engine: EngineOptions) {
  const { header, family } = observations;
  const program = await compileOver(
    observations,
    size,
    ({ operator, y, variance }, { data }) => {
      const latents = input([size, ...header.latentShape]);
      const residual = sub(y, operator(latents));
      const M = sizeOf(family.observationShape);
      const seen = seenEntries(family, data, size) ?? expand(scalar(1), [size, M]);
      const each = mul(reshape(div(square(residual), noiseCovariance(variance).diagonal), [size, M]), seen);
      const squares = noiseSquares(variance, residual);
      const measured = measuredEntries(family, data, size);
      return { inputs: { latents }, outputs: { squares, measured, each, seen } };
    },
    engine,
  );
  return { size, program };
}
