import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type ObservationHeader, observationKind } from "../../src/data/observations/observations.ts";
import { kspaceObservations } from "../../src/data/scans/kspace.ts";
import { compileBaselines } from "../../src/em/evaluation/baselines.ts";
import { imageQualities, meanQuality } from "../../src/em/evaluation/image-quality.ts";
import { reconstructionSummary } from "../../src/em/evaluation/reconstruction.ts";
import { drawMoments } from "../../src/metrics/draws.ts";
import { reconstructionPage } from "../../src/report/pages/reconstruction-page.ts";

const SIDE = 12;
const VARIANCE = 0.01;
const header = (channels: 1 | 2): ObservationHeader => ({
  format: "diem-observations",
  version: 1,
  operator: { name: "fourier", maskShape: [1, 1, SIDE] },
  latentShape: [channels, SIDE, SIDE],
  observationShape: [2, SIDE, SIDE],
  noiseVariance: VARIANCE,
  range: [-2, 2],
});

/** Discs, their k-space at full sampling, and draws that are the truth plus normal noise of standard deviation 0.1. */
function example(channels: 1 | 2, n: number, S: number, acceleration = 1) {
  const size = channels * SIDE * SIDE;
  const rng = new Rng(2);
  const truth = float32(new Float32Array(n * size), [n, channels, SIDE, SIDE]);
  const draws = float32(new Float32Array(n * S * size), [n, S, channels, SIDE, SIDE]);
  for (let i = 0; i < n * size; i++) {
    const [y, x] = [Math.floor(i / SIDE) % SIDE, i % SIDE];
    // The truth is a draw of the same distribution as the samples: a disc plus noise.
    const centre = (Math.hypot(y - 5.5, x - 5.5) < 4 ? 1 : -1) * (i % size < SIDE * SIDE ? 1 : 0.5);
    truth.data[i] = centre + 0.1 * rng.normal();
    const row = Math.floor(i / size);
    for (let s = 0; s < S; s++) draws.data[(row * S + s) * size + (i % size)] = centre + 0.1 * rng.normal();
  }
  const options = { acceleration, noiseVariance: VARIANCE, addNoise: true, rng: new Rng(3), startIndex: 0 };
  return { truth, draws, batch: kspaceObservations(truth, options) };
}

