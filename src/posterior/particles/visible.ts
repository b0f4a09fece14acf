import { float32 } from "../../core/array.ts";
import {
  add,
  and,
  cast,
  concat,
  constant,
  expand,
  gather,
  greater,
  integers,
  max,
  neg,
  reshape,
  scalar,
  scan,
  sum,
  type Tensor,
  transpose,
  where,
} from "../../graph/index.ts";
import type { Measurement } from "../posterior.ts";
import { noiseCovariance } from "../solvers/noise.ts";

/** A measurement without the entries of y that a mask hides. */
export interface VisibleMeasurement {
  /** y [B, K]: the entries that are seen, in their order, then zeros without variance, which carry no information. */
  readonly measurement: Measurement;
  /** Number of entries of each sample that are seen and found no place among the K, [B]. */
  readonly beyond: Tensor;
}

/**
 * The measurement of the entries of y that carry one. A hidden entry is 0 = 0 x + noise, which tells nothing of x: without
 * it the posterior is the same, and what needs a product or a row for each entry needs fewer. Exact, as long as
 * hidden entries share no noise with others.
 * @param seen 1 for an entry that carries a measurement and 0 for one that a mask hides, [B, M]
 * @param K entries that a sample has at most
 */
export function visibleEntries(measurement: Measurement, seen: Tensor, K: number): VisibleMeasurement {
  const { y, operator } = measurement;
  const [B, M] = seen.shape as [number, number];
  const { entries, beyond } = seenPositions(seen, K);
  const offsets = integers(
    Array.from({ length: B }, (_, b) => b * (M + 1)),
    [B, 1],
  );
  const indices = reshape(add(cast(entries, "int64"), offsets), [B * K]);
  // [B, ...M] or, for a factor of the noise, [B, M, r]; position M stands for none, and gives zero.
  const select = (values: Tensor, width: number) => {
    const end = expand(scalar(0), [B, 1, width]);
    const rows = reshape(concat([reshape(values, [B, M, width]), end], 1), [B * (M + 1), width]);
    return reshape(gather(rows, indices, 0), width === 1 ? [B, K] : [B, K, width]);
  };
  const { diagonal, factor } = noiseCovariance(measurement.variance);
  const variances = select(expand(typeof diagonal === "number" ? scalar(diagonal) : diagonal, y.shape), 1);
  const r = factor?.shape[2] ?? 0;
  return {
    beyond,
    measurement: {
      ...measurement,
      operator: (x) => select(operator(x), 1),
      y: select(y, 1),
      variance: factor
        ? { diagonal: variances, factor: reshape(select(expand(factor, [B, M, r]), r), [B, K, r]) }
        : variances,
    },
  };
}

/** The first K positions of each row where `seen` is not zero, [B, K], then M; and how many there are beyond them, [B]. */
function seenPositions(seen: Tensor, K: number): { entries: Tensor; beyond: Tensor } {
  const [B, M] = seen.shape as [number, number];
  const positions = constant(
    float32(
      Array.from({ length: M }, (_, m) => m),
      [1, M],
    ),
  );
  const after = (last: Tensor) => and(greater(seen, 0), greater(positions, last));
  const { states, stacked } = scan(K, [expand(scalar(-1), [B, 1])], (_, [last]) => {
    const next = neg(max(neg(where(after(last!), positions, M)), [1], true));
    return { states: [next], stacked: [next] };
  });
  return {
    entries: transpose(reshape(stacked[0]!, [K, B])),
    beyond: sum(cast(after(states[0]!), "float32"), [1]),
  };
}
