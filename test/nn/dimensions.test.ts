import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { transpose, vjp } from "../../src/graph/index.ts";
import { conv } from "../../src/nn/layers.ts";
import { constantWeights, initialize, type Parameters } from "../../src/nn/parameters.ts";
import { fromImages, toImages } from "../../src/nn/slices.ts";
import { type UnetConfig, unet } from "../../src/nn/unet.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

/** A few dozen float32 additions in another order, in each of a dozen layers. */
const CLOSE = { relative: 2e-4, absolute: 2e-5 };

/** Sixteen channels fill the engine's blocks; both levels have attention, and sides that do not divide. */
const NETWORK: Omit<UnetConfig, "shape"> = {
  channels: [16, 32],
  blocks: [1, 1],
  heads: [2, 2],
  embedding: 8,
  patch: 1,
  dropout: 0,
};
const B = 2;
const sigma = float32([0.3, -0.2]);

/** The value of a U-Net and its gradient, along v. */
async function apply(shape: Shape, parameters: Parameters, x: HostArray<"float32">, v: HostArray<"float32">) {
  const network = unet({ ...NETWORK, shape });
  const weights = constantWeights(parameters);
  return await evaluate({ x, v, sigma }, ({ x, v, sigma }) => {
    const y = network.apply(weights, x, sigma);
    return { y, gradient: vjp([y], [x], [v])[0]! };
  });
}

/** Kernels with one axis more, zero but for its middle: each slice along it is seen alone. */
function withAxis(parameters: Parameters): Parameters {
  const widened = Object.entries(parameters).map(([name, { shape, data }]) => {
    const [O, I, ...kernel] = shape as [number, number, ...number[]];
    if (kernel.length === 0) return [name, { dtype: "float32" as const, shape, data }];
    const k = kernel[0]!;
    const size = sizeOf(kernel);
    const wide = new Float32Array(O * I * k * size);
    for (let oi = 0; oi < O * I; oi++)
      wide.set(data.subarray(oi * size, (oi + 1) * size), (oi * k + (k >> 1)) * size);
    return [name, float32(wide, [O, I, k, ...kernel])];
  });
  return Object.fromEntries(widened);
}

/** [B, C, ...lengths] repeated along a new axis of n before the lengths. */
function repeated({ shape, data }: HostArray<"float32">, n: number): HostArray<"float32"> {
  const [b, c, ...lengths] = shape as [number, number, ...number[]];
  const size = sizeOf(lengths);
  const out = new Float32Array(n * data.length);
  for (let bc = 0; bc < b * c; bc++)
    for (let i = 0; i < n; i++) out.set(data.subarray(bc * size, (bc + 1) * size), (bc * n + i) * size);
  return float32(out, [b, c, n, ...lengths]);
}

describe("a U-Net of one axis more whose kernels see each slice alone", () => {
  test.each([
    ["signals and images", [2, 7]],
    ["images and volumes", [2, 6, 7]],
  ])("does to equal slices what the smaller one does: %s", async (_, shape) => {
    const small = unet({ ...NETWORK, shape });
    const large = unet({ ...NETWORK, shape: [shape[0]!, 4, ...shape.slice(1)] });
    const parameters = initialize(small.parameters, new Rng(1));
    const x = normals(new Rng(2), [B, ...shape]);
    const [one, many] = [parameters, withAxis(parameters)].map(constantWeights) as [never, never];
    const { y } = await evaluate({ x, sigma }, ({ x, sigma }) => ({ y: small.apply(one, x, sigma) }));
    const found = await evaluate({ x: repeated(x, 4), sigma }, ({ x, sigma }) => ({
      y: large.apply(many, x, sigma),
    }));
    expect(found.y.shape).toEqual([B, shape[0], 4, ...shape.slice(1)]);
    expectAllClose(found.y.data, repeated(y as HostArray<"float32">, 4).data, CLOSE);
  });
});

test("a U-Net of volumes treats all axes alike: exchanged in latents and kernels, they are in values and gradients", async () => {
  const lengths = [6, 4, 7];
  const parameters = initialize(unet({ ...NETWORK, shape: [2, ...lengths] }).parameters, new Rng(3));
  const [x, v] = [4, 5].map((seed) => normals(new Rng(seed), [B, 2, ...lengths])) as [
    HostArray<"float32">,
    HostArray<"float32">,
  ];
  const turn = async (array: HostArray<"float32">) =>
    (await evaluate({ array }, ({ array }) => ({ y: transpose(array, [0, 1, 4, 3, 2]) }))).y as typeof array;
  const turned: Record<string, HostArray<"float32">> = {};
  for (const [name, array] of Object.entries(parameters))
    turned[name] = array.shape.length === 5 ? await turn(array) : array;
  const expected = await apply([2, ...lengths], parameters, x, v);
  const found = await apply([2, 7, 4, 6], turned, await turn(x), await turn(v));
  for (const part of ["y", "gradient"] as const)
    expectAllClose(found[part].data, (await turn(expected[part] as typeof x)).data, CLOSE);
});

test("kernels of volumes read three slices: a sum over all taps", async () => {
  const [D, H, W, I, O] = [4, 3, 5, 2, 3];
  const x = normals(new Rng(6), [B, I, D, H, W]);
  for (const stride of [1, 2]) {
    const layer = conv("c", I, O, 3, { stride, slices: { axes: 3, depth: D } });
    const parameters = initialize(layer.parameters, new Rng(7));
    const size = (n: number) => Math.floor((n - 1) / stride) + 1;
    const lengths = [D, H, W].map(size);
    const { y } = await evaluate({ x }, ({ x }) => ({
      y: fromImages(layer.apply(constantWeights(parameters), toImages(x)), lengths),
    }));
    expect(y.shape).toEqual([B, O, ...lengths]);
    const w = parameters["c.weight"]!.data;
    const inside = (at: number, n: number) => at >= 0 && at < n;
    const expected = new Float32Array(y.data.length);
    const each = (ns: number[], f: (at: number[]) => void) => {
      for (let flat = 0; flat < sizeOf(ns); flat++) {
        let rest = flat;
        f(
          ns
            .toReversed()
            .map((n) => {
              const at = rest % n;
              rest = (rest - at) / n;
              return at;
            })
            .toReversed(),
        );
      }
    };
    each([B, O, ...lengths], ([b, o, d, i, j]) => {
      let sum = 0;
      each([I, 3, 3, 3], ([c, k, l, m]) => {
        const [z, r, s] = [d! * stride + k! - 1, i! * stride + l! - 1, j! * stride + m! - 1];
        if (!inside(z, D) || !inside(r, H) || !inside(s, W)) return;
        sum +=
          w[(((o! * I + c!) * 3 + k!) * 3 + l!) * 3 + m!]! *
          x.data[(((b! * I + c!) * D + z) * H + r) * W + s]!;
      });
      expected[(((b! * O + o!) * lengths[0]! + d!) * lengths[1]! + i!) * lengths[2]! + j!] = sum;
    });
    expectAllClose(y.data, expected, { relative: 1e-4, absolute: 1e-5 });
  }
});
