import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { decodeNpy, encodeNpy } from "../../src/data/arrays/npy.ts";
import type { BenchmarkCell, Refusal } from "../../src/em/evaluation/posterior-benchmark.ts";
import { runDiem as diem } from "./diem.ts";

interface Results {
  readonly cells: readonly BenchmarkCell[];
  readonly refusals: readonly Refusal[];
}

const SMALL = [
  "network.channels=[16]",
  "network.blocks=[1]",
  "network.heads=[0]",
  "network.embedding=8",
  "start.iterations=2",
  "start.rank=3",
  "em.iterations=1",
  "eStep.steps=3",
  "eStep.batch=16",
  "mStep.steps=3",
  "mStep.finalSteps=3",
  "mStep.batch=8",
  "figures.prior=4",
  "figures.gallery=4",
  "figures.priorSteps=3",
].flatMap((setting) => ["--set", setting]);

describe("diem benchmark posterior", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  const results = (name: string): Results => JSON.parse(readFileSync(path(`${name}/results.json`), "utf8"));
  const of = (
    prior: readonly string[],
    out: string,
    options: readonly string[],
    onError?: (text: string) => void,
  ) => {
    const fixed = ["--truth", path("clean.npy"), "--out", path(out), "--steps", "2"];
    return diem(["benchmark", "posterior", ...prior, ...fixed, ...options], onError);
  };
  const benchmark = (...rest: [string, readonly string[], ((text: string) => void)?]) =>
    of([path("run")], ...rest);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-benchmark-"));
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 40 * 64 }, () => Math.tanh(rng.normal()));
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [40, 1, 8, 8])));
    writeFileSync(path("wrong.npy"), encodeNpy(float32(clean, [160, 1, 4, 4])));
    expect((await diem(["corrupt", path("clean.npy"), path("obs"), "--range=-1,1"])).err).toBe("");
    const trained = await diem(["train", path("obs"), "--out", path("run"), ...SMALL]);
    expect(trained.code, trained.err).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("fills the table of every task, names what is refused, and writes draws and a report", async () => {
    const options = ["--methods", "mmps,dps,tds", "--cg-steps", "1,2", "--count", "2", "--sampler", "ddim"];
    const { code, out, err } = await benchmark("all", options);
    expect(code, err).toBe(0);
    const { cells, refusals } = results("all");
    const tasks = ["box", "random", "motion", "super-resolution"];
    expect(cells.map(({ task, method, solverSteps }) => [task, method, solverSteps])).toEqual(
      tasks.flatMap((task) => [
        [task, "mmps", 1],
        [task, "mmps", 2],
        [task, "dps", undefined],
      ]),
    );
    for (const { figures, evaluations, products, solverSteps } of cells) {
      expect(Object.values(figures!).every(Number.isFinite)).toBe(true);
      expect([evaluations, products]).toEqual([3, 3 * (solverSteps ?? 1)]);
    }
    expect(refusals.map(({ task, method }) => [task, method])).toEqual(tasks.map((task) => [task, "tds"]));
    expect(out).toContain('refused tds: twisted sampling: the sampler must be "ddpm", got "ddim".');
    expect(decodeNpy(readFileSync(path("all/draws/motion-mmps-2-2.npy"))).shape).toEqual([2, 1, 8, 8]);
    expect(readFileSync(path("all/results.json"), "utf8")).not.toContain(folder);
    const page = readFileSync(path("all/report.html"), "utf8");
    for (const text of ["4× super-resolution", "observation", "Refused, tds:"]) expect(page).toContain(text);
  });

  test("takes a denoiser in an ONNX file: an exported one has the figures of its run", async () => {
    const options = ["--methods", "mmps", "--cg-steps", "1", "--count", "1", "--tasks", "box"];
    const file = path("prior.onnx");
    expect((await diem(["export", path("run"), "--out", file])).code).toBe(0);
    const made = await of(["--prior", file], "exported", options);
    expect(made.code, made.err).toBe(0);
    expect((await benchmark("own", options)).code).toBe(0);
    const [exported, own] = ["exported", "own"].map((name) => results(name).cells[0]!.figures!.psnr);
    expect(exported).toBeCloseTo(own!, 3);
    const both = await of([path("run"), "--prior", file], "both", options);
    expect(both.err).toMatch(/expected a run or --prior FILE.onnx, got both/);
  });

  test("twisted sampling draws where there are few measurements", async () => {
    const tasks = "box,super-resolution";
    const options = ["--methods", "tds", "--particles", "2", "--tasks", tasks, "--count", "1"];
    const { code, err } = await benchmark("tds", options);
    expect(code, err).toBe(0);
    // Three steps of two particles, with a product for each of 4 means, or of the 48 pixels that the box leaves.
    expect(results("tds").cells).toMatchObject([
      { task: "box", evaluations: 6, products: 288 },
      { task: "super-resolution", evaluations: 6, products: 24 },
    ]);
    for (const { figures } of results("tds").cells) expect(figures!.psnr).toBeGreaterThan(0);
  });

  test("keeps finished cells when interrupted; --resume measures the others only", async () => {
    const options = ["--methods", "mmps,dps", "--cg-steps", "1", "--count", "1", "--tasks", "box"];
    const stopped = await benchmark("stopped", options, (text) => {
      if (text.includes("box-mmps-1-2: PSNR")) process.emit("SIGINT");
    });
    expect(stopped.code).toBe(130);
    const kept = results("stopped").cells;
    expect(kept.map(({ method }) => method)).toEqual(["mmps"]);
    const drawn = statSync(path("stopped/draws/box-mmps-1-2.npy")).mtimeMs;

    const again = await benchmark("stopped", options);
    expect(again.err).toContain("expected no results there, found some. Continue them with --resume");
    const other = await benchmark("stopped", [...options, "--resume", "--seed", "1"]);
    expect(other.err).toContain("expected seed 1 as now, found 0");
    expect([again.code, other.code]).toEqual([2, 2]);

    const { code, err } = await benchmark("stopped", [...options, "--resume"]);
    expect(code, err).toBe(0);
    expect(err).not.toContain("box-mmps");
    expect(results("stopped").cells.map(({ method }) => method)).toEqual(["mmps", "dps"]);
    expect(results("stopped").cells[0]).toEqual(kept[0]);
    expect(statSync(path("stopped/draws/box-mmps-1-2.npy")).mtimeMs).toBe(drawn);
  });

  test.each([
    [["benchmark", "posteriors", "RUN"], 'Did you mean "posterior"?'],
    [["benchmark", "RUN"], "expected posterior RUN"],
    [["benchmark", "posterior", "RUN", "--truth", "CLEAN"], "--out is missing"],
    [["benchmark", "posterior", "RUN", "--out", "OUT"], "--truth is missing"],
    [["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "WRONG"], "found float32 [160, 1, 4, 4]"],
    [["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "digits"], "found float32 [4, 1, 28, 28]"],
    [
      ["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "CLEAN", "--count", "41"],
      "expected float32 [41 or more, 1, 8, 8]",
    ],
    [
      ["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "CLEAN", "--tasks", "box,moton"],
      'Did you mean "motion"?',
    ],
    [
      ["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "CLEAN", "--methods", "mmps,pigmd"],
      'Did you mean "pigdm"?',
    ],
    [
      ["benchmark", "posterior", "RUN", "--out", "OUT", "--truth", "CLEAN", "--steps", "10,0"],
      '--steps must be a list of values, each a whole number >= 1, got "10,0"',
    ],
  ])("answers %j with one line", async (args, message) => {
    const places: Record<string, string> = {
      RUN: path("run"),
      OUT: path("refused"),
      CLEAN: path("clean.npy"),
      WRONG: path("wrong.npy"),
    };
    const { code, err } = await diem(args.map((arg) => places[arg] ?? arg));
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
  });
});
