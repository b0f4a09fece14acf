import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { lossPoints } from "../../src/report/charts/curves.ts";
import { choosePictured, readRun } from "../../src/report/read-run.ts";
import { renderReport, writeReport } from "../../src/report/report.ts";
import { type FakeRun, fakeFigures, fakeRun } from "./fake-run.ts";

async function messageOf(folder: string): Promise<string> {
  const error: unknown = await readRun(folder).catch((thrown: unknown) => thrown);
  expect(isErrorOf(error, "DataError")).toBe(true);
  return (error as Error).message;
}

const render = async (options: FakeRun = {}) => renderReport([await readRun(fakeRun(options).folder)]);

describe("readRun", () => {
  test("reads figures in order and pictures of some iterations", async () => {
    const run = await readRun(fakeRun({ iterations: 12 }).folder);
    expect(run.figures.map(({ iteration }) => iteration)).toEqual([...Array(13).keys()]);
    expect(run.pictures.map(({ iteration }) => iteration)).toEqual([0, 1, 2, 3, 6, 12]);
    expect(run.pictures[5]!.prior!.shape).toEqual([4, 1, 6, 5]);
  });

  test("takes a run in progress: an iteration without figures does not count", async () => {
    const { folder, put } = fakeRun({ iterations: 2 });
    put("iterations/0003/gallery-prior.npy", encodeNpy(float32([1], [1])));
    const run = await readRun(folder);
    expect(run.figures.map(({ iteration }) => iteration)).toEqual([0, 1, 2]);
  });

  test("the result is the iteration that the last figures name, and pictured", async () => {
    const { folder, put } = fakeRun({ iterations: 12, prior: 14 });
    expect((await readRun(folder)).result).toBe(12);
    const scores = [0.5, 0.45, 0.44, 0.43, 0.42, 0.41, 0.4, 0.39, 0.38, null, 0.38, 0.4, 0.52];
    for (const [k, score] of scores.entries()) {
      const change = k > 0 && score !== null && { change: score - 0.5, changeError: 0.003 };
      const name = k === 0 ? "start" : `iterations/${String(k).padStart(4, "0")}`;
      const heldOut = { score, error: 0.0123, ...change, result: Math.min(k, 8) };
      put(`${name}/figures.json`, JSON.stringify({ ...fakeFigures(k), heldOut }));
    }
    const run = await readRun(folder);
    expect(run.result).toBe(8);
    expect(run.pictures.map(({ iteration }) => iteration)).toContain(8);
    const page = renderReport([run]);
    expect(page).toContain(
      "Result: the prior after iteration 8, held-out score 0.38 ± 0.0123; 0.5 at the start.",
    );
    expect(page).toContain("iteration 8 (result)");
    expect(page).toContain("samples of the prior after iteration 8, unselected");
    expect(page).toContain("held-out score");
    expect(page).toContain("-0.12 ± 0.003");
  });

  test("names the damaged file in one line", async () => {
    const { folder, put } = fakeRun();
    put("iterations/0002/figures.json", '{ "iteration": 2, "seco');
    const message = await messageOf(folder);
    expect(message).toContain(join(folder, "iterations", "0002", "figures.json"));
    expect(message).not.toContain("\n");
    put("iterations/0002/figures.json", JSON.stringify({ ...fakeFigures(2), metrics: { fid: "low" } }));
    expect(await messageOf(folder)).toContain('"fid" must be a number, got "low"');
    put("iterations/0002/figures.json", JSON.stringify({ ...fakeFigures(2), loss: [[1]] }));
    expect(await messageOf(folder)).toContain('"loss" must be a list of [step, value]');
    put("iterations/0002/figures.json", JSON.stringify(fakeFigures(7)));
    expect(await messageOf(folder)).toContain('"iteration" must be 2, got 7');
  });

  test("names an array of the wrong shape, a damaged array and a folder that is no run", async () => {
    const { folder, put } = fakeRun();
    put("start/prior.npy", encodeNpy(float32([1, 2], [1, 2])));
    expect(await messageOf(folder)).toContain(`prior.npy: expected [n, ...[1, 6, 5]], got [1, 2]`);
    put("start/prior.npy", "not an array");
    expect(await messageOf(folder)).toContain("prior.npy");
    put("run.json", '{"format":"diem-run","version":9}');
    expect(await messageOf(folder)).toContain("version 9");
    await rm(join(folder, "run.json"));
    expect(await messageOf(folder)).toContain("found no run.json");
  });
});

