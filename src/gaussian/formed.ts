import { withDiagonal } from "./applied.ts";
import { repeated, transposedEach } from "./dense.ts";
import type { DenseForm } from "./dense-systems.ts";
import type { LinearBatch } from "./linear-observations.ts";

/**
 * Most numbers of an observation whose A A' is formed, of its own or of a system that all share, and most multiplications for it.
 * Cholesky's factor of one takes .02 s for 256 numbers, .8 s for 1024; conjugate gradients apply A some 20 times to each
 * column of the Gaussian's factor.
 */
const OWN = { measurements: 512, work: 2 ** 28 } as const;
const SHARED = { measurements: 2048, work: 2 ** 33 } as const;
/** Columns of A at a time. */
const COLUMNS = 64;

/** The same observations with A A' as matrices, for one covariance to be solved; none where A A' is diagonal. */
export const FORMED: DenseForm<LinearBatch> = {
  fits: (M, N, isShared) => {
    const most = isShared ? SHARED : OWN;
    return M <= most.measurements && M * M * N <= most.work;
  },
  numbers: (M) => M * (M + COLUMNS),
  form: async (systems, N) => {
    const known = await withDiagonal(systems);
    return known.isDiagonal ? known : { ...known, gram: await gramOf(known, N) };
  },
  join: (source, { systems, patterns, apply, addPulled, normal, isDiagonal, diagonal, gram }) => ({
    ...source,
    ...{ systems, patterns, apply, addPulled, normal, isDiagonal },
    diagonal: repeated(diagonal, source.size / systems),
    ...(gram && { gram }),
  }),
};

/** A A', [s, M, M]: in float64 from columns of A, so that no eigenvalue is negative. */
async function gramOf(
  { systems: s, rows: M, apply, products }: LinearBatch,
  N: number,
): Promise<Float64Array> {
  const gram = new Float64Array(s * M * M);
  const k = Math.min(COLUMNS, N);
  for (let first = 0; first < N; first += k) {
    const unit = new Float64Array(N * k);
    for (let c = 0; c < k && first + c < N; c++) unit[(first + c) * k + c] = 1;
    const columns = transposedEach(await apply(unit, k), k, s);
    const part = await products.gram(columns, M, columns, M, s);
    for (let at = 0; at < gram.length; at++) gram[at]! += part[at]!;
  }
  return gram;
}
