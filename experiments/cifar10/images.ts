import type { HostArray } from "../../src/core/array.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { openCifar10 } from "../../src/data/cifar10.ts";
import { cutPatches, loadPhotographs, type Photograph } from "./photographs.ts";
import type { Cifar10Recipe } from "./recipes.ts";

/** Clean images [n, C, H, W] in [-2, 2]. */
export interface CleanImages {
  /** Those that are corrupted to learn from; figures compare with them, as published ones do. */
  readonly train: HostArray<"float32">;
  /** Others of the same kind, whose distance is what a perfect prior would have; none of CIFAR-10. */
  readonly others?: HostArray<"float32">;
  /** What they are, in a sentence. */
  readonly source: string;
}

/** Seeds of the patches: all runs learn from the same ones, as they would from CIFAR-10. */
const PATCHES = { train: 0, others: 1 } as const;

/** Unpacked once for all runs of a process: it takes seconds. */
let photographs: Promise<Photograph[]> | undefined;

/** The clean images of a recipe. @throws ConfigError if files are missing, or given in vain */
export async function cleanImages(
  { data }: Pick<Cifar10Recipe, "data">,
  files: readonly string[],
): Promise<CleanImages> {
  if (data === "cifar-10") return await cifar10Images(files);
  if (files.length > 0)
    throw new ConfigError(
      "experiment cifar10: --data is for the recipes paper and reference; this one cuts patches of photographs. Leave it out.",
    );
  const { side, count, others } = data;
  photographs ??= loadPhotographs();
  const loaded = await photographs;
  const patches = (seed: number, n: number) => cutPatches(loaded, { count: n, side, seed, split: "train" });
  return {
    train: patches(PATCHES.train, count),
    others: patches(PATCHES.others, others),
    source: `The data are ${count} patches of ${side} x ${side} pixels, cut from the photographs of the npm package @pmndrs/assets (Poly Haven, CC0).`,
  };
}

async function cifar10Images([path, ...more]: readonly string[]): Promise<CleanImages> {
  if (path === undefined || more.length > 0)
    throw new ConfigError(
      "experiment cifar10: expected --data with the folder or archive of CIFAR-10's binary version. Give --data cifar-10-binary.tar.gz, or take --recipe laptop, which needs none.",
    );
  const images = await openCifar10(path, "train");
  return {
    train: images.read(0, images.shape[0]!),
    source: `The data are the ${images.shape[0]} training images of CIFAR-10.`,
  };
}
