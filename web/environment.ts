/** The engine in a browser, in the place of `src/runtime/environment.ts`: onnxruntime-web from the page's own folder. */
import type { InferenceSession, Tensor } from "onnxruntime-common";

type Ort = Pick<typeof import("onnxruntime-common"), "InferenceSession" | "Tensor" | "env">;

let found: Promise<"webgpu" | "cpu"> | undefined;

/** "webgpu" where the browser has a GPU for it, else "cpu": WebAssembly. */
export function deviceHere(): Promise<"webgpu" | "cpu"> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  found ??= (async () => ((await gpu?.requestAdapter().catch(() => null)) ? "webgpu" : "cpu"))();
  return found;
}

export async function importEngine(): Promise<Ort> {
  const folder = new URL("./engine/", location.href);
  const file = (await deviceHere()) === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
  const ort = (await import(new URL(file, folder).href)) as Ort;
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = 1; // more need headers that a plain server of files does not send
  return {
    ...ort,
    InferenceSession: {
      create: async (...args) => adapted(await open(ort, ...args)),
    } as Ort["InferenceSession"],
  };
}

/** The package for browsers lists what it takes in more ways than the common types say. */
const open = (ort: Ort, ...args: unknown[]) =>
  (ort.InferenceSession.create as (...args: unknown[]) => Promise<InferenceSession>)(...args);

/**
 * A session that writes into arrays that it is given, as that of Node does: in a browser outputs come in arrays of the
 * engine's own. After each run the page has its turn, to show progress and to take clicks.
 */
function adapted(session: InferenceSession): Pick<InferenceSession, "run" | "release"> {
  return {
    run: async (feeds: InferenceSession.FeedsType, fetches: Readonly<Record<string, Tensor>>) => {
      const found = await session.run(feeds, Object.keys(fetches));
      for (const [name, target] of Object.entries(fetches))
        (target.data as Float32Array).set(found[name]!.data as Float32Array);
      await new Promise((resolve) => setTimeout(resolve));
      return fetches;
    },
    release: () => session.release(),
  } as Pick<InferenceSession, "run" | "release">;
}

export const setting = () => undefined;
export const cores = () => 1;
