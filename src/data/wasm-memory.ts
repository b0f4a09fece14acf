/** Libraries that are compiled to WebAssembly: the memory that they ask for. */

import { EngineError } from "../core/errors.ts";

/** The part of WebAssembly that is used; the language's own types lack it. */
interface Wasm {
  readonly Memory: {
    new (size: { readonly initial: number; readonly maximum: number }): object;
    readonly prototype: { grow(pages: number): number };
  };
}
const { Memory } = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;

const PAGE = 65536;
/** Pages of a memory as Emscripten asks for it. */
const USUAL = { initial: 256, maximum: 32768 } as const;

/**
 * Loads a library. Its memory reserves addresses of the process, far more than is used of them; where there are none, the
 * library itself would print pages about it.
 * @throws EngineError if the process may not have them
 */
export async function loadWebAssembly<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    new Memory(USUAL);
    return await load();
  } catch (cause) {
    throw new EngineError(
      `${name}: expected 12 GB of addresses for a decoder in WebAssembly, found a lower limit. Raise it (ulimit -v), or set NODE_OPTIONS=--disable-wasm-trap-handler.`,
      { cause },
    );
  }
}

/**
 * Runs `work` while the memories of WebAssembly may grow by no more than `most` bytes together: a decompressor inside a library
 * takes what its stream asks for. Beyond that, growing fails as where the machine has no more.
 * @throws what `refusal` gives if the last growth was refused, whether `work` noticed or not
 */
export function withinMemory<T>(most: number, work: () => T, refusal: () => Error): T {
  const { prototype } = Memory;
  const { grow } = prototype;
  let [left, wasRefused] = [most, false];
  prototype.grow = function (pages) {
    wasRefused = pages * PAGE > left;
    if (wasRefused) throw new RangeError(`expected to grow by at most ${left} bytes`);
    left -= pages * PAGE;
    return grow.call(this, pages);
  };
  try {
    const result = work();
    if (!wasRefused) return result;
  } catch (error) {
    if (!wasRefused) throw error;
  } finally {
    prototype.grow = grow;
  }
  throw refusal();
}
