import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CASES, caseNamed } from "./cases.ts";
import { measureGrowth } from "./growth.ts";
import { writeInputs } from "./inputs.ts";
import { installTypescript, measureOperations } from "./operations.ts";
import { type Options, type Part, parseOptions, USAGE } from "./options.ts";
import { progress } from "./progress.ts";
import { pythonInterpreter } from "./python.ts";
import { type Findings, report } from "./report.ts";
import { contest } from "./rounds.ts";
import { contestants, inputPath, type Stage } from "./sides.ts";
import { measureStartup } from "./startup.ts";
import { table } from "./table.ts";

const TASKS = ["eStep", "mStep", "prior"] as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  if (options === "help") {
    console.log(USAGE);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "diem-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true })); // also where a signal ends the bench
  const json = report(options, await measure(options, folder));
  console.log(table(json));
  if (options.json) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(json, null, 2)}\n`);
  }
}

async function measure(options: Options, folder: string): Promise<Findings> {
  const { peers, rounds, threads } = options;
  const say = (text: string) => console.error(`bench: ${text}`);
  const stage: Stage = {
    folder,
    threads,
    python: peers ? pythonInterpreter(options.python, say) : undefined,
  };
  if (peers) installTypescript(say);
  const wanted = (part: Part) => options.only.includes(part);
  const cases = CASES.filter(wanted);
  const others = (["operations", "startup", "growth"] as const).filter(wanted);
  const { part, event } = progress(cases.length * TASKS.length + others.length, say);
  for (const name of new Set([...cases, ...(wanted("growth") ? (["demo"] as const) : [])]))
    writeInputs(caseNamed(name), inputPath(stage, name));
  const findings: Findings = { python: stage.python, cases: {} };
  for (const name of cases) {
    findings.cases[name] = {};
    for (const task of TASKS) {
      part(`${name} ${task}`);
      findings.cases[name][task] = await contest(contestants(stage, task, name), rounds, event);
    }
  }
  for (const other of others) {
    part(other);
    if (other === "operations") findings.operations = await measureOperations(stage, rounds, event);
    if (other === "startup") findings.startup = measureStartup(stage, rounds);
    if (other === "growth") findings.growth = await measureGrowth(stage, rounds, event);
  }
  return findings;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
