import { EventEmitter } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { outliveReaders } from "../../src/cli/command-line.ts";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { decodeNpy, encodeNpy } from "../../src/data/arrays/npy.ts";
import { drawMoments, drawQuantiles } from "../../src/metrics/draws.ts";
import { diem } from "./diem.ts";

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

describe("the command line", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-cli-"));
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 40 * 64 }, () => Math.tanh(rng.normal()));
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [40, 1, 8, 8])));
    expect((await diem("corrupt", path("clean.npy"), path("obs"), "--range=-1,1")).err).toBe("");
    const trained = await diem("train", path("obs"), "--out", path("run"), ...SMALL);
    expect(trained.code, trained.err).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("help names every command, and a command's help its options", async () => {
    const { code, out } = await diem("--help");
    expect(code).toBe(0);
    for (const name of ["demo", "corrupt", "train", "sample", "reconstruct", "report", "info"])
      expect(out).toContain(`  ${name}`);
    const own = await diem("sample", "--help");
    expect(own.out).toContain("Usage: diem sample [RUN] --count N --out FILE.npy [options]");
    expect(await diem("sample", "-h")).toEqual(own);
    expect(await diem("-h")).toEqual({ code, out, err: "" });
  });

  test("--version names the package's version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await diem("--version")).toEqual({ code: 0, out: `diem ${version}\n`, err: "" });
  });

  test("samples are [N, ...shape] in the data's range; the same seed gives the same, in other batches but for rounding", async () => {
    const draw = async (name: string, ...options: string[]) => {
      const { code, err } = await diem(
        "sample",
        path("run"),
        "--count",
        "10",
        "--out",
        path(name),
        ...options,
      );
      expect(code, err).toBe(0);
      return readFileSync(path(name));
    };
    const first = await draw("a.npy");
    expect((await draw("b.npy")).equals(first)).toBe(true);
    expect((await draw("c.npy", "--seed", "1")).equals(first)).toBe(false);
    const [whole, split] = [decodeNpy(first), decodeNpy(await draw("d.npy", "--batch", "3"))];
    expect(whole.shape).toEqual([10, 1, 8, 8]);
    const values = Array.from(whole.data as Float32Array);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1);
    expect(Math.max(...values.map((value, i) => Math.abs(value - Number(split.data[i]))))).toBeLessThan(1e-4);
  });

  test("reconstructions are [N, ...shape], or [N, S, ...shape] for several samples", async () => {
    await diem("reconstruct", path("run"), path("obs"), "--out", path("r.npy"));
    const one = decodeNpy(readFileSync(path("r.npy")));
    expect(one.shape).toEqual([40, 1, 8, 8]);
    await diem(
      "reconstruct",
      path("run"),
      path("obs"),
      "--out",
      path("s.npy"),
      "--samples",
      "2",
      "--count",
      "7",
    );
    const two = decodeNpy(readFileSync(path("s.npy")));
    expect(two.shape).toEqual([7, 2, 1, 8, 8]);
    for (let i = 0; i < 64; i++) expect(Number(two.data[i])).toBeCloseTo(Number(one.data[i]), 4);
  });

  test("mean, standard deviation and quantiles of the samples lie beside them", async () => {
    const file = (name: string) => path(`summary-${name}.npy`);
    const few = ["reconstruct", path("run"), path("obs"), "--count", "3", "--batch", "2"];
    const out = ["--out", file("all")];
    const { code, err } = await diem(
      ...[...few, ...out, "--samples", "5", "--mean", file("mean"), "--std", file("std")],
      ...["--quantiles", "0.25,0.5", file("quantiles")],
    );
    expect(code, err).toBe(0);
    const read = (name: string) => decodeNpy(readFileSync(file(name))) as HostArray<"float32">;
    const { mean, deviation } = drawMoments(read("all"));
    expect(read("mean")).toEqual(mean);
    expect(read("std")).toEqual(deviation);
    expect(read("quantiles")).toEqual(drawQuantiles(read("all"), [0.25, 0.5]));
    expect(read("quantiles").shape).toEqual([3, 2, 1, 8, 8]);
    const refused = async (...more: string[]) => (await diem(...few, ...out, ...more)).err;
    expect(await refused("--std", file("one"))).toContain("expected several samples");
    expect(await refused("--samples", "2", "--quantiles", "0.5")).toContain(
      '--quantiles: the file must be a name that ends in .npy, got "". Give --quantiles 0.05,0.5,0.95 q.npy.',
    );
    expect(await refused("--samples", "2", "--quantiles", "0,0.5", file("one"))).toContain(
      '--quantiles: levels must be a list of numbers above 0 and below 1, got "0,0.5".',
    );
    expect(existsSync(file("one"))).toBe(false);
  });

  test("chi-square is that of all draws, not of the first batch", async () => {
    const chiSquare = async (...options: string[]) => {
      const args = ["reconstruct", path("run"), path("obs"), "--out", path("c.npy"), "--json", ...options];
      const { code, out, err } = await diem(...args);
      expect(code, err).toBe(0);
      return JSON.parse(out.trim().split("\n").at(-1)!).chiSquare as number;
    };
    const whole = await chiSquare();
    expect(Math.abs((await chiSquare("--batch", "3")) / whole - 1)).toBeLessThan(1e-3);
  });

  test("a reader that goes away is no error, a full disk behind the output is one", () => {
    const [out, err] = [new EventEmitter(), new EventEmitter()] as unknown as NodeJS.WritableStream[];
    outliveReaders(out!, err!);
    const failure = (code: string) => Object.assign(new Error(`write ${code}`), { code, syscall: "write" });
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const before = process.exitCode;
    try {
      out!.emit("error", failure("EPIPE"));
      err!.emit("error", failure("ENOSPC"));
      expect([process.exitCode, stderr.mock.calls]).toEqual([before, []]);
      out!.emit("error", failure("ENOSPC"));
      expect(process.exitCode).toBe(2);
      expect(stderr.mock.calls.join("")).toContain(
        "standard output: expected room on the disk, found it full.",
      );
    } finally {
      process.exitCode = before;
      stderr.mockRestore();
    }
  });

  test("--json prints the figures as the last line", async () => {
    const { out } = await diem("info", path("run"), "--json");
    expect(JSON.parse(out.trim().split("\n").at(-1)!)).toMatchObject({
      kind: "run",
      iterations: 1,
      planned: 1,
    });
  });

  test("the report of a run says how it ended", async () => {
    const state = (run: string) =>
      /class="state[^"]*">(\w+)</.exec(readFileSync(path(`${run}/report.html`), "utf8"))?.[1];
    expect(state("run")).toBe("done");
    const handlers = process.listenerCount("SIGINT");
    const timer = setInterval(() => {
      if (existsSync(path("halted/report.html")) && process.listenerCount("SIGINT") > handlers)
        process.emit("SIGINT");
    }, 1);
    const long = ["--set", "em.iterations=50"];
    const { code } = await diem("train", path("obs"), "--out", path("halted"), ...SMALL, ...long);
    clearInterval(timer);
    expect(code).toBe(130);
    expect(state("halted")).toBe("interrupted");
  });

  test("a report of one run, and of two", async () => {
    expect((await diem("report", path("run"))).code).toBe(0);
    expect((await diem("report", path("run"), path("run"), "--out", path("two.html"))).code).toBe(0);
    expect(readFileSync(path("two.html"), "utf8")).toContain("Differences of configuration");
  });

  test("--resume takes the options that the run began with, and refuses others", async () => {
    const again = (...more: string[]) =>
      diem("train", path("obs"), "--out", path("run"), "--resume", ...more);
    expect((await again(...SMALL, "--seed", "0")).code).toBe(0);
    const { code, err } = await again(...SMALL, "--set", "em.iterations=3", "--seed", "4");
    expect(err).toBe(
      "Error: --resume: expected the configuration that the run began with, or more em.iterations, found another seed. Leave that out, or start a run in another folder.\n",
    );
    expect(code).toBe(2);
  });

  describe("answers mistakes with one line and exit code 2", () => {
    test.each([
      [["smaple"], 'there is no command smaple. Did you mean "sample"?'],
      [["constructor"], "there is no command constructor. See diem --help."],
      [["sample", "RUN", "--toString"], "there is no option --toString"],
      [
        ["train", "OBS", "--out", "new", "--threads", "100000"],
        '--threads must be a whole number from 1 to 1024, got "100000". Give --threads N.',
      ],
      [["sample", "RUN", "--count", "1e300", "--out", "x.npy"], "--count must be a whole number >= 1"],
      [["sample", "RUN", "--cuont", "3"], 'there is no option --cuont. Did you mean "count"?'],
      [["sample", "RUN"], "--count is missing"],
      [["sample", "RUN", "--count", "0", "--out", "x.npy"], '--count must be a whole number >= 1, got "0"'],
      [["sample", "RUN", "--count", "--out", "x.npy"], "--count needs a value: --count N."],
      [["sample", "RUN", "--count", "3", "--out", "x.png"], "--out must be a name that ends in .npy"],
      [["sample", "nowhere", "--count", "3", "--out", "x.npy"], "run.json: expected a run"],
      [
        ["sample", "RUN", "--count", "3", "--out", "x.npy", "--iteration", "7"],
        "the last complete one is 1, got 7",
      ],
      [["sample", "RUN", "--count", "3", "--out", "no/such/x.npy"], "expected its folder to exist"],
      [["sample", "RUN", "--count", "3", "--out", "x.npy", "--sampler", "ddmp"], 'Did you mean "ddpm"?'],
      [["reconstruct", "RUN", "nowhere", "--out", "x.npy"], "nowhere"],
      [["reconstruct", "RUN", "--out", "x.npy"], "expected a run or --prior FILE.onnx, got none"],
      [["train", "OBS", "--out", "RUN"], "found one. Continue it with --resume"],
      [["train", "OBS", "--out", "new", "--set", "em.iteration=2"], 'Did you mean "iterations"?'],
      [["train", "OBS", "--out", "new", "--set", "nonsense"], "expected path=value"],
      [["train", "OBS", "--out", "new", "--config", "clean.npy"], "expected JSON"],
      [["train", "OBS", "--out", "new", "--device", "gpu"], "--device must be one of cpu, webgpu"],
      [["corrupt", "clean.npy", "OBS"], "obs"],
      [["info", "nowhere"], "found nothing"],
      [["report", "nowhere"], "run.json"],
    ])("%j", async (args, message) => {
      const place = new Map([
        ["RUN", path("run")],
        ["OBS", path("obs")],
      ]);
      const names = ["new", "nowhere", "clean.npy", "x.npy"];
      const resolved = args.map((arg) => place.get(arg) ?? (names.includes(arg) ? path(arg) : arg));
      const { code, err } = await diem(...resolved);
      expect(err).toContain(message);
      expect(err.trim().split("\n")).toHaveLength(1);
      expect(code).toBe(2);
    });

    test("NaN in y names the observation and the entry", async () => {
      const bad = float32(new Float32Array(2 * 64), [2, 1, 8, 8]);
      bad.data[70] = Number.NaN;
      writeFileSync(path("nan.npy"), encodeNpy(bad));
      const { code, err } = await diem("corrupt", path("nan.npy"), path("nan-obs"), "--deleted", "0.01");
      expect(err).toMatch(/observation 1.*NaN/);
      expect(code).toBe(2);
    });

    test("a run folder of another version says so", async () => {
      mkdirSync(path("old"));
      writeFileSync(path("old/run.json"), JSON.stringify({ format: "diem-run", version: 0 }));
      const { code, err } = await diem("info", path("old"));
      expect(err).toContain("Use the diem that wrote the run.");
      expect(code).toBe(2);
    });
  });
});
