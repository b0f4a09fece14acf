/** Every command that writes, on data so small that it takes a second or two, and what it must write whatever happens. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { float32 } from "../../src/core/array.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { averagePool, input, reshape } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";

export interface Writer {
  /** Its arguments, with paths below the folder where it runs; inputs are in `../inputs`. */
  readonly args: readonly string[];
  /** Added when it runs again, if this file is there by then. */
  readonly resume?: { readonly option: string; readonly ifThere: string };
  /** Files whose bytes must be those of a process left alone; the others tell times. */
  readonly same: RegExp;
}

const settings = (all: readonly string[]) => all.flatMap((setting) => ["--set", setting]);
/** What a prior is made of, and the steps of a run. */
const PRIOR = settings([
  'network={"type":"unet","channels":[4],"blocks":[1],"heads":[0],"embedding":8,"patch":2}',
  ...["start.iterations=2", "start.rank=2"],
]);
const STEPS = settings([
  ...["em.iterations=2", "eStep.steps=2", "eStep.batch=8", "mStep.steps=6", "mStep.finalSteps=6"],
  ...["mStep.batch=4", "figures.prior=2", "figures.gallery=2", "figures.priorSteps=2"],
]);
const SMALL = [...PRIOR, ...STEPS];

const ARRAYS = /\.(npy|safetensors)$/;
const ALL = /./;
const OBS = "../inputs/obs";
const RUN = "../inputs/run";

/** Commands that make the inputs of the others. */
export const PREPARATION: readonly (readonly string[])[] = [
  ["corrupt", "clean.npy", "obs", "--range=-1,1"],
  ["corrupt", "clean.npy", "blurred", "--operator", "gaussian-blur", "--size", "3", "--deviation", "1"],
  ["train", "obs", "--out", "run", ...SMALL],
];

export const WRITERS: Readonly<Record<string, Writer>> = {
  corrupt: { args: ["corrupt", "../inputs/clean.npy", "out/obs", "--noise-variance", "0.01"], same: ALL },
  import: {
    args: [
      "import",
      "--y",
      "../inputs/clean.npy",
      "--mask",
      "../inputs/mask.npy",
      "--noise-variance",
      "0.01",
      "--out",
      "out/obs",
    ],
    same: ALL,
  },
  "import-mri": {
    args: [
      "import-mri",
      "../inputs/volume.nii",
      "--slices",
      "0,9",
      "--out",
      "out/obs",
      "--truth",
      "out/truth.npy",
    ],
    same: ALL,
  },
  "data images": {
    args: ["data", "images", "../inputs/pictures", "--size", "8", "--out", "out/images.npy"],
    same: ALL,
  },
  merge: { args: ["merge", OBS, "../inputs/blurred", "--out", "out/obs"], same: ALL },
  train: {
    args: ["train", OBS, "--out", "out/run", ...SMALL],
    resume: { option: "--resume", ifThere: "out/run/run.json" },
    same: ARRAYS,
  },
  "train from": {
    args: ["train", "../inputs/blurred", "--out", "out/run", "--from", RUN, ...STEPS],
    resume: { option: "--resume", ifThere: "out/run/run.json" },
    same: ARRAYS,
  },
  sample: { args: ["sample", RUN, "--count", "64", "--out", "out/samples.npy"], same: ALL },
  reconstruct: {
    args: ["reconstruct", RUN, OBS, "--out", "out/posterior.npy", "--samples", "2", "--report", "out/page"],
    same: ARRAYS,
  },
  evaluate: {
    args: [
      "evaluate",
      "../inputs/clean.npy",
      "--reference",
      "../inputs/clean.npy",
      "--features",
      "../inputs/features.onnx",
      "--range=-1,1",
      "--neighbours",
      "2",
      "--cache",
      "out/cache",
    ],
    same: ALL,
  },
  benchmark: {
    args: [
      "benchmark",
      "posterior",
      RUN,
      "--truth",
      "../inputs/clean.npy",
      "--out",
      "out/benchmark",
      "--steps",
      "2",
      "--count",
      "2",
      "--tasks",
      "box,random",
      "--methods",
      "mmps,dps",
      "--cg-steps",
      "1",
    ],
    resume: { option: "--resume", ifThere: "out/benchmark/results.json" },
    same: ARRAYS,
  },
  "reconstruct summaries": {
    args: [
      ...[
        "reconstruct",
        RUN,
        OBS,
        "--out",
        "out/posterior.npy",
        "--samples",
        "3",
        "--mean",
        "out/mean.npy",
        "--std",
        "out/std.npy",
      ],
      ...["--quantiles", "0.1,0.9", "out/quantiles.npy"],
    ],
    same: ARRAYS,
  },
  export: { args: ["export", RUN, "--out", "out/prior.onnx"], same: ALL },
  check: { args: ["check", RUN, "--out", "out/check.html"], same: /none: its page tells times/ },
  report: { args: ["report", RUN, "--out", "out/report.html"], same: ALL },
};

/** A network of four features: means over the quarters of an image. */
function features(): Uint8Array {
  const pixels = input([8, 1, 8, 8]);
  return writeOnnx({ pixels }, { features: reshape(averagePool(pixels, 4), [8, 4]) });
}

/** Writes what `PREPARATION` begins with. The volume and pictures are fixtures of the tests, below the repository's root. */
export function writeInputs(folder: string): void {
  const clean = Float32Array.from({ length: 24 * 64 }, (_, i) => Math.tanh(2 * Math.sin(i / 7 + (i >> 6))));
  const mask = Float32Array.from({ length: 24 * 64 }, (_, i) => (i % 3 === 0 ? 0 : 1));
  writeFileSync(join(folder, "clean.npy"), encodeNpy(float32(clean, [24, 1, 8, 8])));
  writeFileSync(join(folder, "features.onnx"), features());
  writeFileSync(join(folder, "mask.npy"), encodeNpy(float32(mask, [24, 1, 8, 8])));
  const fixtures = resolve("test/fixtures");
  copyFileSync(join(fixtures, "scans/volume.nii"), join(folder, "volume.nii"));
  mkdirSync(join(folder, "pictures"));
  for (const name of ["4-2-0", "4-4-4", "rgb", "grey"])
    copyFileSync(join(fixtures, `picture-kinds/${name}.jpg`), join(folder, "pictures", `${name}.jpg`));
}
