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

/**
 * Gauss quadrature of a Lanczos matrix T: e_1' f(T) e_1 = sum of weight f(node) [Ubaru17].
 * @param beside entries next to the diagonal, one fewer than it has; more are left out
 */
export function lanczosQuadrature(
  diagonal: readonly number[],
  beside: readonly number[],
): { readonly node: number; readonly weight: number }[] {
  const size = diagonal.length;
  const T = new Float64Array(size * size);
  for (let j = 0; j < size; j++) {
    T[j * size + j] = diagonal[j]!;
    if (j + 1 < size) T[j * size + j + 1] = T[(j + 1) * size + j] = beside[j]!;
  }
  const { values, vectors } = symmetricEigenpairs(T, size);
  return values.map((node, a) => ({ node, weight: vectors.get(0, a) ** 2 }));
}
