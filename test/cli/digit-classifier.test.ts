import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DIGIT_CLASSIFIER_PATH, loadDigitClassifier } from "../../src/cli/evaluation/digit-classifier.ts";
import { zeros } from "../../src/core/array.ts";
import { DataError } from "../../src/core/errors.ts";
import { digitClassifier } from "../../src/metrics/digit-classifier.ts";
import { encodeSafetensors } from "../../src/nn/safetensors.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

test("the package's classifier loads, is small, and says how it was trained", async () => {
  const { parameters, metadata } = await loadDigitClassifier();
  expect(Object.keys(parameters).sort()).toEqual(digitClassifier.parameters.map(({ name }) => name).sort());
  expect(metadata).toMatchObject({ dataset: "mnist", seed: "0" });
  expect(Number(metadata.accuracy)).toBeGreaterThanOrEqual(0.985);
  expect((await stat(DIGIT_CLASSIFIER_PATH)).size).toBeLessThan(400_000);
});

test("weights of another network, of another dtype, or missing are refused", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "other.safetensors");
    await expect(loadDigitClassifier(path)).rejects.toThrow(
      new DataError(`${path}: expected weights of the digit classifier, found nothing. Check the path.`),
    );
    await writeFile(path, encodeSafetensors({ "conv.0.weight": zeros("float32", [1]) }));
    await expect(loadDigitClassifier(path)).rejects.toThrow(
      /parameter conv.0.weight must be \[16, 1, 3, 3\]/,
    );
    await writeFile(path, encodeSafetensors({ "conv.0.weight": zeros("float64", [16, 1, 3, 3]) }));
    await expect(loadDigitClassifier(path)).rejects.toThrow(/must be float32, got float64/);
  });
});
