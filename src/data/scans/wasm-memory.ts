/** The part of WebAssembly that is used; the language's own types lack it. */
interface Wasm {
  readonly Memory: { readonly prototype: { grow(pages: number): number } };
}

const PAGE = 65536;

/**
 * Runs `work` while the memories of WebAssembly may grow by no more than `most` bytes together: a decompressor inside a library
 * takes what its stream asks for. Beyond that, growing fails as where the machine has no more.
 * @throws what `refusal` gives if the last growth was refused, whether `work` noticed or not
 */
export function withinMemory<T>(most: number, work: () => T, refusal: () => Error): T {
  const { prototype } = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly.Memory;
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
