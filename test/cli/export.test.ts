import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy, readNpy } from "../../src/data/arrays/npy.ts";
import { SPACINGS, sigmaAt } from "../../src/diffusion/schedule.ts";
import { input, mul } from "../../src/graph/index.ts";
import { writePortable } from "../../src/graph/onnx/portable.ts";
import { loadOnnxProgram, type OnnxPort } from "../../src/runtime/onnx-program.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { diem } from "./diem.ts";

/** DIEM_PYTHON may name another interpreter, such as that of a virtual environment. */
const PYTHON = process.env.DIEM_PYTHON ?? "python3";
const hasOnnxRuntime = spawnSync(PYTHON, ["-c", "import onnxruntime"]).status === 0;
const hasPackages = spawnSync(PYTHON, ["-c", "import onnxruntime, zarr; zarr.create_group"]).status === 0;
const SHORT = [
  "em.iterations=1",
  "mStep.finalSteps=5",
  "figures.prior=2",
  "figures.gallery=2",
  "figures.priorSteps=3",
];

/** Files with one array a name, as numpy.load reads them, written as .npy files that Python joins. */
function writeFeeds(folder: string, feeds: Readonly<Record<string, HostArray>>): string {
  const names = Object.keys(feeds);
  for (const name of names) writeFileSync(join(folder, `${name}.npy`), encodeNpy(feeds[name]!));
  const script = `import numpy as np; np.savez("feeds.npz", **{n: np.load(n + ".npy") for n in ${JSON.stringify(names)}})`;
  execFileSync(PYTHON, ["-c", script], { cwd: folder });
  return join(folder, "feeds.npz");
}

