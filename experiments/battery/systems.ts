/** Observations as dense linear systems in float64, for exact posteriors. */
import { Matrix } from "ml-matrix";
import { float32, rows } from "../../src/core/array.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { compileApplied } from "./applied.ts";
import type { Observed } from "./measurements.ts";
import type { LinearSystem } from "./mixture.ts";

/** The systems of the first observations: column j of A is what the operator makes of unit vector j; hidden rows are left out. */
export async function linearSystems(
  observed: Observed,
  count: number,
  engine: EngineOptions,
): Promise<LinearSystem[]> {
  const { operator, latentShape, data, y } = observed;
  const N = sizeOf(latentShape);
  const units = new Float32Array(N * N);
  for (let j = 0; j < N; j++) units[j * N + j] = 1;
  const applied = await compileApplied(operator, latentShape, N, engine);
  const M = sizeOf(applied.observationShape);
  try {
    const systems: LinearSystem[] = [];
    for (let i = 0; i < count; i++) {
      const own = Object.entries(data).map(([name, array]) => {
        const row = array.shape[0] === 1 ? 0 : i;
        return [name, rows(array, row, row + 1)] as const;
      });
      const { values, seen } = await applied.apply(
        float32(units, [N, ...latentShape]),
        Object.fromEntries(own),
      );
      const visible = Array.from({ length: M }, (_, m) => m).filter((m) => seen[m] === 1);
      const A = Matrix.zeros(visible.length, N);
      for (const [row, m] of visible.entries()) for (let j = 0; j < N; j++) A.set(row, j, values[j * M + m]!);
      const seenY = visible.map((m) => y.data[i * M + m]!);
      systems.push({ A, y: Matrix.columnVector(seenY), noise: noiseOf(observed, i, visible) });
    }
    return systems;
  } finally {
    await applied.release();
  }
}

/** diag(d) + L L' of the entries that are seen. */
function noiseOf({ noiseVariance, noiseFactor, y }: Observed, i: number, visible: readonly number[]): Matrix {
  const M = sizeOf(y.shape.slice(1));
  const variances = visible.map((m) =>
    typeof noiseVariance === "number" ? noiseVariance : noiseVariance.data[i * M + m]!,
  );
  const diagonal = Matrix.diag(variances);
  if (!noiseFactor) return diagonal;
  const r = noiseFactor.shape.at(-1)!;
  const L = new Matrix(visible.map((m) => Array.from(noiseFactor.data.subarray(m * r, (m + 1) * r))));
  return diagonal.add(L.mmul(L.transpose()));
}
