/** Every reader of files that diem has, with seeds and the one call that reads a whole case. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { decodeIdx } from "../../src/data/arrays/idx.ts";
import { readNpy } from "../../src/data/arrays/npy.ts";
import { readNpz } from "../../src/data/arrays/npz.ts";
import { openArray } from "../../src/data/arrays/open-array.ts";
import { openCifar10 } from "../../src/data/cifar10.ts";
import { decodeImage } from "../../src/data/images/image-file.ts";
import { openObservationsOrArchive } from "../../src/data/observations/observation-arrays.ts";
import { kindsOf } from "../../src/data/observations/observation-set.ts";
import { readFastMriAttributes } from "../../src/data/scans/fastmri.ts";
import { openScans, type ScanOptions } from "../../src/data/scans/scans.ts";
import { tarGzFiles } from "../../src/data/tar.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { readConfigFile } from "../../src/em/config/file.ts";
import { verifyDraws } from "../../src/em/run/draws.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { input } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/graph/onnx/read.ts";
import { decodeSafetensors } from "../../src/nn/safetensors.ts";
import { readRun } from "../../src/report/read-run.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import type { Files } from "./cases.ts";
import { deflated, hasOneStream, inflated, withChecksums } from "./png-chunks.ts";
import * as seeds from "./seeds.ts";

export interface Reader {
  readonly seeds: () => Files[] | Promise<Files[]>;
  /** Makes the file of what was damaged, where checksums or compression would hide the damage. */
  readonly wrap?: (bytes: Uint8Array) => Uint8Array;
  /** Reads a case as a command would; returns, or throws an error that is meant to be read. */
  readonly read: (folder: string) => Promise<unknown>;
  /** Cases compared with other readers. */
  readonly share: number;
}

const bytesOf = (folder: string, name: string) => new Uint8Array(readFileSync(join(folder, name)));
const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes, { level: 1 }));

export const READERS: Readonly<Record<string, Reader>> = {
  npy: { share: 8, seeds: seeds.npySeeds, read: readArray },
  npz: { share: 8, seeds: seeds.npzSeeds, read: (folder) => readNpz(join(folder, "a.npz")) },
  "npz-observations": {
    share: 4,
    seeds: seeds.npzSeeds,
    read: (folder) => readObservations(join(folder, "a.npz")),
  },
  zarr: { share: 8, seeds: seeds.zarrSeeds, read: readObservations },
  merged: { share: 2, seeds: seeds.mergedSeeds, read: readObservations },
  "zarr-v2": { share: 1, seeds: seeds.zarr2Seeds, read: readObservations },
  "zarr-array": { share: 3, seeds: seeds.zarrArraySeeds, read: (folder) => readRows(folder) },
  "hdf5-array": { share: 2, seeds: seeds.hdf5ArraySeeds, read: readDatasets },
  hdf5: { share: 4, seeds: seeds.hdf5Seeds, read: readHdf5 },
  nifti: { share: 8, seeds: seeds.niftiSeeds, read: (folder) => readScans(join(folder, "a.nii")) },
  "nifti-gz": { share: 2, seeds: seeds.niftiGzSeeds, read: (folder) => readScans(join(folder, "a.nii.gz")) },
  "nifti-inside-gz": {
    share: 6,
    seeds: () => seeds.niftiSeeds().map((files) => ({ "a.nii.gz": files["a.nii"]! })),
    wrap: gzip,
    read: (folder) => readScans(join(folder, "a.nii.gz")),
  },
  png: { share: 3, seeds: seeds.pngSeeds, read: (folder) => readPicture(folder, "a.png") },
  "png-right-checksums": {
    share: 6,
    seeds: seeds.pngSeeds,
    wrap: (bytes) => withChecksums(bytes),
    read: (folder) => readPicture(folder, "a.png"),
  },
  "png-inside-deflate": {
    share: 4,
    seeds: () =>
      seeds
        .pngSeeds()
        .filter((files) => hasOneStream(files["a.png"]!))
        .map((files) => ({ "a.png": inflated(files["a.png"]!) })),
    wrap: deflated,
    read: (folder) => readPicture(folder, "a.png"),
  },
  jpeg: { share: 8, seeds: seeds.jpegSeeds, read: (folder) => readPicture(folder, "a.jpg") },
  idx: { share: 6, seeds: seeds.idxSeeds, read: async (folder) => decodeIdx(bytesOf(folder, "a")) },
  "tar-gz": { share: 2, seeds: seeds.tarGzSeeds, read: readTar },
  "tar-inside-gz": { share: 4, seeds: seeds.tarSeeds, wrap: gzip, read: readTar },
  cifar: {
    share: 2,
    seeds: seeds.cifarSeeds,
    read: async (folder) => (await openCifar10(folder, "test", 2)).read(0, 2),
  },
  safetensors: {
    share: 8,
    seeds: seeds.safetensorsSeeds,
    read: async (folder) => decodeSafetensors(bytesOf(folder, "a")),
  },
  onnx: { share: 8, seeds: seeds.onnxSeeds, read: readGraph },
  // ONNX Runtime 1.30 ends the process at a slice with negative step of an axis of no length: about one case in 6000.
  "onnx-engine": { share: 2, seeds: seeds.onnxSeeds, read: readEngineModel },
  "config-json": {
    share: 6,
    seeds: seeds.jsonConfigSeeds,
    read: (folder) => readConfig(join(folder, "a.json")),
  },
  "config-yaml": {
    share: 4,
    seeds: seeds.yamlConfigSeeds,
    read: (folder) => readConfig(join(folder, "a.yaml")),
  },
  run: { share: 4, seeds: seeds.runSeeds, read: readRunFolder },
  report: { share: 2, seeds: seeds.runSeeds, read: readRun },
};

