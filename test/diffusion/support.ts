import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { input, type Tensor } from "../../src/graph/index.ts";
import { compile } from "../../src/runtime/compile.ts";

type Values = HostArray<"float32">;

/**
 * Feeds arrays to a graph and returns its results.
 *   const { y } = await evaluate({ x }, ({ x }) => ({ y: square(x) }));
 */
export async function evaluate<I extends string, O extends string>(
  feeds: Record<I, Values>,
  build: (inputs: Record<I, Tensor>) => Record<O, Tensor>,
): Promise<Record<O, Values>> {
  const entries = Object.entries<Values>(feeds);
  const inputs = Object.fromEntries(entries.map(([name, { shape }]) => [name, input(shape)]));
  const program = await compile({ inputs, outputs: build(inputs as Record<I, Tensor>) });
  const results = await program.run(feeds);
  await program.release();
  return results as Record<O, Values>;
}

/** Standard normals. */
export function normals(rng: Rng, shape: Shape): Values {
  const values = new Float32Array(sizeOf(shape));
  rng.fillNormal(values);
  return float32(values, shape);
}

/** |actual - expected| / |expected|, in the Euclidean norm. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const norm = (values: number[]) => Math.hypot(...values);
  const wanted = Array.from(expected);
  return norm(wanted.map((value, i) => actual[i]! - value)) / norm(wanted);
}