describe("reconstructions", () => {
  test("an observation of which nothing is measured has no part in chi-square", async () => {
    const kind = observationKind({
      ...header(1),
      operator: { name: "mask", maskShape: [1, SIDE, SIDE] },
      observationShape: [1, SIDE, SIDE],
    });
    const images = (values: readonly number[]) =>
      float32(
        values.flatMap((value) => new Array<number>(SIDE * SIDE).fill(value)),
        [values.length, 1, SIDE, SIDE],
      );
    const summary = reconstructionSummary(kind, { weight: 0.01, engine: {} });
    const draws = { ...images([0.2, 0.2, 0.2]), shape: [3, 1, 1, SIDE, SIDE] };
    await summary.add({ y: images([0, 0.1, 0]), data: { mask: images([1, 1, 0]) } }, draws);
    const { chiSquare } = summary.figures();
    await summary.release();
    // Differences of 0.2 and 0.1 at a variance of 0.01.
    expect(chiSquare).toBeCloseTo((4 + 1) / 2, 5);
  });

  test.each([1, 2] as const)("of %d channels: figures of draws whose law is known", async (channels) => {
    const { truth, draws, batch } = example(channels, 6, 32);
    const summary = reconstructionSummary(observationKind(header(channels)), { weight: 0.01, engine: {} });
    await summary.add(batch, draws, truth);
    const figures = summary.figures();
    const images = summary.images();
    await summary.release();
    expect([figures.count, figures.samples]).toEqual([6, 32]);
    // y - A x = A (truth - draw) + noise: variance 0.01 from each of three, but A of a real image spreads over two parts.
    const expected = channels === 2 ? 3 : 2;
    expect(Math.abs(figures.chiSquare - expected)).toBeLessThan(0.25);
    expect(Math.abs(figures.coverage90! - 0.9)).toBeLessThan(0.05);
    expect(Math.abs(figures.deviation - 0.1)).toBeLessThan(0.005);
    for (const { psnr, ssim } of [figures.posteriorMean!, figures.zeroFilled!, figures.baseline!]) {
      expect(psnr).toBeGreaterThan(20);
      // The magnitude of the complex discs is the same everywhere: no structure to be similar in.
      expect(ssim).toBeGreaterThan(channels === 1 ? 0.5 : 0.1);
    }
    if (channels === 1)
      expect(figures.posteriorMean!.ssim).toBeCloseTo(
        meanQuality(imageQualities(drawMoments(draws).mean, truth, [-2, 2])).ssim!,
        10,
      );
    expect(images.truth!.shape).toEqual([4, 1, SIDE, SIDE]);
    const page = reconstructionPage(
      "Title",
      [{ title: "Part", figures, images, range: [-2, 2], units: "mK" }],
      ["A note."],
    );
    for (const word of [
      "Title",
      "Part",
      "A note.",
      "mask",
      "sample 2",
      "truth",
      "zero-filled",
      "to 2 mK (white)",
    ])
      expect(page).toContain(word);
  });

  test("an image that equals the truth is counted, and left out of PSNR", async () => {
    const { truth, draws, batch } = example(1, 3, 1);
    draws.data.set(truth.data.subarray(0, SIDE * SIDE));
    const figuresOf = async (given: typeof draws) => {
      const summary = reconstructionSummary(observationKind(header(1)), { weight: 0.01, engine: {} });
      await summary.add(batch, given, truth);
      const figures = summary.figures();
      await summary.release();
      return figures.posteriorMean!;
    };
    const two = imageQualities(drawMoments(draws).mean, truth, [-2, 2]).slice(1);
    const some = await figuresOf(draws);
    expect(some.equalPairs).toBe(1);
    expect(some.psnr).toBeCloseTo((two[0]!.psnr + two[1]!.psnr) / 2, 10);
    const all = await figuresOf({ ...draws, data: truth.data });
    expect(all).toEqual({ equalPairs: 3, ssim: expect.closeTo(1, 10) });
    expect(meanQuality([{ psnr: Number.NaN }, { psnr: Infinity }])).toEqual({
      equalPairs: 1,
      psnr: Number.NaN,
    });
  });

  test("batches add up to what all together give, and without truth there is none of its figures", async () => {
    const { draws, batch } = example(1, 4, 3, 2);
    const cut = (first: number, end: number) => {
      const part = <T extends { data: Float32Array; shape: readonly number[] }>(array: T) => {
        const size = array.data.length / array.shape[0]!;
        return float32(array.data.slice(first * size, end * size), [end - first, ...array.shape.slice(1)]);
      };
      return [{ y: part(batch.y), data: { mask: part(batch.data.mask!) } }, part(draws)] as const;
    };
    const figuresOf = async (...ranges: [number, number][]) => {
      const summary = reconstructionSummary(observationKind(header(1)), { weight: 0.01, engine: {} });
      for (const range of ranges) await summary.add(...cut(...range));
      const figures = summary.figures();
      expect(summary.images().mean.shape).toEqual([4, 1, SIDE, SIDE]);
      expect(summary.images().truth).toBeUndefined();
      await summary.release();
      return figures;
    };
    const together = await figuresOf([0, 4]);
    const apart = await figuresOf([0, 3], [3, 4]);
    expect(apart.chiSquare).toBeCloseTo(together.chiSquare, 4);
    expect(apart.deviation).toBeCloseTo(together.deviation, 6);
    expect(Object.keys(together).sort()).toEqual(["chiSquare", "count", "deviation", "samples"]);
  });

  test("of fully sampled complex k-space need no more than the adjoint", async () => {
    const { truth, batch } = example(2, 2, 1);
    await using baselines = await compileBaselines(observationKind(header(2)), 2, {});
    const found = await baselines.zeroFilled(batch);
    const errors = found.data.map((value, i) => value - truth.data[i]!);
    // What is left is the noise: a standard deviation of 0.1, 576 entries, five standard errors.
    const deviation = Math.sqrt(errors.reduce((s, e) => s + e * e, 0) / errors.length);
    expect(Math.abs(deviation - 0.1)).toBeLessThan((5 * 0.1) / Math.sqrt(2 * errors.length));
  });

  test.each([
    ["vectors", [6], 'class="band"'],
    ["signals", [2, 3], 'class="band"'],
    ["volumes", [1, 2, 3, 1], 'class="film"'],
  ] as const)("of %s: figures and pictures without those of images", async (_, shape, picture) => {
    const kind = observationKind({
      ...header(1),
      operator: { name: "mask", maskShape: [...shape] },
      latentShape: [...shape],
      observationShape: [...shape],
    });
    const [n, S] = [3, 40];
    const rng = new Rng(5);
    const truth = float32(new Float32Array(n * 6), [n, ...shape]);
    const draws = float32(new Float32Array(n * S * 6), [n, S, ...shape]);
    rng.fillNormal(truth.data);
    rng.fillNormal(draws.data);
    const mask = { ...truth, data: truth.data.map((_, i) => Number(i % 2 === 0)) };
    const summary = reconstructionSummary(kind, { weight: 1, engine: {} });
    await summary.add({ y: truth, data: { mask } }, draws, truth);
    const [figures, images] = [summary.figures(), summary.images()];
    await summary.release();
    const { mean } = drawMoments(draws);
    const squares = mean.data.map((value, i) => (value - truth.data[i]!) ** 2);
    expect(figures.error).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length), 5);
    expect(figures.posteriorMean).toBeUndefined();
    const page = reconstructionPage("Title", [{ title: "Part", figures, images, range: [-2, 2] }], []);
    expect(page).toContain(picture);
    expect(page.match(/class="dots"/g)?.length).toBe(
      shape.length === 4 ? undefined : n * (shape.length === 2 ? 2 : 1),
    );
    expect(page).not.toMatch(/NaN|undefined|total variation/);
  });
});