async function readArray(folder: string): Promise<void> {
  const path = join(folder, "a.npy");
  await readNpy(path);
  await readRows(path);
}

/** Reads an array wherever it lies, as an import does. */
async function readRows(location: string): Promise<void> {
  const rows = await openArray(location);
  try {
    for (let first = 0; first < (rows.shape[0] ?? 0); first += 256)
      await rows.read(first, Math.min(first + 256, rows.shape[0]!));
  } finally {
    rows.close();
  }
}

async function readDatasets(folder: string): Promise<void> {
  for (const name of ["/survey/y", "/survey/mask", "/complex"])
    await readRows(`${join(folder, "a.h5")}:${name}`);
}

async function readObservations(path: string): Promise<void> {
  for (const { observations } of kindsOf(await openObservationsOrArchive(path))) {
    const { count, read } = observations;
    for (let first = 0; first < count; first += 256) await read(first, Math.min(first + 256, count));
  }
}

async function readScans(path: string, options: ScanOptions = {}): Promise<void> {
  const scans = await openScans([path], { slices: [0, 40], ...options });
  try {
    for (let k = 0; k < scans.slices.length; k++) scans.read(k);
  } finally {
    scans.close();
  }
}

async function readHdf5(folder: string): Promise<void> {
  const path = join(folder, "a.h5");
  await readFastMriAttributes(path);
  await readScans(path, { onBad: "skip" });
  await readScans(path, { dataset: "kspace" });
}

async function readPicture(folder: string, name: string): Promise<unknown> {
  return await decodeImage(bytesOf(folder, name), name, { transparency: "ignore" });
}

async function readTar(folder: string): Promise<void> {
  for await (const _ of tarGzFiles(join(folder, "a.tar.gz"), () => true));
}

/** Reads a model and adds it to the graph, with two samples where it leaves the number open. */
async function readGraph(folder: string): Promise<void> {
  const { inputs, build } = readOnnx(bytesOf(folder, "a.onnx"));
  build(
    Object.fromEntries(
      inputs.map(({ name, shape }) => [name, input((shape ?? [2, 4]).map((size) => size ?? 2))]),
    ),
  );
}

async function readEngineModel(folder: string): Promise<void> {
  const program = await loadOnnxProgram(bytesOf(folder, "a.onnx"), "a.onnx", { threads: 1 });
  await program.release();
}

async function readConfig(path: string): Promise<void> {
  mergeConfig(defaultConfig([1, 8, 8], 100), await readConfigFile(path), path);
}

/** Whatever a resumed run, `sample` and `info` read. */
async function readRunFolder(folder: string): Promise<void> {
  const run = await RunFolder.open(folder);
  const last = await run.lastIteration();
  for (let k = 0; k <= last; k++) await run.readFigures(k);
  const best = await run.bestIteration();
  if (best >= 0) await run.readModel(best);
  await run.readProgress(1);
  await verifyDraws(run.drawPaths(1), 24, [3]);
}
