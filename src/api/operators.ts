/** Measurement operators A with their adjoints, and the families that a header names. */
export { averagePoolFamily } from "../operators/average-pool.ts";
export { blur, blurFamily, sharedBlurFamily } from "../operators/blur.ts";
export { CODE_OPERATORS, type CodeSpec, type OperatorCode, type OperatorModule } from "../operators/code.ts";
export { composeFamily } from "../operators/compose.ts";
export { crop, cropFamily } from "../operators/crop.ts";
export { fourier, fourierFamily, fourierTransform } from "../operators/fourier.ts";
export { mask, maskFamily } from "../operators/mask.ts";
export { matrix, matrixFamily } from "../operators/matrix.ts";
export { measuredEntries, seenEntries } from "../operators/measured.ts";
export { multiCoil, multiCoilFamily } from "../operators/multi-coil.ts";
export {
  adjoint,
  type LinearOperator,
  type NoiseCovariance,
  type NoiseVariance,
  type OperatorFamily,
} from "../operators/operator.ts";
export { OPERATORS, type OperatorKind, operatorFamily } from "../operators/registry.ts";
export type { OperatorSpec } from "../operators/spec.ts";
export { stackFamily } from "../operators/stack.ts";
export { subsample, subsampleFamily } from "../operators/subsample.ts";
