/** Networks that PyTorch's two exporters wrote, at the smallest and the largest opset of each. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { type Tensor, vjp } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/graph/onnx/read.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

type Packed = { readonly shape: number[]; readonly data: number[] };
type Golden = Readonly<Record<"x" | "t" | "cotangent" | "output" | "gradient", Packed>>;

const FIXTURES = join(import.meta.dirname, "../fixtures");
const FOLDER = join(FIXTURES, "pytorch-onnx");
const { cases } = JSON.parse(readFileSync(join(FIXTURES, "pytorch-onnx.json"), "utf8")) as {
  cases: Readonly<Record<string, Golden>>;
};
const unpack = ({ data, shape }: Packed) => float32(data, shape);
const rowsOf = ({ data, shape: [n, ...rest] }: Packed, kept: number): Packed => ({
  shape: [kept, ...rest],
  data: data.slice(0, (data.length / n!) * kept),
});

test.each(readdirSync(FOLDER))(
  "%s: outputs are ONNX Runtime's, products with the Jacobian torch.autograd's",
  async (name) => {
    const golden = cases[name.split("-")[0]!]!;
    const bytes = new Uint8Array(readFileSync(join(FOLDER, name)));
    const theirs = await loadOnnxProgram(bytes, name);
    for (const n of [2, 1]) {
      const part = (key: keyof Golden) => unpack(rowsOf(golden[key], n));
      const feeds = { x: part("x"), t: part("t"), cotangent: part("cotangent") };
      const { output, gradient } = await evaluate(feeds, ({ x, t, cotangent }) => {
        const { y } = readOnnx(bytes, name).build({ x, t }) as { y: Tensor };
        return { output: y, gradient: vjp([y], [x], [cotangent])[0]! };
      });
      const { y } = await theirs.run({ x: feeds.x, t: feeds.t });
      expectAllClose(output, y as HostArray<"float32">, { relative: 1e-5 });
      expectAllClose(output, part("output"), { relative: 1e-5 });
      expectAllClose(gradient, part("gradient"), { relative: 1e-4 });
    }
    await theirs.release();
  },
);

test("there is a file of each network by each exporter", () => {
  const found = new Set(readdirSync(FOLDER).map((name) => name.split("-").slice(0, 2).join("-")));
  expect([...found].sort()).toEqual(
    Object.keys(cases)
      .flatMap((name) => [`${name}-dynamo`, `${name}-script`])
      .sort(),
  );
});
