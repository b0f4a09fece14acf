/** Forward operators A with their adjoints, and the families of operators that a header names. */

export { CODE_OPERATORS, type CodeSpec, type OperatorCode, type OperatorModule } from "../operators/code.ts";
export { averagePoolFamily } from "../operators/kinds/average-pool.ts";
export { blur, blurFamily, sharedBlurFamily } from "../operators/kinds/blur.ts";
export { composeFamily } from "../operators/kinds/compose.ts";
export { crop, cropFamily } from "../operators/kinds/crop.ts";
export { fourier, fourierFamily, fourierTransform } from "../operators/kinds/fourier.ts";
export { mask, maskFamily } from "../operators/kinds/mask.ts";
export { matrix, matrixFamily } from "../operators/kinds/matrix.ts";
export { multiCoil, multiCoilFamily } from "../operators/kinds/multi-coil.ts";
export { stackFamily } from "../operators/kinds/stack.ts";
export { subsample, subsampleFamily } from "../operators/kinds/subsample.ts";
export { tomography, tomographyFamily } from "../operators/kinds/tomography.ts";
export { measuredEntries, seenEntries } from "../operators/measured.ts";
export {
  adjoint,
  type LinearOperator,
  type NoiseCovariance,
  type NoiseVariance,
  type OperatorFamily,
} from "../operators/operator.ts";
export type { OperatorKind } from "../operators/operator-kind.ts";
export { OPERATORS, operatorFamily } from "../operators/registry.ts";
export type { FourierForm, OperatorSpec } from "../operators/spec.ts";
