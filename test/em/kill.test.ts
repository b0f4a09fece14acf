import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { train } from "../../src/em/train.ts";
import { finish, start, transpileInto } from "./child.ts";
import { LONGER, results, tinyObservations } from "./tiny-run.ts";
import type { Stage, TrainingRequest } from "./training-child.ts";

/** Where each of 12 processes dies; the start comes once, the others in every iteration. `npm run kills` has more. */
const PLAN: readonly Stage[] = [
  ...(["start", "start", "report"] as const),
  ...(["E-step", "M-step", "M-step", "report"] as const),
  ...(["E-step", "M-step", "report"] as const),
  ...(["E-step", "M-step"] as const),
];

/** The moments lie within so many operations, which each stage has of its own. */
const SPREAD = { start: 9, "E-step": 20, "M-step": 40, report: 12 } as const satisfies Record<Stage, number>;

describe("a run that is killed", () => {
  let folder = "";
  const child = (request: TrainingRequest) => start(join(folder, "js/test/em/training-child.js"), request);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-kill-"));
    const helpers = ["training-child", "tiny-run", "observations-in-memory"];
    transpileInto(
      join(folder, "js"),
      helpers.map((name) => `test/em/${name}.ts`),
    );
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("at 12 moments ends, resumed each time, with the bytes of one left alone", async () => {
    const alone = await finish(child({ out: join(folder, "alone") }));
    expect(alone.code, alone.err).toBe(0);
    const out = join(folder, "killed");
    const rng = new Rng(0);
    const moments: string[] = [];
    for (const stage of PLAN) {
      const moment = { stage, count: 1 + rng.integer(SPREAD[stage]) };
      const died = await finish(child({ out, moment, halt: "die" }));
      expect(died.signal, `${stage} ${moment.count}: ${died.out}${died.err}`).toBe("SIGKILL");
      moments.push(died.out.trim());
    }
    expect(moments.map((moment) => moment.split(":")[0])).toEqual(PLAN);
    const last = await finish(child({ out }));
    expect(last.code, last.err).toBe(0);
    expect(results(out)).toEqual(results(join(folder, "alone")));
    expect(existsSync(join(out, "report.html"))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, "status.json"), "utf8")).state).toBe("done");
    const names = readdirSync(out, { recursive: true, encoding: "utf8" });
    expect(names.filter((name) => /tmp|lock|partial/.test(name))).toEqual([]);
  }, 300_000);

  test("refuses a second process while it lives, and lets go of the lock when it dies", async () => {
    const out = join(folder, "shared");
    const first = child({ out, moment: { stage: "M-step", count: 3 }, halt: "wait" });
    const ended = finish(first);
    await new Promise((done) => first.stdout!.once("data", done));
    const second = train(tinyObservations(), LONGER, { out, resume: true });
    await expect(second).rejects.toThrow(
      `expected no other process on this run, found process ${first.pid} on `,
    );
    await expect(second).rejects.not.toThrow("\n");
    first.kill("SIGKILL");
    await ended;
    await train(tinyObservations(), LONGER, { out, resume: true });
    expect(results(out)).toEqual(results(join(folder, "alone")));
  });
});
