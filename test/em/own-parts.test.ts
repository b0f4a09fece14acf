import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRun } from "../../src/api/run.ts";
import { train } from "../../src/api/train.ts";
import { float32 } from "../../src/core/array.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { observationsInMemory } from "../../src/data/observations/observation-arrays.ts";
import { ddpm } from "../../src/diffusion/samplers/ddpm.ts";
import { mul } from "../../src/graph/index.ts";
import type { Network } from "../../src/nn/network.ts";
import type { MakePosterior } from "../../src/posterior/methods.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { diem } from "../cli/diem.ts";

const calls = { network: 0, method: 0, sampler: 0 };
/** h(x, ln sigma) = a x */
const network: Network = {
  name: "gain",
  shape: [2],
  parameters: [{ name: "a", shape: [2], bound: 0 }],
  dropoutRate: 0,
  apply: ({ a }, x) => {
    calls.network++;
    return mul(x, a!);
  },
};
const counted: MakePosterior = (denoiser, measurement) => {
  calls.method++;
  return mmps(denoiser, measurement, { cgSteps: 2 });
};
const plain = ddpm();
const sampler: typeof plain = {
  ...plain,
  name: "counted",
  step: (...args) => {
    calls.sampler++;
    return plain.step(...args);
  },
};
const own = { network, method: counted, sampler };

describe("parts of a run that are code", () => {
  const folder = mkdtempSync(join(tmpdir(), "diem-own-"));
  const out = join(folder, "run");
  const rng = new Rng(0);
  const observations = observationsInMemory({
    y: float32(
      Float32Array.from({ length: 64 }, () => rng.normal()),
      [32, 2],
    ),
    data: { mask: float32(new Float32Array(64).fill(1), [32, 2]) },
    noiseVariance: 0.1,
  });
  const config = {
    em: { iterations: 2 },
    eStep: { steps: 4, particles: 1 },
    mStep: { steps: 5, finalSteps: 5, batch: 8 },
    figures: { gallery: 2, prior: 4, priorSteps: 4 },
  };
  const options = { out, engine: { threads: 1 } };
  beforeAll(async () => {
    await train(observations, { ...options, config, ...own });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("are used, and run.json has their names", async () => {
    for (const count of Object.values(calls)) expect(count).toBeGreaterThan(0);
    const run = await openRun(out, own);
    expect(run.info.own).toEqual({ network: "gain", method: "counted", sampler: "counted" });
    const before = { ...calls };
    for await (const { samples } of run.sample({ count: 3 })) expect(samples.shape).toEqual([3, 2]);
    expect(calls.network).toBeGreaterThan(before.network);
    expect(calls.sampler).toBeGreaterThan(before.sampler);
  });

  test("must be given again, and only they", async () => {
    const missing = `${out}: expected the method "counted" that the run began with, which is code, found none. Give it in code: openRun(path, { method }), or train with resume.`;
    await expect(openRun(out, { network, sampler })).rejects.toThrow(new ConfigError(missing));
    await expect(train(observations, { ...options, resume: true })).rejects.toThrow(
      'expected the network "gain"',
    );
    const other = { ...network, name: "other" };
    await expect(openRun(out, { ...own, network: other })).rejects.toThrow('found "other"');
    expect((await diem("sample", out, "--count", "2", "--out", join(folder, "x.npy"))).err).toContain(
      'expected the network "gain" that the run began with',
    );
  });

  test("a run goes on with them", async () => {
    const run = await train(observations, {
      ...options,
      ...own,
      resume: true,
      config: { em: { iterations: 3 } },
    });
    expect(run.iterations).toBe(3);
    expect(run.info.own).toEqual({ network: "gain", method: "counted", sampler: "counted" });
  });

  test("a network for other latents is refused before anything is written", async () => {
    const wrong = { ...network, shape: [3] };
    await expect(
      train(observations, { ...options, out: join(folder, "no"), config, network: wrong }),
    ).rejects.toThrow("train: expected a network for latents [2], found one for [3].");
    await expect(openRun(join(folder, "no"))).rejects.toThrow("run.json");
  });
});
