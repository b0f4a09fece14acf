import type { Rng } from "../core/random.ts";
import { beside, dotProduct } from "./dense.ts";
import type { Range } from "./fit.ts";
import type { LinearObservations } from "./linear-observations.ts";
import { solveNoise } from "./noise-system.ts";
import type { GaussianModel } from "./observed-covariance.ts";

/** Observations that tell what operators resolve. */
const RESOLVING = 64;
/** Products with F that find its largest eigenvalue at first; each call adds one. */
const FIRST = 8;

/** F C of columns C [N, k], which are steps from a Gaussian. */
export type Resolve = (from: GaussianModel, columns: Float64Array, k: number) => Promise<Float64Array>;

/**
 * F is the sum of A' (Sigma_y + D A A')^-1 A over some observations, over its largest eigenvalue: the share of each direction that
 * operators resolve beside a variance D. Where a blur leaves a hundredth of the noise's deviation the likelihood follows the
 * noise, a hundred times amplified, and measurements that were held out do not object; steps of EM that are multiplied by F
 * go there as slowly as little is told. Of images of 32 x 32 pixels behind a blur of 1.5 pixels the Gaussian start errs by
 * 1.1 times as much as the Wiener filter, with whole steps by 4.7 times. A Gaussian without columns keeps its mean: its D is the
 * variance of everything, beside which all seems to be resolved.
 * Operators that only pick entries amplify nothing: there the steps are whole.
 */
export function resolver(linear: LinearObservations, [start, end]: Range, N: number, rng: Rng): Resolve {
  if (!linear.mixes) return async (_, columns) => columns;
  const noise = rng.split("resolved");
  let widest: Float64Array = Float64Array.from({ length: N }, () => noise.normal());
  let isFirst = true;
  const apply = async (D: number, columns: Float64Array, k: number) => {
    const seen = new Float64Array(columns.length);
    for await (const { batch } of linear.batches([start, Math.min(end, start + RESOLVING)])) {
      const { solution } = await solveNoise(batch, D, await batch.apply(columns, k), k);
      await batch.addPulled(solution, k, seen);
    }
    return seen;
  };
  return async ({ residual: D, rank }, columns, k) => {
    if (rank === 0) return new Float64Array(columns.length);
    if (isFirst) for (let step = 0; step < FIRST; step++) widest = unit(await apply(D, widest, 1));
    isFirst = false;
    const seen = await apply(D, beside(columns, k, unit(widest), 1), k + 1);
    const last = (at: number) => at % (k + 1) === k;
    widest = seen.filter((_, at) => last(at));
    const most = Math.sqrt(dotProduct(widest, widest));
    return seen.filter((_, at) => !last(at)).map((value) => value / (most || 1));
  };
}

function unit(v: Float64Array): Float64Array {
  const length = Math.sqrt(dotProduct(v, v)) || 1;
  return v.map((value) => value / length);
}
