import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mergeConfig } from "../../src/em/config/config.ts";
import type { TrainOptions } from "../../src/em/context.ts";
import { type DrawShardOptions, drawShard } from "../../src/em/draw-shard.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { results, TINY, tinyObservations } from "./tiny-run.ts";

/** 40 draws of 16 at a time, and 19 for held-out observations: five batches. */
const config = mergeConfig(TINY, { em: { validation: 0.2 } });

describe("an E-step that is shared out", () => {
  let folder = "";
  let alone: Record<string, string> = {};
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-shards-"));
    await train(tinyObservations(), config, { out: join(folder, "alone") });
    alone = results(join(folder, "alone"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const goOn = async (out: string, options: Partial<TrainOptions>) => {
    const drawn: number[] = [];
    const onEvent: TrainOptions["onEvent"] = ({ stage, iteration, done }) => {
      if (stage === "E-step" && done > 0) drawn.push(iteration);
    };
    const resume = existsSync(join(out, "run.json"));
    await train(tinyObservations(), config, { out, resume, onEvent, ...options });
    return drawn;
  };
  const draw = async (out: string, index: number, count: number, more: Partial<DrawShardOptions> = {}) =>
    await drawShard(await RunFolder.open(out), tinyObservations(), { index, count, ...more });
  const shards = (out: string, k: number) => {
    const path = join(out, `iterations/000${k}/shards`);
    return existsSync(path)
      ? readdirSync(path, { recursive: true, encoding: "utf8" })
          .filter((name) => name.endsWith(".npy"))
          .map((name) => join(path, name))
      : [];
  };

  test("has the bytes of a run left alone, whoever draws what, how often and in which order", async () => {
    const out = join(folder, "shared");
    await goOn(out, { until: 0 });
    expect(JSON.parse(readFileSync(join(out, "status.json"), "utf8")).state).toBe("interrupted");
    // All of it, in an order of its own, once twice at a time.
    await Promise.all([draw(out, 2, 2), draw(out, 2, 2), draw(out, 1, 2)]);
    expect(await draw(out, 1, 2)).toMatchObject({ iteration: 1, drawn: 0 });
    expect(await goOn(out, { until: 1 })).toEqual([]);
    expect(shards(out, 1)).toEqual([]);
    // Some of it; the run draws the rest.
    expect((await draw(out, 3, 5)).draws + (await draw(out, 4, 5)).draws).toBe(8 + 16);
    expect(await goOn(out, { until: 2 })).toContain(2);
    // Shares of another number overlap; one is damaged.
    for (const index of [1, 3]) await draw(out, index, 3);
    await draw(out, 2, 4);
    const [damaged] = shards(out, 3);
    const bytes = readFileSync(damaged!);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(damaged!, bytes);
    const warnings: string[] = [];
    await goOn(out, { onWarning: (text) => warnings.push(text) });
    expect(warnings.filter((text) => text.includes("They are drawn again"))).toHaveLength(1);
    expect(results(out)).toEqual(alone);
    expect(JSON.parse(readFileSync(join(out, "status.json"), "utf8")).state).toBe("done");
  });

  test("draws nothing for iterations that are done, and refuses those that are far or none", async () => {
    const out = join(folder, "refused");
    await goOn(out, { until: 1 });
    expect(await draw(out, 1, 2, { iteration: 1 })).toEqual({ iteration: 1, draws: 0, drawn: 0 });
    await expect(draw(out, 1, 2, { iteration: 3 })).rejects.toThrow(
      "expected iteration 2 to be finished, found 1. Continue the run with diem train --resume --until 2.",
    );
    await expect(draw(out, 1, 2, { iteration: 4 })).rejects.toThrow("the run has 3 iterations, got 4");
    expect(existsSync(join(out, "iterations/0002/shards"))).toBe(false);
    // More shares than batches: some are empty.
    const shares = await Promise.all(Array.from({ length: 7 }, (_, i) => draw(out, i + 1, 7)));
    expect(shares.map(({ draws }) => draws).sort((a, b) => a - b)).toEqual([0, 0, 3, 8, 16, 16, 16]);
  });

  test("keeps its hands off the draws of another prior", async () => {
    const out = join(folder, "other");
    await goOn(out, { until: 1 });
    await draw(out, 1, 1);
    const [folderOfPrior] = readdirSync(join(out, "iterations/0002/shards"));
    const path = join(out, "iterations/0002/shards");
    renameSync(join(path, folderOfPrior!), join(path, "0".repeat(16)));
    expect(await goOn(out, {})).toContain(2);
    expect(results(out)).toEqual(alone);
  });
});