describe("the report of one run", () => {
  test("shows headline, pictures, curves, tables, times, settings and notes", async () => {
    const text = await render({ config: { em: { iterations: 3, seed: 5 } }, prior: 20 });
    for (const part of [
      "<h1>digits</h1>",
      "3 EM iterations finished in 1 min 41 s",
      "200 at the start (× 0.25)",
      "The same noise seeds are used each time",
      "20 samples of the prior after iteration 3",
      "training never sees it",
      "optimizer step, all iterations",
      "E-step 30 s",
      "Start 2 s",
      '<th scope="row">seed</th><td>5</td>',
      "Clean pixels are used for the figures only.",
    ])
      expect(text).toContain(part);
    expect(text).not.toMatch(/NaN|undefined|\[object/);
  });

  test("tells an evidence that is a lower bound as one", async () => {
    const { folder, put } = fakeRun({ iterations: 2 });
    const evidence = (k: number, slack: number) => ({
      mean: -k - 0.375,
      error: 0.5,
      change: -0.125,
      changeError: 0.25,
      slack,
    });
    put("iterations/0001/figures.json", JSON.stringify({ ...fakeFigures(1), evidence: evidence(1, 0.001) }));
    put("iterations/0002/figures.json", JSON.stringify({ ...fakeFigures(2), evidence: evidence(2, 4) }));
    const text = renderReport([await readRun(folder)]);
    expect(text).toContain("<td>-1.375</td><td>-0.125 ± 0.25</td><td>0.001</td>");
    expect(text).toContain("<td>≥ -2.375</td><td>-</td><td>4</td>");
  });

  test("is complete with only the start, and with nothing but run.json", async () => {
    const started = await render({ iterations: 0 });
    expect(started).toContain("Start finished in 2 s");
    expect(started).toContain("at the start");
    const { folder } = fakeRun({ iterations: 0 });
    await rm(join(folder, "start"), { recursive: true });
    await rm(join(folder, "gallery"), { recursive: true });
    const bare = renderReport([await readRun(folder)]);
    expect(bare).toContain("Nothing finished");
    expect(bare).not.toMatch(/NaN|undefined|<img/);
  });

  test("shows missing figures as a dash and names draws that are not finite", async () => {
    const { folder, put } = fakeRun();
    const broken = {
      ...fakeFigures(2),
      metrics: { "prior Frechet distance": null },
      eStep: { nonFinite: 12 },
    };
    put("iterations/0002/figures.json", JSON.stringify(broken));
    const text = renderReport([await readRun(folder)]);
    expect(text).toContain('<tr><th scope="row">2</th><td>-</td>');
    expect(text).toContain("not finite: 12 in iteration 2");
    const paths = text.match(/class="line" d="([^"]*)"/)![1]!;
    expect(paths.match(/M/g)).toHaveLength(2);
  });

  test("escapes whatever the run's files say", async () => {
    const evil = "<img src=x onerror=alert(1)>";
    const { folder, put } = fakeRun({ name: evil, config: { [evil]: { [evil]: evil } } });
    put("status.json", JSON.stringify({ state: evil, message: evil }));
    put("iterations/0001/figures.json", JSON.stringify({ ...fakeFigures(1), metrics: { [evil]: 1 } }));
    expect(renderReport([await readRun(folder)])).not.toContain("<img src=x");
  });

  test("draws vectors as corner plots", async () => {
    const text = await render({ latentShape: [3], prior: 500, units: "mK & more" });
    expect(text).toContain("vectors of 3 numbers");
    expect(text).toContain("Axes are in mK &amp; more.");
    expect(text.replace(/<style>[^<]*<\/style>|<[^>]*>/g, "")).not.toMatch(/\bimages?\b/i);
    expect(text).toContain("Corner plot of 500 samples, 3 axes");
    expect(text).not.toContain('class="film"');
  });

  test("draws signals as curves: bands of prior samples, and what was measured as dots", async () => {
    const text = await render({ latentShape: [2, 30], prior: 20, units: "mV" });
    expect(text).toContain("signals of shape 2 × 30");
    expect(text).not.toContain('class="film"');
    // Two channels of the start and of the result; three observations of two channels.
    expect(text.match(/class="band"/g)).toHaveLength(4);
    expect(text.match(/class="dots"/g)).toHaveLength(6);
    expect(text).toContain("channel 1, mV");
  });

  test("draws volumes as middle slices", async () => {
    const text = await render({ latentShape: [1, 5, 6, 7] });
    expect(text).toContain("volumes of shape 1 × 5 × 6 × 7");
    expect(text).toContain("Slice 2 of 5 is drawn.");
    expect(text).toContain('class="film"');
  });

  test("draws images of two channels, and of any size, within 2 MB", async () => {
    expect(await render({ latentShape: [2, 7, 300] })).toContain("Channel 0 of 2 is drawn.");
    const large = await render({ latentShape: [3, 150, 150], prior: 30, iterations: 5 });
    expect(large.length).toBeLessThan(2e6);
  });
});