describe("diem export", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-export-"));
    writeFileSync(path("clean.npy"), encodeNpy(normals(new Rng(0), [40, 4])));
    expect(
      (await diem("corrupt", path("clean.npy"), path("obs"), "--operator", "matrix", "--measurements", "2"))
        .err,
    ).toBe("");
    const set = SHORT.flatMap((setting) => ["--set", setting]);
    const trained = await diem("train", path("obs"), "--out", path("run"), "--quiet", ...set);
    expect(trained.code, trained.err).toBe(0);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const feedOf = ({ name, shape }: OnnxPort, n: number): HostArray => {
    const sizes = shape.map((size) => (typeof size === "string" ? n : size));
    if (name === "sigma") return float32(Array.from({ length: n }, (_, i) => 0.01 * 20 ** i));
    return normals(new Rng(5).split(name), sizes);
  };

  /** Exports, and runs the file in Node for three samples. */
  async function exported(what: string, rest: readonly string[]) {
    const file = path(`${what}.onnx`);
    const more = rest.map((word) => (word === "obs" ? path("obs") : word));
    const ended = await diem("export", path("run"), "--what", what, ...more, "--out", file, "--json");
    expect(ended.code, ended.err).toBe(0);
    const program = await loadOnnxProgram(readFileSync(file), file);
    const feeds = Object.fromEntries(program.inputs.map((port) => [port.name, feedOf(port, 3)]));
    const [found] = Object.values(await program.run(feeds));
    await program.release();
    return { file, feeds, found: found!, figures: JSON.parse(ended.out.split("\n").at(-2)!) };
  }

  const KINDS = [
    ["denoiser", []],
    ["posterior", ["obs"]],
    ["sampler", ["--steps", "4"]],
  ] as const;

  test.each(KINDS)("writes a %s that runs", async (what, rest) => {
    const { file, found, figures } = await exported(what, rest);
    expect(figures).toMatchObject({ what, iteration: 1, bytes: statSync(file).size });
    expect(found.shape).toEqual([3, 4]);
    expect(found.data.every((value) => Number.isFinite(Number(value)))).toBe(true);
  });

  test.skipIf(!hasOnnxRuntime).each(KINDS)(
    "a %s says what it is and gives the same in Python",
    async (what, rest) => {
      const { file, feeds, found } = await exported(what, rest);
      const script = join(import.meta.dirname, "../fixtures/run-onnx.py");
      const about = execFileSync(PYTHON, [script, file, writeFeeds(folder, feeds), path("out.npy")], {
        encoding: "utf8",
      });
      const expected = { format: "diem-onnx", version: 1, what, iteration: 1, latentShape: [4] };
      expect(JSON.parse(about)).toMatchObject(expected);
      expectAllClose(await readNpy(path("out.npy")), found, { relative: 1e-5 });
    },
    60_000,
  );

  test("an exported prior gives the samples and the reconstructions of its run", async () => {
    expect((await diem("export", path("run"), "--out", path("prior.onnx"))).code).toBe(0);
    const draw = async (name: string, ...words: string[]) => {
      const { code, err } = await diem(...words, "--out", path(name), "--quiet");
      expect(code, err).toBe(0);
      return await readNpy(path(name));
    };
    const prior = ["--prior", path("prior.onnx")];
    const samples = await draw("own.npy", "sample", path("run"), "--count", "6");
    expectAllClose(await draw("file.npy", "sample", ...prior, "--count", "6"), samples, { relative: 1e-5 });
    const draws = await draw("own-y.npy", "reconstruct", path("run"), path("obs"), "--count", "5");
    const theirs = await draw("file-y.npy", "reconstruct", ...prior, path("obs"), "--count", "5");
    expectAllClose(theirs, draws, { relative: 1e-4 });
  }, 60_000);

  test("a network of others draws from its prior, and agrees with observations", async () => {
    // v = sqrt(a) z - sqrt(1 - a) x is not correlated with x_t if x is a standard normal: its mean is 0.
    const network = writePortable((n) => {
      const [sample, timestep] = [input([n, 4]), input([n], "int64")];
      return { inputs: { sample, timestep }, outputs: { v: mul(sample, 0) } };
    });
    writeFileSync(path("v.onnx"), network);
    const prior = [
      "--prior",
      path("v.onnx"),
      "--parameterization",
      "v",
      "--alpha-bar",
      "cosine",
      "--levels",
      "0.01,20",
    ];
    const drawn = await diem("sample", ...prior, "--count", "300", "--out", path("v.npy"), "--quiet");
    expect(drawn.code, drawn.err).toBe(0);
    const { data } = (await readNpy(path("v.npy"))) as HostArray<"float32">;
    const variance = data.reduce((total, value) => total + value ** 2, 0) / data.length;
    expect(Math.abs(variance - 1)).toBeLessThan(6 * Math.sqrt(2 / data.length)); // six standard errors
    const ended = await diem(
      "reconstruct",
      ...prior,
      path("obs"),
      "--cg-steps",
      "4",
      "--out",
      path("v-y.npy"),
      "--json",
    );
    expect(ended.code, ended.err).toBe(0);
    expect(JSON.parse(ended.out.split("\n").at(-2)!).chiSquare).toBeLessThan(2);
  }, 60_000);

  test.each([
    [["sample", "--count", "2"], /expected a run or --prior FILE.onnx, got none/],
    [["sample", "run", "--prior", "prior.onnx", "--count", "2"], /got both/],
    [["sample", "run", "--levels", "1,2", "--count", "2"], /--levels: expected with --prior alone/],
    [["sample", "--prior", "posterior.onnx", "--count", "2"], /expected a denoiser, found a posterior/],
    [["sample", "--prior", "clean.npy", "--count", "2"], /clean.npy: expected an ONNX model/],
    [
      ["sample", "--prior", "prior.onnx", "--parameterization", "noise", "--count", "2"],
      /expected no parameterization/,
    ],
    [["reconstruct", "--prior", "missing.onnx", "obs"], /missing.onnx/],
  ])("%s is refused in one line", async (words, message) => {
    const isFile = (word: string) => ["run", "obs"].includes(word) || /\.(onnx|npy)$/.test(word);
    const { code, err } = await diem(
      ...words.map((word) => (isFile(word) ? path(word) : word)),
      "--out",
      path("no.npy"),
    );
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(err.trim().split("\n")).toHaveLength(1);
  });

  test.skipIf(!hasPackages)(
    "the Python package reads and writes observations, and draws from exported priors and posteriors",
    async () => {
      const write = (what: string, ...more: string[]) =>
        diem("export", path("run"), ...more, "--what", what, "--out", path(`${what}.onnx`));
      expect((await write("denoiser")).code).toBe(0);
      expect((await write("posterior", path("obs"))).code).toBe(0);
      expect((await write("sampler", "--steps", "8")).code).toBe(0);
      const script = join(import.meta.dirname, "../fixtures/python-package.py");
      const { error, chiSquare, levels, ...found } = JSON.parse(
        execFileSync(PYTHON, [script, folder], { encoding: "utf8" }),
      );
      expect(found).toEqual({ same: true, mask: true, samples: [5, 4], repeats: true, draws: [40, 3, 4] });
      for (const spacing of SPACINGS) {
        const schedule = { sigmaMin: 0.1, sigmaMax: 10, spacing };
        expectAllClose(levels[spacing], [sigmaAt(schedule, 0.25), sigmaAt(schedule, 0.75)], {
          relative: 1e-9,
        });
      }
      expect(error).toBeLessThan(1e-5); // of samples from the same random numbers as those of the exported sampler
      expect(chiSquare).toBeLessThan(3);
      for (const name of ["again.zarr", "masked.zarr"]) {
        const { code, err, out } = await diem("info", path(name));
        expect(code, err).toBe(0);
        expect(out).toContain("Observations: 40, all checked");
      }
    },
    120_000,
  );

  test("takes the start, and `best` for the run's result", async () => {
    const write = (name: string, iteration: string) =>
      diem("export", path("run"), "--out", path(name), "--iteration", iteration);
    expect((await write("start.onnx", "0")).out).toContain("iteration 0");
    expect((await write("best.onnx", "best")).code).toBe(0);
  });

  test.each([
    [["--what", "posterior"], /expected observations for a posterior/],
    [["obs"], /observations for a posterior and for nothing else/],
    [["--steps", "3"], /steps for a sampler alone/],
    [["--what", "model"], /--what must be one of denoiser, posterior, sampler/],
    [["--iteration", "9"], /the last complete one is 1/],
  ])("%s: is refused in one line, and writes nothing", async (words, message) => {
    const out = path("refused.onnx");
    const args = words.map((word) => (word === "obs" ? path("obs") : word));
    const { code, err } = await diem("export", path("run"), ...args, "--out", out);
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(existsSync(out)).toBe(false);
  });
});
