import { whole } from "../../core/kinds.ts";
import type { Shape } from "../../core/shape.ts";
import { add, concat, mul, reshape, slice, sub, type Tensor } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import type { FourierForm } from "../spec.ts";
import { formOf, fourierTransform, kSpaceShape } from "./fourier.ts";
import { alignMask, maskFields, maskIndices, maskShapeOf } from "./mask.ts";

/**
 * K-space as several receiver coils see it, each weighting the image by its sensitivity S_c [Pruessmann99, eq. 2].
 *   (A x)_c = m * F (S_c * x)
 * @param maps S, real and imaginary part, [B, coils, 2, H, W], or [1, coils, 2, H, W] for all samples; likewise along 1
 *   and 3 axes
 * @param m [B, ...], broadcasts to [B, coils, 2, H, W]
 * @returns maps images, real [B, 1, H, W] or complex [B, 2, H, W], to [B, coils, 2, H, W]
 */
export function multiCoil(maps: Tensor, m: Tensor, form: FourierForm = {}): LinearOperator {
  const [, coils, , ...lengths] = maps.shape as [number, number, number, ...number[]];
  return (x) => {
    const B = x.shape[0]!;
    const seen = reshape(weigh(maps, x), [B * coils, 2, ...lengths]);
    const k = reshape(fourierTransform(seen, form), [B, coils, 2, ...lengths]);
    return mul(alignMask(m, k.shape), k);
  };
}

/** S_c * x for each coil: (p + i q)(a + i b) = p a - q b + i (p b + q a). [B, coils, 2, H, W] */
function weigh(maps: Tensor, x: Tensor): Tensor {
  const [B, parts, ...lengths] = x.shape as [number, number, ...number[]];
  if (parts === 1) return mul(maps, reshape(x, [B, 1, 1, ...lengths]));
  const image = reshape(x, [B, 1, 2, ...lengths]);
  const [p, q] = [slice(maps, 2, 0, 1), slice(maps, 2, 1, 2)];
  const [a, b] = [slice(image, 2, 0, 1), slice(image, 2, 1, 2)];
  return concat([sub(mul(p, a), mul(q, b)), add(mul(p, b), mul(q, a))], 2);
}

/**
 * Sub-sampled k-space of several coils, with sensitivity maps for each observation.
 * @param latentShape [1, H, W] for real images, [2, H, W] for complex ones
 * @param maskShape broadcasts to [coils, 2, H, W], as [1, 1, 1, W] for whole columns
 */
export function multiCoilFamily(
  latentShape: Shape,
  coils: number,
  maskShape: Shape,
  form: FourierForm = {},
): OperatorFamily {
  const observationShape = [coils, ...kSpaceShape(latentShape)];
  return {
    latentShape,
    observationShape,
    data: { maps: observationShape, mask: maskShape },
    masks: { mask: maskIndices(maskShape, observationShape) },
    orthogonal: true,
    bind: (data) => multiCoil(data.maps!, data.mask!, form),
  };
}

export const multiCoilKind: OperatorKind = {
  name: "multi-coil",
  fields: ["coils", "maskShape", "centred", "orthonormal"],
  family: (spec, latentShape) => {
    const coils = spec.read("coils", whole(1));
    const maskShape = maskShapeOf(spec, [coils, ...kSpaceShape(latentShape)]);
    return multiCoilFamily(latentShape, coils, maskShape, formOf(spec));
  },
  arrays: ["maps", "mask"],
  complexAxis: 1,
  fieldsOf: (arrays) => ({ ...maskFields(arrays), ...(arrays.maps && { coils: arrays.maps.shape[1] }) }),
  isComplex: true,
  examples: [
    { spec: { name: "multi-coil", coils: 3, maskShape: [1, 1, 1, 5] }, latentShape: [1, 4, 5] },
    { spec: { name: "multi-coil", coils: 2, maskShape: [3, 4] }, latentShape: [2, 3, 4] },
    { spec: { name: "multi-coil", coils: 2, maskShape: [2, 1, 4] }, latentShape: [2, 2, 3, 4] },
  ],
};
