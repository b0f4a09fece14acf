import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { main } from "../../src/cli/command-line.ts";
import { float32, hostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { concat, input, mean, mul, reshape, scalar, square } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { frechetDistance } from "../../src/metrics/frechet.ts";
import { momentsOf } from "../../src/metrics/moments.ts";
import { expectAllClose } from "../matchers.ts";

let folder = "";
const path = (name: string) => join(folder, name);

async function diem(...args: string[]) {
  const written = { out: "", err: "" };
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.out += text;
    return true;
  });
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.err += text;
    return true;
  });
  try {
    return { code: await main(args), ...written };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const figuresOf = ({ code, out, err }: Awaited<ReturnType<typeof diem>>) => {
  expect(code, err).toBe(0);
  return JSON.parse(out.trim().split("\n").at(-1)!);
};

const [H, W] = [12, 11];
/** Bytes whose brightness and contrast vary from image to image. */
function bytes(seed: number, n: number, channels: number, shift = 0): Uint8Array {
  const rng = new Rng(seed);
  const out = new Uint8Array(n * channels * H * W);
  for (let i = 0; i < n * channels; i++) {
    const [centre, width] = [90 + 20 * rng.normal() + shift, 40 + 20 * rng.uniform()];
    for (let at = 0; at < H * W; at++)
      out[i * H * W + at] = Math.min(255, Math.max(0, Math.round(centre + width * rng.normal())));
  }
  out[0] = 0;
  out[1] = 255;
  return out;
}

/** Mean and mean square of each channel. */
function moments(values: ArrayLike<number>, n: number, channels: number) {
  const rows: number[] = [];
  for (let i = 0; i < n; i++)
    for (const power of [1, 2])
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let at = 0; at < H * W; at++) sum += values[(i * channels + c) * H * W + at]! ** power;
        rows.push(sum / (H * W));
      }
  return momentsOf(float32(rows, [n, 2 * channels]));
}