describe("the comparison", () => {
  test("names both runs and shows what differs, and only that", async () => {
    const config = (cgSteps: number) => ({ posterior: { method: "mmps", cgSteps } });
    const folders = [
      fakeRun({ name: "one step", config: config(1) }).folder,
      fakeRun({ name: "three steps", config: config(3), iterations: 2 }).folder,
    ];
    const text = renderReport(await Promise.all(folders.map(readRun)));
    expect(text).toContain("2 runs compared");
    expect(text.match(/one step/g)!.length).toBeGreaterThan(3);
    expect(text.match(/three steps/g)!.length).toBeGreaterThan(3);
    expect(text).toContain('<tr><th scope="row">posterior.cgSteps</th><td>1</td><td>3</td></tr>');
    expect(text).not.toContain("posterior.method");
    expect(text).not.toMatch(/NaN|undefined/);
  });

  test("tells runs of the same name apart", async () => {
    const runs = await Promise.all([readRun(fakeRun().folder), readRun(fakeRun().folder)]);
    const text = renderReport(runs);
    for (const { folder } of runs) expect(text).toContain(`digits (${basename(folder)})`);
  });
});

test("writeReport writes one file, the same for the same run", async () => {
  const { folder } = fakeRun();
  const out = join(mkdtempSync(join(tmpdir(), "diem-report-")), "report.html");
  await writeReport([folder], out);
  const first = readFileSync(out, "utf8");
  await writeReport([folder], out);
  expect(readFileSync(out, "utf8")).toBe(first);
  expect(first).toMatch(/^<!doctype html>/);
  await expect(writeReport([], out)).rejects.toThrow("Name a run folder");
});

test("the loss continues over iterations whether their steps restart or not", () => {
  const figures = (first: number) =>
    [0, 1].map((i) => ({
      ...{
        iteration: i + 1,
        seconds: {},
        eStep: {},
        metrics: {},
        heldOut: {},
        evidence: {},
        noise: {},
        mStep: { steps: 10 },
        warnings: [],
      },
      loss: [
        [first * i + 5, 1],
        [first * i + 10, 2],
      ] as [number, number][],
    }));
  const steps = [5, 10, 15, 15, 20];
  expect(lossPoints(figures(0)).map(([x]) => x)).toEqual(steps);
  expect(lossPoints(figures(10)).map(([x]) => x)).toEqual(steps);
  expect(lossPoints(figures(0)).map(([, y]) => y)).toEqual([1, 2, null, 1, 2]);
});

test("pictured iterations hold the start, the first and the last", () => {
  expect(choosePictured([0])).toEqual([0]);
  expect(choosePictured([0, 1, 2, 3])).toEqual([0, 1, 2, 3]);
  expect(choosePictured(Array.from({ length: 65 }, (_, i) => i))).toEqual([0, 1, 3, 8, 23, 64]);
  expect(choosePictured([1, 2, 3, 4, 5, 6])).toEqual([1, 2, 3, 4, 6]);
  // And the result, if there are pictures of it.
  expect(choosePictured([1, 2, 3, 4, 5, 6], 5)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(choosePictured([1, 2, 3, 4, 5, 6], 4)).toEqual([1, 2, 3, 4, 6]);
  expect(choosePictured([1, 2], 9)).toEqual([1, 2]);
});
