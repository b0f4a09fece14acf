import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { fuzz, shares } from "./fuzz.ts";
import { faultOf } from "./judge.ts";
import { READERS } from "./readers.ts";

const USAGE = `Usage: npm run fuzz -- [--cases N] [--seed N] [--only READER,...] [--out FOLDER]
       npm run fuzz -- --only READER --case FOLDER

  --cases N      cases of all readers together; 1000000 unless given, which takes hours
  --seed N       of the damage; 0 unless given
  --only LIST    of ${Object.keys(READERS).join(", ")}; all unless given
  --out FOLDER   where cases that go wrong are kept; runs/fuzz unless given
  --case FOLDER  reads one that was kept

A case goes wrong unless it ends, in 5 seconds and 200 MB above the size of its files, with a value or an error that is
meant to be read.`;

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "1000000" },
    seed: { type: "string", default: "0" },
    only: { type: "string", default: Object.keys(READERS).join() },
    out: { type: "string", default: "runs/fuzz" },
    case: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

/** @returns whether all went well */
async function main(): Promise<boolean> {
  const readers = values.only.split(",");
  const unknown = readers.find((name) => !(name in READERS));
  if (unknown !== undefined)
    throw new Error(`fuzz: there is no reader ${unknown}. See npm run fuzz -- --help.`);
  if (values.case !== undefined) return await readOne(readers[0]!, values.case);
  const cases = shares({ readers, cases: Number(values.cases) }).reduce((sum, [, n]) => sum + n, 0);
  const faults = await fuzz({
    cases: Number(values.cases),
    seed: Number(values.seed),
    readers,
    workers: availableParallelism(),
    folder: values.out,
    onCase: progress(cases),
    onFault: ({ reader, folder, reason }) =>
      console.log(`${folder}: ${reason}\n  npm run fuzz -- --only ${reader} --case ${folder}`),
  });
  console.log(`${cases} cases, ${faults.length} went wrong.`);
  return faults.length === 0;
}

async function readOne(reader: string, folder: string): Promise<boolean> {
  if (!existsSync(folder)) throw new Error(`fuzz: there is no case ${folder}.`);
  const { read } = READERS[reader]!;
  const said = read(folder).then(
    () => "a value",
    (error: Error) => error.message,
  );
  console.log(await said);
  const began = performance.now();
  const fault = await faultOf(() => read(folder), 0);
  console.log(`${fault ?? "as it should be"}, in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return fault === undefined;
}

/** Tells every ten seconds how far it is, how fast, and how long the rest takes. */
function progress(cases: number): (reader: string) => void {
  const began = performance.now();
  let [done, told] = [0, began];
  return (reader) => {
    done++;
    const now = performance.now();
    if (now - told < 10_000) return;
    told = now;
    const rate = (1000 * done) / (now - began);
    console.error(
      `${done} of ${cases} cases, ${reader}; ${rate.toFixed(0)} a second, about ${Math.ceil((cases - done) / rate / 60)} min left`,
    );
  };
}

if (values.help) console.log(USAGE);
else if (!(await main())) process.exitCode = 1;
