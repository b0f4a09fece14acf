import { float32 } from "../core/array.ts";
import { padTree } from "../core/pad.ts";
import { divisorBelow, type Shape, sizeOf } from "../core/shape.ts";
import { bindMeasurement, measurementInputs } from "../data/observations/measurement.ts";
import type { ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import {
  expand,
  gather,
  input,
  mul,
  reshape,
  scalar,
  scan,
  sub,
  sum,
  type Tensor,
  transpose,
} from "../graph/index.ts";
import { seenEntries } from "../operators/measured.ts";
import type { Measurement } from "../posterior/posterior.ts";
import { type Linearization, linearize } from "../posterior/solvers/linearize.ts";
import { noiseCovariance } from "../posterior/solvers/noise.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { timesRows } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";
import type { Products } from "./products.ts";

/**
 * Programs that apply the operators of up to `size` observations. Columns are worked through one after the other, or several
 * at once as channels where an operator treats these alike: tomography of 32 x 32 pixels takes .4 ms for a column alone, .1 ms
 * for one of 64.
 */
export interface Applied {
  readonly kind: ObservationKind;
  readonly size: number;
  /** By name and number of columns, compiled when first used. */
  readonly program: (name: ProgramName, k: number) => Promise<Program>;
  readonly release: () => Promise<void>;
}

/** Numbers of latents and measurements that are worked on at once as channels. */
const AT_ONCE = 2 ** 21;

type ProgramName = "noise" | "residual" | "apply" | "applyEach" | "pullEach" | "pull" | "normal";

/** @param size observations together */
export function compileApplied(kind: ObservationKind, size: number, engine: EngineOptions): Applied {
  const programs = new Map<string, Promise<Program>>();
  return {
    kind,
    size,
    program: (name, k) => {
      const key = `${name} ${k}`;
      const found = programs.get(key) ?? compileOne(kind, size, name, k, engine);
      programs.set(key, found);
      return found;
    },
    release: async () => {
      for (const program of programs.values()) await (await program).release();
    },
  };
}

async function compileOne(
  kind: ObservationKind,
  B: number,
  name: ProgramName,
  k: number,
  engine: EngineOptions,
): Promise<Program> {
  const { latentShape, observationShape } = kind.header;
  const [N, M] = [sizeOf(latentShape), sizeOf(observationShape)];
  const observations = measurementInputs(kind, B);
  const mean = input([1, N]);
  const centre = expand(reshape(mean, [1, ...latentShape]), [B, ...latentShape]);
  const measurement = bindMeasurement(kind, observations);
  const linearization = linearize(measurement, centre);
  const { predicted, apply, pull } = linearization;
  const flat = (v: Tensor) => reshape(v, [B, -1]);
  const graph = (): { inputs: Record<string, Tensor>; outputs: Record<string, Tensor> } => {
    if (name === "noise") {
      const { diagonal, factor } = noiseCovariance(measurement.variance);
      const variance = typeof diagonal === "number" ? scalar(diagonal) : diagonal;
      const seen = seenEntries(kind.family, observations.data, B);
      return {
        inputs: {},
        outputs: {
          variance: mul(flat(expand(variance, measurement.y.shape)), 1),
          seen: seen ?? expand(scalar(1), [B, M]),
          ...(factor && { patterns: expand(factor, [B, M, factor.shape[2]!]) }),
        },
      };
    }
    if (name === "residual") return { inputs: {}, outputs: { out: flat(sub(measurement.y, predicted)) } };
    const v = input(
      { apply: [k, N], applyEach: [B, N], pullEach: [B, M], pull: [k, B, M], normal: [k, B, M] }[name],
    );
    if (name === "applyEach")
      return { inputs: { v }, outputs: { out: flat(apply(reshape(v, [B, ...latentShape]))) } };
    if (name === "pullEach")
      return { inputs: { v }, outputs: { out: flat(pull(reshape(v, [B, ...observationShape]))) } };
    const out = columnMaps(kind, measurement, linearization, k)[name](v);
    return { inputs: { v }, outputs: { out } };
  };
  const { inputs, outputs } = graph();
  return await compile({ inputs: { observations: { ...observations }, mean, ...inputs }, outputs }, engine);
}

/**
 * A u [k, B, M] of columns u [k, N], the sum of A' v [k, N] and A A' v [k, B, M] of columns v [k, B, M]. Several are worked on at
 * once as channels where an operator treats these alike: w latents as one, [B, w C, ...lengths].
 */
function columnMaps(
  { header: { latentShape, observationShape } }: ObservationKind,
  measurement: Measurement,
  single: Linearization,
  k: number,
): Readonly<Record<"apply" | "pull" | "normal", (columns: Tensor) => Tensor>> {
  const B = measurement.y.shape[0]!;
  const [N, M] = [sizeOf(latentShape), sizeOf(observationShape)];
  const most = measurement.channelsAlike ? Math.floor(AT_ONCE / (B * (M + N))) : 1;
  const w = divisorBelow(k, Math.max(1, most));
  const wide = ([C, ...lengths]: Shape) => [B, w * C!, ...lengths];
  const { apply, pull } = w === 1 ? single : linearize(measurement, expand(scalar(0), wide(latentShape)));
  const inTurns = (values: Tensor, some: (columns: Tensor) => Tensor) => {
    const groups = reshape(values, [k / w, w, ...values.shape.slice(1)]);
    const turns = scan(k / w, [], (at) => ({ states: [], stacked: [some(gather(groups, at, 0))] }));
    const out = turns.stacked[0]!;
    return reshape(out, [k, ...out.shape.slice(2)]);
  };
  const latents = (u: Tensor) => expand(reshape(u, [1, ...wide(latentShape).slice(1)]), wide(latentShape));
  const measurements = (v: Tensor) => reshape(transpose(v, [1, 0, 2]), wide(observationShape));
  const columnsOf = (v: Tensor, size: number) => transpose(reshape(v, [B, w, size]), [1, 0, 2]);
  return {
    apply: (u) => inTurns(u, (some) => columnsOf(apply(latents(some)), M)),
    pull: (v) => inTurns(v, (some) => sum(columnsOf(pull(measurements(some)), N), [1])),
    normal: (v) => inTurns(v, (some) => columnsOf(apply(pull(measurements(some))), M)),
  };
}

/** Observations whose operator the engine applies, in float32; all else is float64. What A A' is like is not known yet. */
export async function appliedBatch(
  applied: Applied,
  batch: ObservationBatch,
  products: Products,
): Promise<LinearBatch> {
  const { kind, size: B } = applied;
  const { latentShape, observationShape } = kind.header;
  const [N, M] = [sizeOf(latentShape), sizeOf(observationShape)];
  const n = batch.y.shape[0]!;
  const observations = padTree({ ...batch }, B);
  let centre = float32(new Float32Array(N), [1, N]);
  const run = async (name: ProgramName, k: number, feeds: Arrays) =>
    await (await applied.program(name, k)).run({ observations, mean: centre, ...feeds });
  const out = async (name: ProgramName, k: number, v: Float32Array, shape: readonly number[]) =>
    (await run(name, k, { v: float32(v, shape) })).out!.data as Float32Array;
  /** [k, B, M] to [n, M, k]. */
  const perObservation = (stacked: Float32Array, k: number, scales?: Float64Array) => {
    const all = new Float64Array(n * M * k);
    for (let a = 0; a < k; a++) {
      const scale = scales?.[a] ?? 1;
      for (let row = 0; row < n * M; row++) all[row * k + a] = scale * stacked[a * B * M + row]!;
    }
    return all;
  };
  /** The reverse, divided by the largest entry of each column, so that float32 holds it. */
  const stack = (all: Float64Array, k: number) => {
    const scales = new Float64Array(k);
    for (let at = 0; at < all.length; at++) scales[at % k] = Math.max(scales[at % k]!, Math.abs(all[at]!));
    const data = new Float32Array(k * B * M);
    for (let a = 0; a < k; a++)
      if (scales[a]! > 0)
        for (let row = 0; row < n * M; row++) data[a * B * M + row] = all[row * k + a]! / scales[a]!;
    return { data, scales };
  };
  const first = (data: Float32Array, width: number) => Float64Array.from(data.subarray(0, n * width));

  const noise = await run("noise", 0, {});
  const seen = first(noise.seen!.data as Float32Array, M);
  const variance = first(noise.variance!.data as Float32Array, M);
  const q = kind.noiseFactor?.shape.at(-1) ?? 0;
  return {
    size: n,
    systems: n,
    rows: M,
    ownRows: Array.from({ length: n }, () => M),
    measured: Array.from({ length: n }, (_, i) =>
      seen.subarray(i * M, (i + 1) * M).reduce((total, value) => total + value, 0),
    ),
    variance: variance.map((value, row) => (seen[row] === 1 ? value : 1)),
    patterns: q > 0 ? timesRows(first(noise.patterns!.data as Float32Array, M * q), q, seen) : undefined,
    patternCount: q,
    residual: async (mean) => {
      centre = float32(Float32Array.from(mean), [1, N]);
      const { out: r } = await run("residual", 0, {});
      return timesRows(first(r!.data as Float32Array, M), 1, seen);
    },
    apply: async (columns, k) => {
      const data = new Float32Array(k * N);
      for (let at = 0; at < columns.length; at++) data[(at % k) * N + Math.floor(at / k)] = columns[at]!;
      return perObservation(await out("apply", k, data, [k, N]), k);
    },
    applyEach: async (latents) => {
      const data = new Float32Array(B * N);
      data.set(latents);
      return first(await out("applyEach", 0, data, [B, N]), M);
    },
    pullEach: async (v) => {
      const { data, scales } = stack(v, 1);
      return first(await out("pullEach", 0, data, [B, M]), N).map((x) => x * scales[0]!);
    },
    addPulled: async (Y, k, into) => {
      const { data, scales } = stack(Y, k);
      const pulled = await out("pull", k, data, [k, B, M]);
      for (let a = 0; a < k; a++)
        for (let j = 0; j < N; j++) into[j * k + a]! += scales[a]! * pulled[a * N + j]!;
    },
    normal: async (P, k) => {
      const { data, scales } = stack(P, k);
      return perObservation(await out("normal", k, data, [k, B, M]), k, scales);
    },
    diagonal: new Float64Array(0),
    isDiagonal: false,
    products,
  };
}

/** The batch with the diagonal of A A'. */
export async function withDiagonal(batch: LinearBatch): Promise<LinearBatch> {
  return { ...batch, ...(await diagonalOf(batch)) };
}

/**
 * The diagonal of A A' from probes of signs z, z A A' z entry by entry: exact if A A' has no other entries, for then all agree.
 * Else their mean, kept above a tenth of its mean, is what conjugate gradients are preconditioned with.
 */
async function diagonalOf({
  size: n,
  rows: M,
  normal,
}: LinearBatch): Promise<Pick<LinearBatch, "diagonal" | "isDiagonal">> {
  const found: Float64Array[] = [];
  for (const step of PROBES) {
    const z = Float64Array.from({ length: n * M }, (_, row) =>
      (Math.imul((row % M) + 1, step) >>> 13) & 1 ? 1 : -1,
    );
    found.push(timesRows(await normal(z, 1), 1, z));
  }
  const [first, ...others] = found as [Float64Array, ...Float64Array[]];
  const parts = (values: Float64Array) =>
    Array.from({ length: n }, (_, i) => values.subarray(i * M, (i + 1) * M));
  const largest = parts(first).map((own) => own.reduce((a, b) => Math.max(a, Math.abs(b)), 0));
  const isDiagonal = others.every((other) =>
    other.every((value, row) => Math.abs(value - first[row]!) <= 1e-5 * largest[Math.floor(row / M)]!),
  );
  if (isDiagonal) return { diagonal: first.map((value) => Math.max(value, 0)), isDiagonal };
  const mean = first.map((_, row) => found.reduce((total, one) => total + one[row]!, 0) / found.length);
  for (const own of parts(mean)) {
    const typical = own.reduce((a, b) => a + Math.max(b, 0), 0) / M;
    for (let m = 0; m < M; m++) own[m] = Math.max(own[m]!, 0.1 * typical);
  }
  return { diagonal: mean, isDiagonal };
}

/** Multipliers that make signs of entry numbers. */
const PROBES = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;
