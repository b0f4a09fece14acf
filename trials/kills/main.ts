import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { WRITERS } from "./commands.ts";
import { killAll } from "./kills.ts";

const USAGE = `Usage: npm run kills -- [--kills N] [--seed N] [--only COMMAND,...]

  --kills N    of all commands together; 200 unless given, which takes a quarter of an hour
  --seed N     of the moments; 0 unless given
  --only LIST  of ${Object.keys(WRITERS).join(", ")}; all unless given

A command that was killed and runs again, with --resume where that is its way, must write the bytes of one that was left
alone, and leave no temporary file.`;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: "0" },
    only: { type: "string", default: Object.keys(WRITERS).join() },
    help: { type: "boolean", default: false },
  },
});

/** @returns whether all went well */
async function main(): Promise<boolean> {
  const kills = Number(values.kills);
  const commands = values.only.split(",");
  const unknown = commands.find((name) => !(name in WRITERS));
  if (unknown !== undefined)
    throw new Error(`kills: there is no command ${unknown}. See npm run kills -- --help.`);
  const folder = mkdtempSync(join(tmpdir(), "diem-kills-"));
  const tell = progress(kills);
  let wrong = 0;
  for await (const { command, fault } of killAll({ kills, seed: Number(values.seed), commands, folder })) {
    if (fault) {
      wrong++;
      console.log(`${command}, killed at ${JSON.stringify(fault.moment)}: ${fault.reason}`);
    }
    tell(command);
  }
  console.log(`${kills} kills, ${wrong} went wrong.${wrong > 0 ? ` What they left is in ${folder}.` : ""}`);
  if (wrong === 0) rmSync(folder, { recursive: true });
  return wrong === 0;
}

/** Tells every ten seconds how far it is, and how long the rest takes. */
function progress(kills: number): (command: string) => void {
  const began = performance.now();
  let [done, told] = [0, began];
  return (command) => {
    done++;
    const now = performance.now();
    if (now - told < 10_000) return;
    told = now;
    console.error(
      `${done} of ${kills} kills, ${command}; about ${Math.ceil((((now - began) / done) * (kills - done)) / 60_000)} min left`,
    );
  };
}

if (values.help) console.log(USAGE);
else if (!(await main())) process.exitCode = 1;
