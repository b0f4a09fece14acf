import { afterAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { DataError, EngineError, NumericalError, ShapeError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import {
  constant,
  conv2d,
  input,
  log,
  mean,
  mul,
  reshape,
  scalar,
  square,
  sub,
  type Tensor,
} from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { featureNetwork } from "../../src/metrics/feature-network.ts";
import { lpips } from "../../src/metrics/lpips.ts";
import { resizeLikeTensorFlow } from "../../src/metrics/resize.ts";
import { loadOnnxProgram, type OnnxProgram } from "../../src/runtime/onnx-program.ts";
import { expectAllClose } from "../matchers.ts";

const opened: OnnxProgram[] = [];
afterAll(async () => {
  for (const model of opened) await model.release();
});

async function model(inputs: Record<string, Tensor>, outputs: Record<string, Tensor>): Promise<OnnxProgram> {
  const loaded = await loadOnnxProgram(writeOnnx(inputs, outputs), "tiny.onnx", { threads: 1 });
  opened.push(loaded);
  return loaded;
}

function normals(seed: number, shape: number[]) {
  const x = float32(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  new Rng(seed).fillNormal(x.data);
  return x;
}

/** Means of each channel, [B, C]. */
const pooled = (x: Tensor) => reshape(mean(x, [2, 3]), [x.shape[0]!, x.shape[1]!]);

describe("a model from an ONNX file", () => {
  test("tells its inputs and outputs, and computes the outputs that are wanted", async () => {
    const x = input([2, 3]);
    const loaded = await model({ x }, { y: mul(x, scalar(2)), z: square(x) });
    expect(loaded.inputs).toEqual([{ name: "x", dtype: "float32", shape: [2, 3] }]);
    expect(loaded.outputs.map(({ name }) => name)).toEqual(["y", "z"]);
    const found = await loaded.run({ x: float32([1, 2, 3, 4, 5, 6], [2, 3]) }, ["z"]);
    expect(Object.keys(found)).toEqual(["z"]);
    expectAllClose(found.z!, float32([1, 4, 9, 16, 25, 36], [2, 3]));
  });

  test("says what does not fit", async () => {
    const x = input([2, 3]);
    const loaded = await model({ x }, { y: mul(x, scalar(2)) });
    await expect(loaded.run({ x: float32([1, 2], [1, 2]) })).rejects.toThrow(
      new ShapeError("tiny.onnx: input x must be float32 [2, 3], got float32 [1, 2]."),
    );
    await expect(loaded.run({})).rejects.toThrow("got nothing");
    await expect(loadOnnxProgram(new Uint8Array([1, 2, 3]), "no.onnx")).rejects.toThrow(EngineError);
  });
});

describe("a network of features", () => {
  test("is given images in its range and in batches of its size", async () => {
    const pixels = input([4, 3, 2, 2]);
    const network = featureNetwork(await model({ pixels }, { y: pooled(pixels) }), "pool", {
      range: [-1, 1],
    });
    expect(network).toMatchObject({
      distanceName: "Frechet distance in pool's features",
      channels: 3,
      size: [2, 2],
    });
    const images = normals(1, [6, 3, 2, 2]);
    const { features, logits } = await network.compute(images);
    expect(logits).toBeUndefined();
    const expected = Array.from({ length: 18 }, (_, at) => {
      const plane = images.data.subarray(4 * at, 4 * at + 4);
      return (2 * plane.reduce((a, b) => a + b)) / 4 - 1;
    });
    expectAllClose(features, float32(expected, [6, 3]));
  });

  test("with the outputs of the Inception network sees bytes at 299 x 299, and its distance is FID", async () => {
    const pixels = input([1, 3, 299, 299]);
    const y = pooled(pixels);
    const loaded = await model({ pixels }, { "2048": y, logits_unbiased: mul(y, scalar(2)) });
    const network = featureNetwork(loaded, "inception");
    expect(network).toMatchObject({ distanceName: "FID", size: undefined, hasClasses: true });
    const grey = float32([0, 0.5, 1, 2], [1, 1, 2, 2]);
    const { features, logits } = await network.compute(grey);
    const { data } = resizeLikeTensorFlow(float32([0, 128, 255, 255], [1, 1, 2, 2]), 299, 299);
    const average = data.reduce((a, b) => a + b) / data.length;
    expectAllClose(features, float32([average, average, average], [1, 3]));
    expectAllClose(logits!, float32([2 * average, 2 * average, 2 * average], [1, 3]));
  });

  test("refuses images and models that it cannot use, and features that are not finite", async () => {
    const pixels = input([1, 3, 2, 2]);
    const network = featureNetwork(await model({ pixels }, { y: log(pooled(pixels)) }), "log");
    await expect(network.compute(normals(1, [1, 3, 4, 4]))).rejects.toThrow(
      new DataError(
        "log: expected images [N, 3, 2, 2], found [1, 3, 4, 4]. Resize them, or export the network for this size.",
      ),
    );
    await expect(network.compute(float32(new Float32Array(12).fill(-1), [1, 3, 2, 2]))).rejects.toThrow(
      NumericalError,
    );
    const flat = input([1, 3]);
    const vectors = await model({ flat }, { y: square(flat) });
    expect(() => featureNetwork(vectors, "flat")).toThrow("found flat float32 [1, 3]. Export it so.");
    const several = await model({ pixels }, { a: pooled(pixels), b: mul(pooled(pixels), scalar(2)) });
    expect(() => featureNetwork(several, "two")).toThrow(
      "expected one output, or one named features, found a, b",
    );
    const maps = featureNetwork(await model({ pixels }, { y: square(pixels) }), "maps");
    await expect(maps.compute(normals(1, [1, 3, 2, 2]))).rejects.toThrow("Pool the features in the export.");
  });
});

describe("LPIPS from an ONNX file", () => {
  const shape = [2, 3, 6, 5];
  const [x, y] = [input(shape), input(shape)];
  const weights = normals(3, [4, 3, 3, 3]);
  const layer = (image: Tensor) => conv2d(image, constant(weights));
  const distance = mean(square(sub(layer(x), layer(y))), [1, 2, 3]);
  const images = (seed: number) => {
    const { data } = normals(seed, shape);
    return float32(data.map(Math.tanh), shape);
  };

  test("gives a distance for each pair: 0 of equal images, the same both ways, and that of its definition", async () => {
    const network = lpips(await model({ x, y }, { distance }), "tiny");
    const [a, b] = [images(1), images(2)];
    expectAllClose(await network.compare(a, a), float32([0, 0]));
    const found = await network.compare(a, b);
    expect(found.shape).toEqual([2]);
    expectAllClose(found, await network.compare(b, a));
    expectAllClose(found, float32([direct(0), direct(1)]), { relative: 1e-4 });

    /** The convolution of the difference, written out. */
    function direct(i: number): number {
      let total = 0;
      for (let k = 0; k < 4; k++)
        for (let row = 0; row < 4; row++)
          for (let column = 0; column < 3; column++) {
            let value = 0;
            for (let c = 0; c < 3; c++)
              for (let dy = 0; dy < 3; dy++)
                for (let dx = 0; dx < 3; dx++) {
                  const at = ((i * 3 + c) * 6 + row + dy) * 5 + column + dx;
                  value += weights.data[((k * 3 + c) * 3 + dy) * 3 + dx]! * (a.data[at]! - b.data[at]!);
                }
            total += value ** 2;
          }
      return total / (4 * 4 * 3);
    }
  });

  test("shows grey images with three equal channels", async () => {
    const network = lpips(await model({ x, y }, { distance }), "tiny");
    const [n, , height, width] = shape as [number, number, number, number];
    const grey = [1, 2].map((seed) => {
      const data = normals(seed, [n, 1, height, width]).data.map(Math.tanh);
      return float32(data, [n, 1, height, width]);
    });
    const colour = grey.map(({ data }) => {
      const planes = Array.from({ length: 3 * n }, (_, k) => [
        ...data.slice(Math.floor(k / 3) * height * width, (Math.floor(k / 3) + 1) * height * width),
      ]);
      return float32(planes.flat(), shape);
    });
    expectAllClose(await network.compare(grey[0]!, grey[1]!), await network.compare(colour[0]!, colour[1]!));
  });

  test("refuses images that are not in [-1, 1], pairs of two shapes, and other networks", async () => {
    const network = lpips(await model({ x, y }, { distance }), "tiny");
    const a = images(1);
    const bytes = float32(
      a.data.map((value) => 128 + 127 * value),
      shape,
    );
    await expect(network.compare(a, bytes)).rejects.toThrow(/tiny: expected images in \[-1, 1\], found \d+/);
    await expect(network.compare(a, float32(new Float32Array(3), [1, 3, 1, 1]))).rejects.toThrow(DataError);
    const one = await model({ x }, { y: pooled(x) });
    expect(() => lpips(one, "one")).toThrow("expected a network of two images");
  });
});
