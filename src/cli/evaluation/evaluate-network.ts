/** Networks that evaluate compares images with: ONNX files, or the classifier of digits that comes with the package. */
import { basename, resolve } from "node:path";
import { float32 } from "../../core/array.ts";
import { checksum, readFileOrFail } from "../../core/files.ts";
import { compileDigitFeatures } from "../../metrics/digit-classifier.ts";
import { type FeatureNetwork, featureNetwork } from "../../metrics/feature-network.ts";
import { type Lpips, lpips } from "../../metrics/lpips.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { loadOnnxProgram } from "../../runtime/onnx-program.ts";
import { DIGIT_CLASSIFIER_PATH, loadDigitClassifier } from "./digit-classifier.ts";
import type { Range } from "./evaluated-images.ts";

/** Stands for the package's classifier of digits in place of a file. */
export const DIGITS = "digits";

/** A network, with the SHA-256 of its file and what else its features depend on. */
export interface OpenedNetwork {
  readonly network: FeatureNetwork;
  readonly checksum: string;
}

export async function openFeatureNetwork(
  name: string,
  range: Range | undefined,
  batch: number,
  engine: EngineOptions,
): Promise<OpenedNetwork> {
  if (name === DIGITS) return await digitNetwork(batch, engine);
  const path = resolve(name);
  const bytes = await readFileOrFail(path, "an ONNX network, or the word digits");
  const model = await loadOnnxProgram(bytes, path, engine);
  try {
    const network = featureNetwork(model, basename(path, ".onnx"), range ? { range } : {});
    return { network, checksum: `${await checksum(bytes)} ${range ?? ""}` };
  } catch (error) {
    await model.release();
    throw error;
  }
}

export async function openLpips(name: string, engine: EngineOptions): Promise<Lpips> {
  const path = resolve(name);
  const model = await loadOnnxProgram(await readFileOrFail(path, "an ONNX network"), path, engine);
  try {
    return lpips(model, basename(path));
  } catch (error) {
    await model.release();
    throw error;
  }
}

async function digitNetwork(batch: number, engine: EngineOptions): Promise<OpenedNetwork> {
  const { parameters } = await loadDigitClassifier();
  const { classify, release } = await compileDigitFeatures(parameters, batch, engine);
  return {
    checksum: await checksum(DIGIT_CLASSIFIER_PATH),
    network: {
      distanceName: "Frechet distance in the digit classifier's features",
      channels: 1,
      size: [28, 28],
      hasClasses: true,
      compute: async ({ data, shape }) =>
        await classify(
          float32(
            data.map((value) => 4 * value - 2),
            shape,
          ),
        ),
      release,
    },
  };
}
