import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Eigenvalues of a symmetric matrix [k, k], largest first, and the vectors in columns. */
export function symmetricEigenpairs(
  K: Float64Array,
  k: number,
): { readonly values: number[]; readonly vectors: Matrix } {
  const symmetric = new Matrix(k, k);
  for (let a = 0; a < k; a++)
    for (let b = 0; b < k; b++) symmetric.set(a, b, (K[a * k + b]! + K[b * k + a]!) / 2);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues.map((_, a) => a).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return {
    values: order.map((a) => realEigenvalues[a]!),
    vectors: eigenvectorMatrix.subMatrixColumn(order),
  };
}
