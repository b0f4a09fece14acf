import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeEnd } from "../../src/cli/run-end.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { diem } from "./diem.ts";

const SMALL = [
  "network.width=16",
  "network.blocks=1",
  "network.embedding=8",
  "em.iterations=3",
  "em.observations=40",
  "eStep.steps=4",
  "mStep.steps=10",
  "mStep.finalSteps=10",
  "mStep.batch=16",
  "figures.prior=4",
  "figures.gallery=4",
  "figures.priorSteps=3",
].flatMap((setting) => ["--set", setting]);

describe("the end of a run", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  /** Writes held-out figures over those of the run. */
  const score = (k: number, heldOut: object) => {
    const file = path(k === 0 ? "run/start/figures.json" : `run/iterations/000${k}/figures.json`);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), heldOut }));
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-end-"));
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 160 * 3 }, (_, at) => (at % 3) - 1 + rng.normal());
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [160, 3])));
    const options = ["--deleted", "0.2", "--noise-variance", "0.01"];
    expect((await diem("corrupt", path("clean.npy"), path("obs"), ...options)).err).toBe("");
    const { code, out, err } = await diem("train", path("obs"), "--out", path("run"), ...SMALL);
    expect(code, err).toBeOneOf([0, 3]);
    expect(out).toMatch(/held-out score [\d.]+; [\d.]+ at the start; lower is better/);
    score(0, { score: 0.5, error: 0.1, result: 0 });
    score(1, { score: 0.4, error: 0.1, change: -0.1, changeError: 0.01, result: 1 });
    score(2, { score: 0.41, error: 0.1, change: -0.09, changeError: 0.01, result: 1 });
    score(3, { score: 0.45, error: 0.1, change: -0.05, changeError: 0.01, result: 1 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("a file that only reports read may be damaged: training goes on, and a warning names it", async () => {
    const shown = path("run/gallery/observations.npy");
    const before = readFileSync(shown);
    writeFileSync(shown, before.subarray(0, -4));
    const { code, out, err } = await again();
    expect([code, out]).toEqual([0, expect.stringContaining("Learned a prior in 3 iterations")]);
    const warned = err.match(/Warning: report.html is not drawn: .*/g);
    expect(warned).toEqual([
      expect.stringMatching(
        /gallery\/observations\.npy: expected \d+ bytes .* found \d+\..* delete that file/,
      ),
    ]);
    rmSync(shown);
    expect((await again()).err).not.toMatch(/Warning: report/);
    writeFileSync(shown, before);
  });

  const again = () => diem("train", path("obs"), "--out", path("run"), "--resume");

  test("names the result's iteration and its score beside the start's", async () => {
    const { code, out } = await again();
    expect(out).toContain(
      "Learned a prior in 3 iterations; the result is iteration 1 (held-out score 0.400; 0.500 at the start; lower is better). See ",
    );
    expect(code).toBe(0);
    expect((await diem("info", path("run"))).out).toContain(
      "Result: iteration 1, held-out score 0.4 (standard error 0.1)",
    );
  });

  test("sampling takes the best iteration, unless another is asked for", async () => {
    const sampled = async (...more: string[]) =>
      (await diem("sample", path("run"), "--count", "2", "--out", path("x.npy"), ...more)).out;
    expect(await sampled()).toContain("samples of iteration 1 to");
    expect(await sampled("--iteration", "best")).toContain("samples of iteration 1 to");
    expect(await sampled("--iteration", "last")).toContain("samples of iteration 3 to");
    expect(await sampled("--iteration", "2")).toContain("samples of iteration 2 to");
    const { code, err } = await diem(
      ...["sample", path("run"), "--count", "2", "--out", path("x.npy"), "--iteration", "bets"],
    );
    expect(err).toContain(
      '--iteration must be a whole number >= 0, or one of best, last, got "bets". Did you mean "best"?',
    );
    expect(code).toBe(2);
  });

  test("reconstructions say how well they agree with their measurements, and warn where they do not", async () => {
    const draw = (obs: string, ...more: string[]) =>
      diem(
        "reconstruct",
        path("run"),
        path(obs),
        "--count",
        "64",
        "--out",
        path("x.npy"),
        "--quiet",
        ...more,
      );
    const right = await draw("obs");
    expect(Number(/chi-square ([\d.]+), about 1 expected/.exec(right.out)?.[1])).toBeLessThan(2);
    expect(right.err).not.toContain("Warning");
    // One solver step does not meet measurements that are so precise.
    const options = ["--deleted", "0.2", "--noise-variance", "1e-8"];
    expect((await diem("corrupt", path("clean.npy"), path("precise"), ...options)).err).toBe("");
    expect((await draw("precise", "--sampler", "heun", "--cg-steps", "1")).err).toMatch(
      /^Warning: the draws do not agree with their measurements: chi-square is [\d.e+]+, about 1 expected/,
    );
  });

  test("worse than the beginning is told in the last line, with exit code 3", async () => {
    score(3, { score: 0.6, error: 0.1, change: 0.1, changeError: 0.01, result: 1 });
    const { code, out } = await again();
    expect(code).toBe(3);
    expect(out.trim().split("\n").at(-1)).toMatch(
      /^The run ended worse than it began \(held-out score 0.600 after 3 iterations\), so the result is iteration 1 .* Take a smaller mStep.learningRate/,
    );
    expect((await diem("--help")).out).toContain("3 trained but worse than at the start");
  });

  test("nothing learned is called so", () => {
    const [start, last] = [
      { score: 0.5, error: 0.1, result: 0 },
      { score: 0.5, error: 0.1, change: 0.001, changeError: 0.01, result: 0 },
    ];
    const scores = { start, best: start, last };
    expect(describeEnd({ last: 3, best: 0, scores, endsWorse: false }).text).toMatch(
      /^3 iterations learned nothing .* the result is the start .* \(--minutes\) or more observations\.$/,
    );
  });

  test("without held-out numbers says only how long it was", () => {
    expect(describeEnd({ last: 3, best: 3, endsWorse: false })).toEqual({
      text: "Learned a prior in 3 iterations.",
    });
    const ended = describeEnd({ last: 3, best: 3, endsWorse: true });
    expect(ended.exitCode).toBe(3);
    expect(ended.text).toMatch(/^The run learned nothing: after 3 iterations/);
  });
});