const [A, B] = [bytes(1, 30, 3), bytes(2, 24, 3, 25)];
const units = (x: Uint8Array) => Float32Array.from(x, (value) => value / 255);
const array = (x: Uint8Array, lo: number, hi: number) =>
  encodeNpy(
    float32(
      Float32Array.from(x, (value) => lo + ((hi - lo) * value) / 255),
      [x.length / (3 * H * W), 3, H, W],
    ),
  );

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-evaluate-"));
  const pixels = input([8, 3, H, W]);
  const pooled = [pixels, square(pixels)].map((x) => reshape(mean(x, [2, 3]), [8, 3]));
  const features = concat(pooled, 1);
  writeFileSync(path("net.onnx"), writeOnnx({ pixels }, { features, logits: mul(features, scalar(5)) }));
  const [x, y] = [input([6, 3, H, W]), input([6, 3, H, W])];
  writeFileSync(path("pair.onnx"), writeOnnx({ x, y }, { d: mean(square(mul(x, y)), [1, 2, 3]) }));
  writeFileSync(path("a.npy"), encodeNpy(hostArray("uint8", [30, 3, H, W], A)));
  writeFileSync(path("b.npy"), array(B, -2, 2));
  writeFileSync(path("unit.npy"), array(A, 0, 1));
  writeFileSync(path("wide.npy"), array(A, 0, 255));
  writeFileSync(path("small.npy"), encodeNpy(hostArray("uint8", [99, 3, 10, 4], A)));
  writeFileSync(path("last.npy"), encodeNpy(hostArray("uint8", [30, H, W, 3], A)));
  mkdirSync(path("a"));
  for (let i = 0; i < 30; i++) {
    const data = new Uint8Array(3 * H * W);
    for (let at = 0; at < H * W; at++)
      for (let c = 0; c < 3; c++) data[3 * at + c] = A[(3 * i + c) * H * W + at]!;
    const png = encode({ width: W, height: H, data, channels: 3, depth: 8 });
    writeFileSync(path(`a/${String(i).padStart(3, "0")}.png`), png);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TINY = [
  ...["network.channels=[16]", "network.blocks=[1]", "network.heads=[0]", "network.embedding=8"],
  ...["start.iterations=2", "start.rank=3", "em.iterations=1", "eStep.steps=3", "eStep.batch=16"],
  ...["mStep.steps=2", "mStep.finalSteps=2", "mStep.batch=8"],
  ...["figures.prior=4", "figures.gallery=4", "figures.priorSteps=3"],
].flatMap((setting) => ["--set", setting]);

const against = (samples: string, reference: string, ...more: string[]) => [
  ...["evaluate", path(samples), "--reference", path(reference), "--features", path("net.onnx")],
  ...["--batch", "7", "--cache", path("cache"), "--json", ...more],
];

describe("diem evaluate", () => {
  test("gives the distance of the features, from bytes, floats and PNG files alike", async () => {
    const expected = frechetDistance(moments(units(B), 24, 3), moments(units(A), 30, 3));
    for (const reference of ["a.npy", "a"]) {
      const found = figuresOf(await diem(...against("b.npy", reference, "--range=-2,2")));
      expect(found).toMatchObject({ samples: 24, references: 30, neighbours: 5 });
      expect(found.distanceName).toBe("Frechet distance in net's features");
      expect(found.fid).toBeUndefined();
      expectAllClose([found.frechetDistance], [expected], { relative: 1e-3 });
      expect(found.classScore.mean).toBeGreaterThan(1);
      for (const name of ["precision", "recall", "coverage"]) expect(found[name]).toBeLessThanOrEqual(1);
      expect(found.warnings).toEqual([expect.stringContaining("24 samples are compared with 30 references")]);
    }
  });

  test("of a set with itself is 0; the second time from the cache, which a damaged file does not spoil", async () => {
    const first = await diem(...against("unit.npy", "unit.npy", "--range", "0,1"));
    expect(figuresOf(first)).toMatchObject({ precision: 1, recall: 1, coverage: 1, warnings: [] });
    expect(figuresOf(first).frechetDistance).toBeLessThan(1e-6);
    expect(first.err).not.toContain("cache");
    const again = await diem(...against("unit.npy", "unit.npy", "--range", "0,1"));
    expect(again.err).toContain("Statistics of unit.npy are taken from the cache.");
    expect(figuresOf(again)).toEqual(figuresOf(first));
    for (const name of readdirSync(path("cache"))) {
      const damaged = readFileSync(path(`cache/${name}`));
      damaged[damaged.length - 9]! ^= 1;
      writeFileSync(path(`cache/${name}`), damaged);
    }
    const third = await diem(...against("unit.npy", "unit.npy", "--range", "0,1"));
    expect(third.err).not.toContain("cache");
    expect(figuresOf(third)).toEqual(figuresOf(first));
  });

  test("compares pairs", async () => {
    const pairs = (...more: string[]) =>
      diem(
        "evaluate",
        path("a"),
        "--reference",
        path("a.npy"),
        "--paired",
        "--batch",
        "6",
        "--json",
        ...more,
      );
    const same = figuresOf(await pairs());
    expect(same.pairs).toMatchObject({ equalPairs: 30 });
    expect(same.pairs.psnr).toBeUndefined(); // infinite
    expect(same.warnings).toEqual(["30 of 30 pairs are equal, with infinite PSNR: it is left out."]);
    expect(same.pairs.ssim).toBeCloseTo(1, 9);
    const signed = Array.from(A, (value) => (2 * value) / 255 - 1);
    const expected = signed.reduce((sum, value) => sum + value ** 4, 0) / signed.length;
    expect(figuresOf(await pairs("--lpips", path("pair.onnx"))).pairs.lpips).toBeCloseTo(expected, 4);
  });

  test("gives PSNR of pairs that differ and of images too small for SSIM, and says what is left out", async () => {
    const other = Uint8Array.from(A, (value, i) => (i < 99 * 120 - 120 ? value : 255 - value));
    writeFileSync(path("other.npy"), encodeNpy(hostArray("uint8", [99, 3, 10, 4], other)));
    const paired = ["--reference", path("other.npy"), "--paired", "--json"];
    const { pairs, warnings } = figuresOf(await diem("evaluate", path("small.npy"), ...paired));
    const expected =
      [...A.slice(98 * 120, 99 * 120)].reduce((sum, v) => sum + ((2 * v - 255) / 255) ** 2, 0) / 120;
    expect(pairs.psnr).toBeCloseTo(-10 * Math.log10(expected), 4);
    expect(pairs).toMatchObject({ equalPairs: 98 });
    expect(pairs.ssim).toBeUndefined();
    expect(warnings).toEqual([
      "98 of 99 pairs are equal, with infinite PSNR: PSNR is the mean of the others.",
      "SSIM needs images of at least 11 x 11 pixels, found [99, 3, 10, 4]: it is left out.",
    ]);
  });

  test("pairs folders by the names of their files, and a folder with an array in natural order", async () => {
    for (const name of ["names", "shifted", "more"]) mkdirSync(path(name));
    for (let i = 0; i < 12; i++) {
      const png = readFileSync(path(`a/${String(i).padStart(3, "0")}.png`));
      for (const name of ["names", "more"]) writeFileSync(path(`${name}/${i}.png`), png);
      writeFileSync(path(`shifted/${i + 1}.png`), png);
      writeFileSync(path(`names/._${i}.png`), "of macOS");
    }
    const paired = (reference: string, ...more: string[]) =>
      diem("evaluate", path("names"), "--reference", path(reference), "--paired", "--json", ...more);
    for (const [reference, ...more] of [["a.npy", "--count", "12"], ["more"]])
      expect(figuresOf(await paired(reference!, ...more)).pairs).toMatchObject({ equalPairs: 12 });
    const { err } = await paired("shifted");
    expect(err).toContain("--paired: expected an image 0 in shifted as in names, found none.");
    writeFileSync(path("more/12.png"), readFileSync(path("more/1.png")));
    expect((await paired("more")).err).toContain("expected an image 12 in names as in more, found none.");
    expect((await paired("a.npy")).err).toContain(
      "--paired: expected two sets of as many images, found [12, 3, 12, 11] and [30, 3, 12, 11]",
    );
  });

  test("warns of repeated images, whose balls hold nothing", async () => {
    const one = A.slice(0, 3 * H * W);
    const repeated = Uint8Array.from({ length: 20 * one.length }, (_, i) => one[i % one.length]!);
    writeFileSync(path("repeated.npy"), encodeNpy(hostArray("uint8", [20, 3, H, W], repeated)));
    const ended = await diem(...against("a.npy", "repeated.npy"), "--quiet");
    expect(ended.err).toMatch(/^Warning: 20 of 20 references/m);
    const found = figuresOf(ended);
    expect(found).toMatchObject({ density: 0, coverage: 0, repeated: { real: 20, fake: 0 } });
    expect(found.warnings).toContainEqual(
      expect.stringMatching(
        /^20 of 20 references have 5 others that look the same: balls around them are empty/,
      ),
    );
  });

  test("samples a run, in whose range the reference is; the same as diem sample draws", async () => {
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 40 * 144 }, () => Math.tanh(rng.normal()));
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [40, 1, 12, 12])));
    const grey = input([16, 1, 12, 12]);
    const pooled = [grey, square(grey)].map((x) => reshape(mean(x, [2, 3]), [16, 1]));
    writeFileSync(path("grey.onnx"), writeOnnx({ grey }, { features: concat(pooled, 1) }));
    expect((await diem("corrupt", path("clean.npy"), path("obs"), "--range=-1,1")).code).toBe(0);
    const trained = await diem("train", path("obs"), "--out", path("run"), "--quiet", ...TINY);
    expect(trained.code, trained.err).toBe(0);
    const run = (samples: string, ...more: string[]) =>
      diem(
        ...["evaluate", path(samples), "--reference", path("clean.npy"), "--features", path("grey.onnx")],
        ...["--cache", path("cache"), "--quiet", "--json", ...more],
      );
    expect((await run("run")).err).toContain("--count is missing");
    const drawn = figuresOf(await run("run", "--count", "20"));
    const sampled = await diem("sample", path("run"), "--count", "20", "--out", path("s.npy"), "--quiet");
    expect(sampled.code, sampled.err).toBe(0);
    const read = figuresOf(await run("s.npy", "--range=-1,1"));
    expect(drawn.frechetDistance).toBeGreaterThan(0);
    expectAllClose([drawn.frechetDistance], [read.frechetDistance], { relative: 1e-3 });
  });

  test("warns of too few samples and of values that fill little of the range", async () => {
    const few = figuresOf(await diem(...against("a.npy", "unit.npy", "--range", "0,1", "--count", "5")));
    expect(few.warnings).toEqual([
      expect.stringContaining("5 samples are compared with 30"),
      expect.stringContaining(
        "a.npy has 5 images, no more than the 6 features: their covariance is singular",
      ),
      "the score of classes needs 10 samples: it is left out.",
      "precision and recall need more than 5 images a set: they are left out.",
    ]);
    expect(few.precision).toBeUndefined();
    const narrow = figuresOf(await diem(...against("unit.npy", "unit.npy", "--range=-2,2")));
    expect(narrow.warnings[0]).toContain("expected values that fill [-2, 2], found values from 0 to 1");
  });

  test("keeps its figures where the cache cannot be written", async () => {
    const file = path("unit.npy");
    const { code, out } = await diem(...against("unit.npy", "unit.npy", "--range=0,1", "--cache", file));
    expect(code).toBe(0);
    const { frechetDistance: distance, warnings } = JSON.parse(out.trim().split("\n").at(-1)!);
    expect(distance).toBe(0);
    expect(warnings).toContainEqual(expect.stringContaining(`the statistics are not kept: ${file}`));
  });

  test.each([
    [["last.npy", "a.npy"], "which looks like [N, H, W, C]. Move the channels: x.transpose(0, 3, 1, 2)."],
    [["b.npy", "a.npy"], "--range is missing: b.npy holds numbers of which black and white are not known"],
    [["wide.npy", "a.npy", "--range=-2,2"], "expected values in [-2, 2], found values from 0 to 255"],
    [["unit.npy", "a.npy", "--range=0,255"], "expected values that fill [0, 255], found values from 0 to 1"],
    [["a.npy", "a.npy", "--features", "digits"], "images must be [n, 1, 28, 28], got [7, 3, 12, 11]"],
    [["a.npy", "cache"], "expected PNG files in the folder, found none"],
    [["a.npy", "nowhere"], "found nothing"],
    [["a.npy", "a.npy", "--lpips", "pair.onnx"], "Give --paired as well"],
    [["a.npy", "a.npy", "--features", "=a.npy"], "expected an ONNX model"],
  ])("%j is answered with one line", async (args, message) => {
    mkdirSync(path("cache"), { recursive: true });
    const [samples, reference, ...more] = args.map((arg) => (arg.startsWith("=") ? path(arg.slice(1)) : arg));
    const { code, err } = await diem(...against(samples!, reference!, ...more), "--quiet");
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(code).not.toBe(0);
  });
});
