import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CASES, caseNamed } from "./cases.ts";
import { writeInputs } from "./job.ts";
import { parseOptions, USAGE } from "./options.ts";
import { pythonInterpreter } from "./python.ts";
import { type CaseOutcomes, report } from "./report.ts";
import { contest } from "./rounds.ts";
import { contestants, inputPath, type Stage } from "./sides.ts";

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  if (options === "help") {
    console.log(USAGE);
    return;
  }
  const tell = (text: string) => console.error(`bench: ${text}`);
  const folder = mkdtempSync(join(tmpdir(), "diem-bench-"));
  try {
    const python = options.peers ? pythonInterpreter(options.python, tell) : undefined;
    const stage: Stage = { folder, threads: options.threads, python };
    const cases: CaseOutcomes = {};
    for (const name of CASES.filter((one) => options.only.includes(one))) {
      writeInputs(caseNamed(name), inputPath(stage, name));
      cases[name] = {};
      for (const task of ["eStep", "mStep", "prior"] as const)
        cases[name][task] = await contest(contestants(stage, task, name), options.rounds, (text) =>
          tell(`${name} ${task}: ${text}`),
        );
    }
    const { json, text } = report(options, python, cases);
    console.log(text);
    if (options.json) {
      mkdirSync(dirname(options.json), { recursive: true });
      writeFileSync(options.json, `${JSON.stringify(json, null, 2)}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
