import { join } from "node:path";
import { expect, test } from "vitest";
import { CASES } from "../../experiments/trust/cases.ts";
import { alarmsOf, isNamed, judgeCase } from "../../experiments/trust/judge.ts";
import { TRUST_RECIPES } from "../../experiments/trust/recipes.ts";
import { falseAlarms, markdownTable } from "../../experiments/trust/table.ts";
import { VERDICTS } from "../../src/trust/verdict.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

test("a right prior raises no alarm, and exchanged rows are named by the operator's verdict", async () => {
  const { cases, sizes } = TRUST_RECIPES.tiny;
  await inTemporaryFolder(async (folder) => {
    const results = [];
    for (const [k, one] of cases.entries())
      results.push(
        await judgeCase(one, { seed: 0, sizes, folder: join(folder, String(k)), engine: { threads: 1 } }),
      );
    const [right, rows] = results;
    expect(alarmsOf(right!)).toEqual([]);
    expect(isNamed(cases[0]!, right!)).toBeUndefined();
    expect(isNamed(cases[1]!, rows!), JSON.stringify(rows)).toBe(true);
    expect(falseAlarms(results)).toMatchObject({ alarms: 0 });
    expect(markdownTable(results)).toContain(
      "| exchanged rows (gauss-8) | two rows of each matrix exchanged | operator | 1 of 1 |",
    );
  });
}, 60_000);

test("every case names verdicts that there are, once", () => {
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  for (const { belongs = [], wrong } of CASES) {
    expect(belongs.length > 0).toBe(wrong !== undefined);
    for (const name of belongs) expect(VERDICTS).toContain(name);
  }
});
