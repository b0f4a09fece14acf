import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDigitClassifier } from "../../src/cli/evaluation/digit-classifier.ts";
import { float32, rows } from "../../src/core/array.ts";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { loadMnist, type Mnist } from "../../src/data/mnist.ts";
import {
  compileDigitFeatures,
  DIGIT_FEATURES,
  type DigitFeatures,
  type DigitResults,
} from "../../src/metrics/digit-classifier.ts";
import { frechetDistance } from "../../src/metrics/frechet.ts";
import { momentsOf } from "../../src/metrics/moments.ts";
import { expectAllClose } from "../matchers.ts";

const BATCH = 128;

describe("the digit classifier", () => {
  let classifier: DigitFeatures;
  let digits: Mnist;
  let results: DigitResults;
  beforeAll(async () => {
    const { parameters } = await loadDigitClassifier();
    classifier = await compileDigitFeatures(parameters, BATCH);
    digits = await loadMnist("test", { end: 1000 });
    results = await classifier.classify(digits.images);
  });
  afterAll(async () => {
    await classifier.release();
  });

  test("knows the first 1000 test digits", () => {
    expect(results.features.shape).toEqual([1000, DIGIT_FEATURES]);
    expect(results.logits.shape).toEqual([1000, 10]);
    const right = results.classes.filter((digit, i) => digit === digits.labels[i]).length;
    expect(right / 1000).toBeGreaterThanOrEqual(0.97);
  });

  test("gives each picture the same features in a full batch, a part of one, and none", async () => {
    for (const count of [0, 1, BATCH - 1, BATCH + 1]) {
      const features = await classifier.features(rows(digits.images, 0, count));
      expect(features.shape).toEqual([count, DIGIT_FEATURES]);
      expectAllClose(features, rows(results.features, 0, count));
    }
  });

  test("its features put clean digits nearer to each other than to damaged ones", async () => {
    const half = rows(digits.images, 0, 500);
    const other = momentsOf(rows(results.features, 500, 1000));
    const rng = new Rng(1);
    const distanceOf = async (damage: (pixel: number) => number) => {
      const images = float32(half.data.map(damage), half.shape);
      return frechetDistance(momentsOf(await classifier.features(images)), other);
    };
    const clean = await distanceOf((pixel) => pixel);
    const noisy = await distanceOf((pixel) => pixel + 0.5 * rng.normal());
    const deleted = await distanceOf((pixel) => (rng.uniform() < 0.75 ? -2 : pixel));
    expect(noisy).toBeGreaterThan(1.1 * clean);
    expect(deleted).toBeGreaterThan(10 * clean);
  });

  test("refuses other pictures and batches", async () => {
    await expect(classifier.features(float32(new Float32Array(32 * 32), [1, 1, 32, 32]))).rejects.toThrow(
      ShapeError,
    );
    await expect(compileDigitFeatures({}, 0)).rejects.toThrow(ConfigError);
  });
});
