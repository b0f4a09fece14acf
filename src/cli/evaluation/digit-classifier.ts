/** The classifier of digits that comes with the package. */

import { fileURLToPath } from "node:url";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { digitClassifier } from "../../metrics/digit-classifier.ts";
import { checkParameters, type Parameters } from "../../nn/parameters.ts";
import { decodeSafetensors } from "../../nn/safetensors.ts";

/** Trained weights, and how they came about. */
export interface TrainedDigitClassifier {
  /** Of `digitClassifier`. */
  readonly parameters: Parameters;
  /** "dataset", "accuracy" (share of the 10 000 test digits), "seed", "steps". */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where `scripts/train-digit-classifier.ts` writes. Both src/data and dist/data lie two folders below the package. */
export const DIGIT_CLASSIFIER_PATH = fileURLToPath(
  new URL("../../../assets/digit-classifier.safetensors", import.meta.url),
);

/**
 * Loads the classifier, by default the one of the package.
 * @throws DataError if the file is missing, damaged, or holds another network
 */
export async function loadDigitClassifier(path = DIGIT_CLASSIFIER_PATH): Promise<TrainedDigitClassifier> {
  const bytes = await readFileOrFail(path, "weights of the digit classifier");
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  for (const [name, { dtype }] of Object.entries(tensors))
    if (dtype !== "float32")
      throw new DataError(`${path}: parameter ${name} must be float32, got ${dtype}. Convert it first.`);
  const parameters = tensors as Parameters; // just checked
  checkParameters(digitClassifier.parameters, parameters, path);
  return { parameters, metadata };
}
