import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { whole } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import {
  add,
  cast,
  clip,
  constant,
  cos,
  floor,
  gather,
  integers,
  mul,
  pad,
  reshape,
  sin,
  sub,
  sum,
  type Tensor,
  transpose,
} from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";

/**
 * Parallel-beam projections of square images [B, C, N, N]: sums along rays through the image turned by an angle.
 *   (A x)[c, k, t] = sum_s x[c, i, j],   i = m + (s - m) cos a_k - (t - m) sin a_k,
 *                                        j = m + (t - m) cos a_k + (s - m) sin a_k,   m = floor(N / 2)
 * with bilinear interpolation between pixels and zeros beyond the edges, is skimage.transform.radon(x[c], a, circle=True).T. Each
 * projection reads four pixels for each point of a ray, so A is sparse and never formed.
 * @param angles a in degrees, [B, K]        @returns maps [B, C, N, N] to [B, C, K, N]
 */
export function tomography(angles: Tensor): LinearOperator {
  const [B, K] = angles.shape as [number, number];
  return (x) => {
    const [, C, N] = x.shape as [number, number, number];
    const { rows, columns } = rayPoints(angles, N);
    const [top, left] = [floor(rows), floor(columns)];
    const [down, right] = [sub(rows, top), sub(columns, left)];
    // One pixel of zeros around the image stands for all that is beyond it.
    const P = N + 2;
    const framed = pad(pad(x, 2, 1, 1), 3, 1, 1);
    const pixels = reshape(transpose(framed, [0, 2, 3, 1]), [B * P * P, C]);
    const first = integers(
      Array.from({ length: B }, (_, b) => b * P * P),
      [B, 1, 1, 1],
    );
    const along = (place: Tensor, step: number) => cast(add(clip(add(place, step), -1, N), 1), "int64");
    const corner = (dRow: 0 | 1, dColumn: 0 | 1) => {
      const inImage = add(mul(along(top, dRow), integers([P], [])), along(left, dColumn));
      const weight = mul(dRow ? down : sub(1, down), dColumn ? right : sub(1, right));
      return mul(gather(pixels, add(first, inImage)), reshape(weight, [B, K, N, N, 1]));
    };
    const points = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)].reduce(add);
    return transpose(sum(points, [3]), [0, 3, 1, 2]);
  };
}

/** Where rays t sample the image at steps s, [B, K, t, s]. */
function rayPoints(angles: Tensor, N: number): { readonly rows: Tensor; readonly columns: Tensor } {
  const [B, K] = angles.shape as [number, number];
  const middle = Math.floor(N / 2);
  const places = Float32Array.from({ length: N }, (_, k) => k - middle);
  const t = constant(float32(places, [1, 1, N, 1]));
  const s = constant(float32(places, [1, 1, 1, N]));
  const radians = reshape(mul(angles, Math.PI / 180), [B, K, 1, 1]);
  const [cosine, sine] = [cos(radians), sin(radians)];
  return {
    rows: add(middle, sub(mul(s, cosine), mul(t, sine))),
    columns: add(middle, add(mul(t, cosine), mul(s, sine))),
  };
}

/** Projections at angles of its own for each observation. @param projections K */
export function tomographyFamily(latentShape: Shape, projections: number): OperatorFamily {
  const [C, H, W] = latentShape as [number, number, number];
  if (latentShape.length !== 3 || H !== W)
    throw new ShapeError(
      `tomography: latents must be square images [C, N, N], got ${formatShape(latentShape)}.`,
    );
  return {
    latentShape,
    observationShape: [C, projections, W],
    data: { angles: [projections] },
    masks: {},
    parameters: ["angles"],
    channelsAlike: true,
    bind: (data) => tomography(data.angles!),
  };
}

export const tomographyKind: OperatorKind = {
  name: "tomography",
  fields: ["projections"],
  arrays: ["angles"],
  family: (spec, latentShape) => tomographyFamily(latentShape, spec.read("projections", whole(1))),
  fieldsOf: ({ angles }) => angles && { projections: angles.shape[1] },
  latentShapeOf: (observationShape) => {
    const N = observationShape.at(-1)!;
    return [observationShape.length === 3 ? observationShape[0]! : 1, N, N];
  },
  examples: [{ spec: { name: "tomography", projections: 3 }, latentShape: [2, 5, 5] }],
};
