import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { File, ready } from "h5wasm/node";
import { expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { openFastMri } from "../../src/data/scans/fastmri.ts";
import { loadWebAssembly, withinMemory } from "../../src/data/wasm-memory.ts";
import { inTemporaryFolder } from "./temporary.ts";

const SHAPE = [2, 128, 128];
const NAME = "reconstruction_rss";

/** A volume of two chunks in gzip, of which the first unpacks to so many bytes. */
async function writeBomb(path: string, unpacked: number): Promise<void> {
  await ready;
  const rng = new Rng(1);
  const data = Float32Array.from({ length: 2 * 128 * 128 }, () => rng.normal());
  const file = new File(path, "w");
  file.create_dataset({ name: NAME, data, shape: SHAPE, chunks: [1, 128, 128], compression: 4 });
  file.close();
  const bytes = readFileSync(path);
  // The random numbers of a chunk hardly shrink, so there is room for the stream of very many zeros.
  const at = bytes.indexOf(Uint8Array.of(0x78, 0x5e)); // zlib's header at this level
  const evil = deflateSync(new Uint8Array(unpacked), { level: 9 });
  expect(at).toBeGreaterThan(0);
  expect(evil.length).toBeLessThan(3 * 128 * 128);
  bytes.set(evil, at);
  writeFileSync(path, bytes);
}

test("an HDF5 chunk that unpacks to far more than it declares is refused, and the next one is read", () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, "bomb.h5");
    await writeBomb(path, 48 * 2 ** 20);
    const source = await openFastMri(path, NAME);
    expect(() => source.read(0)).toThrow(
      /bomb\.h5: reconstruction_rss, slice 0: expected readable HDF5, found damage \(it unpacks to more than \d+ bytes\)\. Fetch the file again, or skip it\.$/,
    );
    expect(source.read(1).data.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    source.close();
  }));

test("memory that a library may take is limited while it works, and only then", () => {
  const memory = new (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly.Memory({ initial: 1 });
  const refusal = () => new Error("too much");
  expect(withinMemory(2 ** 17, () => memory.grow(2), refusal)).toBe(1);
  expect(() => withinMemory(2 ** 17, () => memory.grow(3), refusal)).toThrow("too much");
  const quiet = () => {
    try {
      memory.grow(3);
    } catch {
      // as a library that goes on with an error of its own
    }
  };
  expect(() => withinMemory(2 ** 17, quiet, refusal)).toThrow("too much");
  expect(memory.grow(3)).toBe(3);
});

test("a decoder that is refused its memory is an error in a line", async () => {
  const refused = loadWebAssembly("JPEG", () => Promise.reject(new RangeError("could not allocate memory")));
  await expect(refused).rejects.toThrow(
    /^JPEG: expected 12 GB of addresses .* found a lower limit\. Raise it/,
  );
});

interface Wasm {
  readonly Memory: new (size: { initial: number }) => { grow(pages: number): number };
}
