import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { input, matmul } from "../../src/graph/index.ts";
import { compile } from "../../src/runtime/compile.ts";
import type { Task } from "./task.ts";

/** Side of the matrices whose product shows what the processor can do. */
export const PRODUCT_SIZE = 2048;

/** A large product of float32 matrices in the engine, of the kind that its convolutions could reach at best. */
export async function productTask(threads: number): Promise<Task> {
  const shape = [PRODUCT_SIZE, PRODUCT_SIZE];
  const [a, b] = [input(shape), input(shape)];
  const program = await compile({ inputs: { a, b }, outputs: { c: matmul(a, b) } }, { threads });
  const rng = new Rng(7);
  const feeds = { a: normal(rng, shape), b: normal(rng, shape) };
  const into = { c: float32(new Float32Array(PRODUCT_SIZE ** 2), shape) };
  await program.run(feeds, into);
  return {
    results: {},
    run: async () => {
      await program.run(feeds, into);
    },
  };
}

function normal(rng: Rng, shape: readonly number[]) {
  const values = new Float32Array(PRODUCT_SIZE ** 2);
  rng.fillNormal(values);
  return float32(values, shape);
}
