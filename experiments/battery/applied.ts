/** An operator applied to latents on the host's arrays, each with its own data. */
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { expand, input, reshape, scalar } from "../../src/graph/index.ts";
import { seenEntries } from "../../src/operators/measured.ts";
import { operatorFamily } from "../../src/operators/registry.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";
import { compile } from "../../src/runtime/compile.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { inputsOf } from "../../src/runtime/inputs.ts";
import type { Arrays } from "./operators.ts";

/** A x of n latents and which of its entries are seen, 1 or 0; [n, M] each. */
export interface AppliedValues {
  readonly values: Float32Array;
  readonly seen: Float32Array;
}

export interface Applied {
  readonly observationShape: Shape;
  /** @param x [n, ...latent], n at least the batch @param data [n, ...] by name, or [1, ...] for all */
  apply(x: HostArray<"float32">, data: Arrays): Promise<AppliedValues>;
  release(): Promise<void>;
}

/** Compiles an operator. @param batch latents that are applied to together */
export async function compileApplied(
  operator: OperatorSpec,
  latentShape: Shape,
  batch: number,
  engine: EngineOptions,
): Promise<Applied> {
  const family = operatorFamily(operator, latentShape);
  const M = sizeOf(family.observationShape);
  const x = input([batch, ...latentShape]);
  const ports = inputsOf(family.data, batch);
  const values = reshape(family.bind(ports)(x), [batch, M]);
  const seen = seenEntries(family, ports, batch) ?? expand(scalar(1), [batch, M]);
  const program = await compile({ inputs: { x, ...ports }, outputs: { values, seen } }, engine);
  return {
    observationShape: family.observationShape,
    async apply(all, data) {
      const n = all.shape[0]!;
      const out = { values: new Float32Array(n * M), seen: new Float32Array(n * M) };
      for (let start = 0; start < n; start += batch) {
        const first = Math.min(start, n - batch); // the last batch overlaps the one before
        const part = (array: HostArray<"float32">) =>
          array.shape[0] === 1 ? repeated(array, batch) : rows(array, first, first + batch);
        const feeds = Object.fromEntries(Object.entries(data).map(([name, array]) => [name, part(array)]));
        const found = await program.run({ x: rows(all, first, first + batch), ...feeds });
        out.values.set(found.values!.data as Float32Array, first * M);
        out.seen.set(found.seen!.data as Float32Array, first * M);
      }
      return out;
    },
    release: () => program.release(),
  };
}

/** One row n times. */
function repeated({ shape, data }: HostArray<"float32">, n: number): HostArray<"float32"> {
  const all = new Float32Array(n * data.length);
  for (let i = 0; i < n; i++) all.set(data, i * data.length);
  return float32(all, [n, ...shape.slice(1)]);
}
