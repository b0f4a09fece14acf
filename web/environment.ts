/** The engine in a browser, in the place of `src/runtime/environment.ts`: onnxruntime-web from the page's own folder. */
import type { InferenceSession, Tensor } from "onnxruntime-common";

type Ort = Pick<typeof import("onnxruntime-common"), "InferenceSession" | "Tensor" | "env">;
type Device = "webgpu" | "cpu";

let found: Promise<Device> | undefined;

/** "webgpu" where the browser has a GPU for it, else "cpu": WebAssembly. */
export function deviceHere(): Promise<Device> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  found ??= (async () => ((await gpu?.requestAdapter().catch(() => null)) ? "webgpu" : "cpu"))();
  return found;
}

/** The engine's two builds: that for the GPU lacks float64 products, which Gaussians take. */
const FILES = { webgpu: "ort.webgpu.min.mjs", cpu: "ort.wasm.min.mjs" } as const;
const loaded = new Map<Device, Promise<Ort>>();

function load(device: Device): Promise<Ort> {
  const folder = new URL("./engine/", location.href);
  const one =
    loaded.get(device) ??
    (async () => {
      const ort = (await import(new URL(FILES[device], folder).href)) as Ort;
      ort.env.wasm.wasmPaths = folder.href;
      ort.env.wasm.numThreads = 1; // more need headers that a plain server of files does not send
      return ort;
    })();
  loaded.set(device, one);
  return one;
}

/** An array until its session makes a tensor of its own build from it. */
class PlainTensor {
  readonly type: Tensor["type"];
  readonly data: Tensor["data"];
  readonly dims: readonly number[];

  constructor(type: Tensor["type"], data: Tensor["data"], dims: readonly number[]) {
    this.type = type;
    this.data = data;
    this.dims = dims;
  }
}

type Plain = Readonly<Record<string, PlainTensor>>;

/** Sessions and tensors that behave as those of onnxruntime-node. */
export async function importEngine(): Promise<typeof import("onnxruntime-node")> {
  const create = async (model: Uint8Array, options: InferenceSession.SessionOptions) => {
    const ort = await load(options.executionProviders?.[0] === "webgpu" ? "webgpu" : "cpu");
    return adapted(ort, await ort.InferenceSession.create(model, options));
  };
  return {
    InferenceSession: { create },
    Tensor: PlainTensor,
  } as unknown as typeof import("onnxruntime-node");
}

/**
 * A session that writes into arrays that it is given, as that of Node does: in a browser outputs come in arrays of the
 * engine's own. After each run the page has its turn, to show progress and to take clicks.
 */
function adapted({ Tensor: OwnTensor }: Ort, session: InferenceSession) {
  return {
    run: async (feeds: Plain, fetches: Plain) => {
      const own = Object.entries(feeds).map(([name, { type, data, dims }]) => [
        name,
        new OwnTensor(type as "float32", data as Float32Array, dims),
      ]);
      const out = await session.run(Object.fromEntries(own), Object.keys(fetches));
      for (const [name, target] of Object.entries(fetches))
        (target.data as Float32Array).set(out[name]!.data as Float32Array);
      await new Promise((resolve) => setTimeout(resolve));
      return fetches;
    },
    release: () => session.release(),
  };
}

export const setting = () => undefined;
export const cores = () => 1;
