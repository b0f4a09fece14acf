/** Single operations in @jax-js/jax and TensorFlow.js, both in WebAssembly. Started by the bench, see bench/side.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const { library, ...job } = JSON.parse(process.argv[2]);
const { decodeSafetensors, encodeSafetensors } = await import(job.safetensors);
const inputs = decodeSafetensors(readFileSync(job.input)).tensors;

/** Each returns the operations: functions to a Float32Array, in our layout. */
const LIBRARIES = {
  async jaxjs() {
    const { init, defaultDevice, jit, lax, nn, numpy: np } = await import("@jax-js/jax");
    await init("wasm");
    defaultDevice("wasm");
    const array = (name) => np.array(inputs[name].data).reshape(inputs[name].shape);
    const { x, w, a, b } = Object.fromEntries(["x", "w", "a", "b"].map((name) => [name, array(name)]));
    const conv = jit((image, kernel) => lax.conv(image, kernel, [1, 1], "SAME"));
    const product = jit((left, right) => np.matmul(left, right));
    const silu = jit((image) => nn.silu(image));
    return {
      convolution: () => conv(x.ref, w.ref).data(),
      matrixProduct: () => product(a.ref, b.ref).data(),
      elementwise: () => silu(x.ref).data(),
    };
  },

  async tfjs() {
    const tf = await import("@tensorflow/tfjs");
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    const files = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
    wasm.setWasmPaths(join(files, "/"));
    await tf.setBackend("wasm");
    const array = (name) => tf.tensor(inputs[name].data, inputs[name].shape);
    const x = tf.transpose(array("x"), [0, 2, 3, 1]); // the layouts that its convolutions read
    const w = tf.transpose(array("w"), [2, 3, 1, 0]);
    const [a, b] = [array("a"), array("b")];
    const read = async (compute) => {
      const result = tf.tidy(compute);
      const data = await result.data();
      result.dispose();
      return data;
    };
    const plain = (image) => tf.transpose(image, [0, 3, 1, 2]);
    return {
      convolution: (whole) =>
        read(() => (whole ? plain(tf.conv2d(x, w, 1, "same")) : tf.conv2d(x, w, 1, "same"))),
      matrixProduct: () => read(() => tf.matMul(a, b)),
      elementwise: (whole) =>
        read(() => (whole ? plain(tf.mul(x, tf.sigmoid(x))) : tf.mul(x, tf.sigmoid(x)))),
    };
  },
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const compute = (await LIBRARIES[library]())[job.task];
const baseline = process.memoryUsage.rss();
const data = Float32Array.from(await compute(true));
writeFileSync(job.output, encodeSafetensors({ result: { dtype: "float32", shape: [data.length], data } }));
answer({ ready: true, baseline });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "quit") break;
  const began = performance.now();
  for (let k = 0; k < job.repeats; k++) await compute(false);
  answer({ seconds: (performance.now() - began) / 1000 });
}
answer({ peak: process.resourceUsage().maxRSS * 1024 });
process.exit(0);
