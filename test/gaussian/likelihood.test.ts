import { Matrix, solve } from "ml-matrix";
import { expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import {
  type ObservationHeader,
  type Observations,
  observationKind,
} from "../../src/data/observations/observations.ts";
import { choleskyFactor, logDeterminant } from "../../src/gaussian/dense.ts";
import { logLikelihood } from "../../src/gaussian/fit.ts";
import { linearObservations } from "../../src/gaussian/linear-observations.ts";
import type { GaussianModel } from "../../src/gaussian/observed-covariance.ts";
import { seenOnHost } from "../../src/gaussian/picked.ts";
import { gaussianSampler } from "../../src/gaussian/sampler.ts";
import { input } from "../../src/graph/index.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";
import { compile } from "../../src/runtime/compile.ts";

const COUNT = 3;
/** Fewer columns than measurements, and more: systems are solved in the smaller size. */
const RANKS = [3, 20];
const BLUR = {
  name: "blur",
  kernel: [
    [0.1, 0.2, 0.1],
    [0.1, 0.3, 0],
    [0, 0.2, 0],
  ],
};

/** The same by hand: ln N(y; A mean, S) and E[x | y] from dense matrices. */
function byHand(A: Matrix, y: Matrix, variance: number, { mean, residual, factor, rank }: GaussianModel) {
  const N = mean.length;
  const U = Matrix.from1DArray(N, rank, factor);
  const C = U.mmul(U.transpose()).add(Matrix.eye(N).mul(residual));
  const S = A.mmul(C).mmul(A.transpose()).add(Matrix.eye(A.rows).mul(variance));
  const r = y.sub(A.mmul(Matrix.columnVector(Array.from(mean))));
  const a = solve(S, r);
  const L = choleskyFactor(Float64Array.from(S.to1DArray()), A.rows)!;
  const square = r.transpose().mmul(a).get(0, 0);
  const density = -0.5 * (square + logDeterminant(L, A.rows) + A.rows * Math.log(2 * Math.PI));
  return {
    density,
    mean: C.mmul(A.transpose())
      .mmul(a)
      .add(Matrix.columnVector(Array.from(mean))),
  };
}

// Where A A' is not diagonal and M > 256 the determinant is an estimate from one probe: its error is that of ln det E, whose
// eigenvalues differ by a factor of 2 at most here, so M numbers give some .35 sqrt(2 M) of it; three times that.
test.each([
  ["a mask, read on the host", { name: "mask", maskShape: [12] }, [12], 0.01, 1e-4],
  ["a matrix, turned to independent measurements", { name: "matrix", measurements: 5 }, [9], 1e-4, 1e-4],
  ["k-space of real images", { name: "fourier", maskShape: [1, 1, 4] }, [1, 4, 4], 1e-3, 1e-4],
  ["a blur of 81 pixels, turned", BLUR, [1, 9, 9], 0.1, 1e-4],
  ["a matrix that all share", { name: "matrix", measurements: 5 }, [9], 1e-4, 1e-4],
  ["a blur of many pixels that all share", BLUR, [1, 17, 17], 0.1, 1e-4],
  [
    "averages of pixels, which do not overlap and all share",
    { name: "average-pool", size: 2 },
    [1, 6, 6],
    0.1,
    1e-4,
  ],
  ["a blur of many pixels, by conjugate gradients", BLUR, [1, 17, 17], 0.1, 3 * 0.35 * Math.sqrt(578)],
] as const)(
  "log-likelihood and posterior mean of %s are those of dense algebra",
  async (name, spec, latentShape, variance, tolerance) => {
    const rng = new Rng(1);
    const operator = spec as OperatorSpec;
    const probe = {
      format: "diem-observations",
      version: 1,
      operator,
      latentShape,
      noiseVariance: variance,
    } as const;
    const shapes: Record<string, readonly number[]> = {
      mask: [12],
      matrix: [5],
      fourier: [2, 4, 4],
      "average-pool": [1, 3, 3],
    };
    const header: ObservationHeader = { ...probe, observationShape: shapes[operator.name] ?? latentShape };
    const isShared = name.endsWith("share");
    const kind = { ...observationKind(header), isShared };
    const [N, M] = [sizeOf(latentShape), sizeOf(header.observationShape)];
    const data = Object.fromEntries(
      Object.entries(kind.family.data).map(([name, shape]) => {
        const isMask = name in kind.family.masks;
        const values = Float32Array.from({ length: COUNT * sizeOf(shape) }, () =>
          isMask ? Number(rng.uniform() < 0.6) : rng.normal(),
        );
        if (isShared)
          values.copyWithin(sizeOf(shape), 0, sizeOf(shape)).copyWithin(2 * sizeOf(shape), 0, sizeOf(shape));
        return [name, float32(values, [COUNT, ...shape])];
      }),
    );
    const x = input([COUNT, ...latentShape]);
    const inputs = Object.fromEntries(
      Object.entries(data).map(([name, array]) => [name, input(array.shape)]),
    );
    const program = await compile({ inputs: { x, ...inputs }, outputs: { y: kind.family.bind(inputs)(x) } });
    const apply = async (latents: Float32Array) =>
      (await program.run({ x: float32(latents, x.shape), ...data })).y as HostArray<"float32">;
    const matrices = Array.from({ length: COUNT }, () => Matrix.zeros(M, N));
    for (let j = 0; j < N; j++) {
      const unit = Float32Array.from({ length: COUNT * N }, (_, at) => Number(at % N === j));
      const column = await apply(unit);
      for (let i = 0; i < COUNT; i++)
        for (let m = 0; m < M; m++) matrices[i]!.set(m, j, column.data[i * M + m]!);
    }
    const y = await apply(Float32Array.from({ length: COUNT * N }, () => rng.normal()));
    // What a mask hides is no measurement.
    const kept = Array.from({ length: COUNT }, (_, i) => {
      const seen = seenOnHost(kind, { y, data }, i);
      return Array.from({ length: M }, (_, m) => m).filter((m) => seen[m] === 1);
    });
    for (let i = 0; i < COUNT; i++)
      for (const m of kept[i]!) y.data[i * M + m] = y.data[i * M + m]! + Math.sqrt(variance) * rng.normal();
    const observations: Observations = {
      ...kind,
      path: "memory",
      count: COUNT,
      read: async (start, end) => ({
        y: rows(y, start, end),
        data: Object.fromEntries(
          Object.entries(data).map(([name, array]) => [name, rows(array, start, end)]),
        ),
      }),
      checksum: async () => "",
    };
    const linear = await linearObservations(observations, {}, "fit");
    for (const rank of RANKS) {
      const model: GaussianModel = {
        mean: Float64Array.from({ length: N }, () => rng.normal()),
        residual: 0.2,
        factor: Float64Array.from({ length: N * rank }, () => rng.normal()),
        rank,
      };
      const { each } = await logLikelihood(linear, [0, COUNT], model, new Rng(2));
      const sampler = await gaussianSampler(
        {
          mean: float32(Float32Array.from(model.mean)),
          diagonal: float32(new Float32Array(N).fill(model.residual)),
          factor: float32(Float32Array.from(model.factor), [N, rank]),
        },
        kind,
        COUNT,
        {},
      );
      const last = await sampler.mean(await observations.read(COUNT - 1, COUNT));
      const means = await sampler.mean(await observations.read(0, COUNT));
      // An observation by itself has the same mean as among others.
      for (let j = 0; j < N; j++)
        expect(Math.abs(last.data[j]! - means.data[(COUNT - 1) * N + j]!)).toBeLessThan(2e-3);
      for (let i = 0; i < COUNT; i++) {
        const A = new Matrix(kept[i]!.map((m) => matrices[i]!.getRow(m)));
        const expected = byHand(
          A,
          Matrix.columnVector(kept[i]!.map((m) => y.data[i * M + m]!)),
          variance,
          model,
        );
        // Relative to its size: float32 operators give 1e-6 of it where the noise is small.
        expect(Math.abs(each[i]! - expected.density)).toBeLessThan(
          tolerance * Math.max(1, tolerance < 1 ? Math.abs(expected.density) : 1),
        );
        for (let j = 0; j < N; j++)
          expect(Math.abs(means.data[i * N + j]! - expected.mean.get(j, 0))).toBeLessThan(2e-3);
      }
      await sampler.release();
    }
    await linear.release();
    await program.release();
  },
);
