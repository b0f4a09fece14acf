import { hostArray } from "../core/array.ts";
import { input, matmul, reshape } from "../graph/index.ts";
import { compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/**
 * Products of the matrices of n observations at once, in float64. The engine makes them, ten times as fast as loops of
 * JavaScript would, and they are nearly all of the work of a fit. GPUs' engines have no float64, so the processor does. Matrices lie one after the other, each row by row.
 */
export interface Products {
  /** V' Y of each, [n, k, l], of V [n, M, k] and Y [n, M, l]. */
  gram(V: Float64Array, k: number, Y: Float64Array, l: number, n: number): Promise<Float64Array>;
  /** V T of each, [n, M, l], of V [n, M, k] and T [n, k, l]. */
  times(V: Float64Array, k: number, T: Float64Array, l: number, n: number): Promise<Float64Array>;
  release(): Promise<void>;
}

export function batchedProducts(engine: EngineOptions): Products {
  const programs = new Map<string, Promise<Program>>();
  const product = async (a: Stack, b: Stack, transA: boolean): Promise<Float64Array> => {
    if (a.data.length === 0 || b.data.length === 0) return new Float64Array(0);
    const key = `${transA} ${a.shape} ${b.shape}`;
    let program = programs.get(key);
    if (!program) {
      const inputs = { a: input(a.shape, "float64"), b: input(b.shape, "float64") };
      const out = reshape(matmul(inputs.a, inputs.b, { transA }), [-1]);
      program = compile({ inputs, outputs: { out } }, { ...engine, device: "cpu" });
      programs.set(key, program);
    }
    const found = await (await program).run({
      a: hostArray("float64", a.shape, a.data),
      b: hostArray("float64", b.shape, b.data),
    });
    return found.out!.data as Float64Array;
  };
  return {
    gram: async (V, k, Y, l, n) => await product(stack(V, k, n), stack(Y, l, n), true),
    times: async (V, k, T, l, n) => await product(stack(V, k, n), { shape: [n, k, l], data: T }, false),
    release: async () => {
      for (const program of programs.values()) await (await program).release();
    },
  };
}

interface Stack {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const stack = (data: Float64Array, k: number, n: number): Stack => ({
  shape: [n, k === 0 ? 0 : data.length / (n * k), k],
  data,
});
