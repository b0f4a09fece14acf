import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { decodeIdx } from "../../src/data/arrays/idx.ts";
import { decodeNpy } from "../../src/data/arrays/npy.ts";
import { decodeNpz } from "../../src/data/arrays/npz.ts";
import { openRows } from "../../src/data/arrays/zarr-rows.ts";
import { readGroupAttributes } from "../../src/data/arrays/zarr-store.ts";
import { parseObservationHeader } from "../../src/data/observations/observation-header.ts";
import { observationKind } from "../../src/data/observations/observation-kind.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { parseJournal } from "../../src/em/run/draw-journal.ts";
import {
  encodeRunInfo,
  parseRunInfo,
  RUN_FORMAT,
  RUN_VERSION,
  type RunInfo,
} from "../../src/em/run/run-info.ts";
import { input } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/graph/onnx/read.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/nn/safetensors.ts";
import { jsonMutationsOf, mutationsOf, readsWithin } from "./mutations.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/data");
const fixture = (name: string) => new Uint8Array(readFileSync(join(FIXTURES, name)));
const utf8 = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const NPY = ["f4", "f8", "i8", "b1", "scalar", "version2", "version3"].map((name) => fixture(`${name}.npy`));
const IDX = [new Uint8Array([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])];
const SAFETENSORS = [
  encodeSafetensors({ a: float32([1, 2, 3, 4, 5, 6], [2, 3]), b: float32([], [0]) }, { step: "3" }),
  encodeSafetensors({ flags: { dtype: "bool", shape: [3], data: new Uint8Array([0, 1, 1]) } }),
];
const HEADERS = [
  ["mask", { maskShape: [1, 3] }, [2, 3]],
  ["matrix", {}, [2]],
].map(([name, more, observationShape]) => ({
  format: "diem-observations",
  version: 1,
  operator: { name, ...(more as object) },
  latentShape: [2, 3],
  observationShape,
  noiseVariance: 0.1,
  units: "m",
  range: [-1, 1],
}));
/** Reads a model and adds it to the graph, with two samples where it leaves the number open. */
function readAndBuild(bytes: Uint8Array): unknown {
  const { inputs, build } = readOnnx(bytes);
  return build(
    Object.fromEntries(
      inputs.map(({ name, shape }) => [name, input((shape ?? [2, 4]).map((size) => size ?? 2))]),
    ),
  );
}
const ONNX = ["matrix", "gain", "image", "moves", "network", "double"].map((name) =>
  fixture(`../onnx/${name}.onnx`),
);
const CONFIG = defaultConfig([1, 8, 8], 100);
const RUN: RunInfo = {
  format: RUN_FORMAT,
  version: RUN_VERSION,
  name: "x",
  createdBy: "diem",
  config: CONFIG,
  observations: { path: "o", checksum: "0", count: 100, latentShape: [1, 8, 8], operator: "mask" },
  notes: [],
};

/** What a small file may make a reader allocate: its own size a few times, and what zlib and the decoders need at once. */
const LIMIT = 2 ** 19;

/** Cases of all readers together; asserted below to be at least 100 000. */
const READERS: readonly [string, number, fc.Arbitrary<unknown>, (input: never) => unknown][] = [
  ["npy", 24_000, mutationsOf(NPY), (bytes: Uint8Array) => decodeNpy(bytes)],
  [
    "npz",
    12_000,
    mutationsOf([fixture("stored.npz"), fixture("deflated.npz")]),
    (b: Uint8Array) => decodeNpz(b),
  ],
  ["safetensors", 24_000, mutationsOf(SAFETENSORS), (bytes: Uint8Array) => decodeSafetensors(bytes)],
  ["ONNX", 10_000, mutationsOf(ONNX), readAndBuild],
  ["IDX", 14_000, mutationsOf(IDX), (bytes: Uint8Array) => decodeIdx(bytes)],
  [
    "header",
    12_000,
    jsonMutationsOf(HEADERS),
    (value: unknown) => observationKind(parseObservationHeader(value, "o")),
  ],
  ["configuration", 6000, jsonMutationsOf([CONFIG]), (value: unknown) => mergeConfig(CONFIG, value)],
  [
    "run.json",
    4000,
    mutationsOf([new TextEncoder().encode(encodeRunInfo(RUN))]),
    (bytes: Uint8Array) => parseRunInfo(bytes, "run.json"),
  ],
  [
    "draws.json",
    4000,
    mutationsOf([utf8({ chunks: [{ rows: 3, sha256: "0".repeat(64) }], sha256: "0".repeat(64) })]),
    (bytes: Uint8Array) => parseJournal(new TextDecoder().decode(bytes), "draws.json"),
  ],
];
const ZARR_CASES = 1500;

describe("whatever the bytes, a value or an error that is meant to be read, and no large allocation", () => {
  test.each(READERS)(
    "%s, %i cases",
    async (_, numRuns, inputs, read) => {
      await fc.assert(
        fc.asyncProperty(inputs, (input) => readsWithin(LIMIT, () => read(input as never))),
        { numRuns, seed: 6 },
      );
    },
    120_000,
  );

  /** The files of a Zarr folder in memory, keys as the store's. */
  const filesOf = (folder: string) =>
    Object.fromEntries(
      readdirSync(join(FIXTURES, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => {
          const path = join(entry.parentPath, entry.name);
          return [
            path.slice(join(FIXTURES, folder).length).replaceAll("\\", "/"),
            new Uint8Array(readFileSync(path)),
          ];
        }),
    );
  const storeOf = (files: Readonly<Record<string, Uint8Array>>) => ({
    root: "o",
    get: async (key: string) => files[key],
    set: () => Promise.reject(new Error("reading only")),
    size: async (key: string) => files[key]?.byteLength,
  });

  test.each(["matrix-gzip", "mask-zstd"])(
    "Zarr metadata and chunks of %s",
    async (folder) => {
      const files = filesOf(folder);
      const names = Object.keys(files);
      const { shape } = JSON.parse(new TextDecoder().decode(files["/y/zarr.json"])) as { shape: number[] };
      const damage = fc
        .nat(names.length - 1)
        .chain((file) =>
          mutationsOf([files[names[file]!]!]).map((bytes) => ({ ...files, [names[file]!]: bytes })),
        );
      const read = async (damaged: Readonly<Record<string, Uint8Array>>) => {
        const store = storeOf(damaged);
        parseObservationHeader((await readGroupAttributes(store)).diem, "o");
        await (await openRows(store, "y", "float32", shape)).read(0, shape[0]!);
      };
      await read(files); // undamaged, it is read
      const wide = new TextDecoder()
        .decode(files["/y/zarr.json"])
        .replace(/"chunk_shape":\s*\[\s*\d+/, '"chunk_shape": [8388608');
      const huge = { ...files, "/y/zarr.json": new TextEncoder().encode(wide) };
      await expect(read(huge)).rejects.toThrow("y: expected");
      await readsWithin(LIMIT, () => read(huge));
      await fc.assert(
        fc.asyncProperty(damage, (damaged) => readsWithin(LIMIT, () => read(damaged))),
        { numRuns: ZARR_CASES, seed: 6 },
      );
    },
    120_000,
  );

  test("these are 100 000 cases", () => {
    expect(READERS.reduce((total, [, cases]) => total + cases, 2 * ZARR_CASES)).toBeGreaterThanOrEqual(
      100_000,
    );
  });
});
