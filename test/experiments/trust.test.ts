import { join } from "node:path";
import { expect, test } from "vitest";
import { CASES } from "../../experiments/trust/cases.ts";
import { alarmsOf, isNamed, judgeCase } from "../../experiments/trust/judge.ts";
import { TRUST_RECIPES } from "../../experiments/trust/recipes.ts";
import { falseAlarms, markdownTable } from "../../experiments/trust/table.ts";
import { VERDICTS } from "../../src/trust/verdict.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

test("exchanged rows are named by the operator's verdict, and not laid to the sampler", async () => {
  const { cases, sizes } = TRUST_RECIPES.tiny;
  const rows = cases.find(({ name }) => name === "exchanged rows")!;
  await inTemporaryFolder(async (folder) => {
    const result = await judgeCase(rows, {
      seed: 0,
      sizes,
      folder: join(folder, "case"),
      engine: { threads: 1 },
    });
    expect(isNamed(rows, result), JSON.stringify(result)).toBe(true);
    expect(alarmsOf(result)).not.toContain("sampler");
    expect(falseAlarms([result])).toEqual({ alarms: 0, told: 0 }); // something is wrong
    expect(markdownTable([result])).toContain(
      "| exchanged rows (gauss-8) | two rows of each matrix exchanged | operator | 1\u00a0of\u00a01 |",
    );
  });
}, 120_000);

test("every case names verdicts that there are, once", () => {
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  for (const { belongs = [], wrong } of CASES) {
    expect(belongs.length > 0).toBe(wrong !== undefined);
    for (const name of belongs) expect(VERDICTS).toContain(name);
  }
});
