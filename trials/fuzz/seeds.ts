/** Small valid files, from the fixtures of the tests or made here. Paths are those of the repository's root, where fuzzing is started. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import * as zarr from "zarrita";
import { float32 } from "../../src/core/array.ts";
import { observationsInMemory } from "../../src/data/observations/observation-arrays.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { train } from "../../src/em/train.ts";
import { encodeSafetensors } from "../../src/nn/safetensors.ts";
import type { Files } from "./cases.ts";

const FIXTURES = "test/fixtures";
const utf8 = (text: string) => new TextEncoder().encode(text);

/** One seed for each file of a folder of fixtures that ends so. @param name it has in the case */
function fixtures(folder: string, ending: string, name: string): Files[] {
  const found = readdirSync(join(FIXTURES, folder)).filter((file) => file.endsWith(ending));
  return found.map((file) => ({ [name]: new Uint8Array(readFileSync(join(FIXTURES, folder, file))) }));
}

/** All files below a folder. */
function folderFiles(folder: string): Files {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [relative(folder, path), new Uint8Array(readFileSync(path))];
    }),
  );
}

export const npySeeds = () => fixtures("data", ".npy", "a.npy");
export const npzSeeds = () => fixtures("data", ".npz", "a.npz");
export const hdf5Seeds = () => [...fixtures("scans", ".h5", "a.h5"), ...fixtures("volumes", ".h5", "a.h5")];
export const hdf5ArraySeeds = () => fixtures("conventions", ".h5", "a.h5");
/** Arrays of both formats, compressed, sharded, in Fortran order and of half precision. */
export const zarrArraySeeds = (): Files[] =>
  ["two.zarr/blosc", "two.zarr/fortran", "two.zarr/half", "three.zarr/zstd", "three.zarr/shards"].map(
    (name) => folderFiles(join(FIXTURES, "conventions", name)),
  );
export const niftiSeeds = () => [
  ...fixtures("scans", ".nii", "a.nii"),
  ...fixtures("volumes", ".nii", "a.nii"),
];
export const niftiGzSeeds = () => fixtures("scans", ".nii.gz", "a.nii.gz");
export const pngSeeds = () => [
  ...fixtures("picture-kinds", ".png", "a.png"),
  ...fixtures("pictures", ".png", "a.png"),
];
export const jpegSeeds = () => [
  ...fixtures("picture-kinds", ".jpg", "a.jpg"),
  ...fixtures("pictures", ".jpg", "a.jpg"),
];
export const onnxSeeds = () => fixtures("onnx", ".onnx", "a.onnx");
export const tarGzSeeds = () => fixtures("pictures", ".tar.gz", "a.tar.gz");
export const tarSeeds = () =>
  tarGzSeeds().map((files) => ({ "a.tar.gz": new Uint8Array(gunzipSync(files["a.tar.gz"]!)) }));

/** Observations as the fixtures have them, and their y compressed by the other codecs. */
export async function zarrSeeds(): Promise<Files[]> {
  const written = ["mask-zstd", "matrix-gzip"].map((name) => folderFiles(join(FIXTURES, "data", name)));
  return [...written, ...(await Promise.all(["blosc", "lz4"].map((name) => compressed(written[1]!, name))))];
}

/** Folders of two kinds, each of them the same folder twice. */
export async function mergedSeeds(): Promise<Files[]> {
  const parts = ["part-0", "part-1"];
  const diem = { format: "diem-merged-observations", version: 1, parts };
  const header = JSON.stringify({ zarr_format: 3, node_type: "group", attributes: { diem } });
  return (await zarrSeeds()).slice(0, 2).map((files) => ({
    "zarr.json": new TextEncoder().encode(header),
    ...Object.fromEntries(
      parts.flatMap((part) => Object.entries(files).map(([name, bytes]) => [`${part}/${name}`, bytes])),
    ),
  }));
}

async function compressed(files: Files, codec: string): Promise<Files> {
  const changed = new Map(
    Object.entries(files)
      .filter(([name]) => !name.startsWith("y/"))
      .map(([name, bytes]) => [`/${name}`, bytes]),
  );
  const { shape } = JSON.parse(new TextDecoder().decode(files["y/zarr.json"])) as { shape: number[] };
  const array = await zarr.create(zarr.root(changed as Map<zarr.AbsolutePath, Uint8Array>).resolve("y"), {
    shape,
    chunkShape: shape,
    dtype: "float32",
    codecs: [
      { name: "bytes", configuration: { endian: "little" } },
      { name: codec, configuration: {} },
    ],
    fillValue: 0,
  });
  await zarr.set(array, null, 1);
  return Object.fromEntries([...changed].map(([name, bytes]) => [name.slice(1), bytes]));
}

/** As Zarr's older format has it: what opening one must refuse in words. */
export const zarr2Seeds = (): Files[] => [
  {
    ".zgroup": utf8('{"zarr_format": 2}'),
    ".zattrs": utf8('{"diem": {"format": "diem-observations", "version": 1}}'),
    "y/.zarray": utf8(
      '{"zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "dtype": "<f4", "order": "C", "compressor": null, "filters": null, "fill_value": 0}',
    ),
    "y/0.0": new Uint8Array(16),
  },
];

export const idxSeeds = (): Files[] => [
  { a: new Uint8Array([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]) },
];

/** Two pictures in CIFAR-10's binary version. */
export const cifarSeeds = (): Files[] => [
  { "test_batch.bin": new Uint8Array(2 * 3073).map((_, i) => i % 10) },
];

export const safetensorsSeeds = (): Files[] => [
  { a: encodeSafetensors({ a: float32([1, 2, 3, 4, 5, 6], [2, 3]), b: float32([], [0]) }, { step: "3" }) },
  { a: encodeSafetensors({ flags: { dtype: "bool", shape: [3], data: new Uint8Array([0, 1, 1]) } }) },
  ...fixtures("data", ".safetensors", "a"),
];

export const jsonConfigSeeds = (): Files[] => [
  { "a.json": utf8(JSON.stringify(defaultConfig([1, 8, 8], 100), null, 1)) },
  {
    "a.json": utf8(
      '{"em": {"iterations": 3}, "network": {"channels": [16, 32]}, "schedule": {"sigmaMin": 0.01}}',
    ),
  },
];
export const yamlConfigSeeds = (): Files[] => [
  {
    "a.yaml": utf8(
      "# a run\nem: { iterations: 3 }\nnetwork:\n  channels: [16]\n  blocks: [1]\nmStep: &m\n  steps: 10\n",
    ),
  },
  { "a.yaml": utf8("eStep:\n  steps: 4\n  clip: true\nnetwork:\n  channels: [16, 32]\n  dropout: 1e-1\n") },
];

/** A finished run of a second. */
export async function runSeeds(): Promise<Files[]> {
  const folder = mkdtempSync(join(tmpdir(), "diem-seed-"));
  try {
    const y = float32(
      Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)),
      [24, 2],
    );
    const matrix = float32(
      Float32Array.from({ length: 144 }, (_, i) => Math.cos(i)),
      [24, 2, 3],
    );
    const observations = observationsInMemory({ y, data: { matrix }, noiseVariance: 1e-2 });
    const config = mergeConfig(defaultConfig([3], 24), {
      network: { width: 8, blocks: 1, embedding: 4 },
      start: { rank: 1, iterations: 2 },
      em: { iterations: 1 },
      eStep: { steps: 2 },
      mStep: { finalSteps: 2, batch: 4 },
      figures: { gallery: 2, prior: 2, priorSteps: 2 },
    });
    await train(observations, config, { out: join(folder, "run") });
    return [folderFiles(join(folder, "run"))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
