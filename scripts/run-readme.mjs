/**
 * Runs every code block of the pages below, and every program in examples/, in folders where the checkout is
 * installed: `sh` blocks line by line, `ts` as modules, `js` written to the file that its first line names, `python` where
 * Python (DIEM_PYTHON or python3) has the packages that it imports. With the name of a page, or "examples", only that. `npm ci` and `npm install` are left out, and the demo runs its quick form.
 */
import { execFile, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";
import { blocksOf, linesOf, nameOf } from "./page-blocks.mjs";

const root = resolve(import.meta.dirname, "..");
const PAGES = [
  "README.md",
  "docs/own-data.md",
  "docs/from-a-prior.md",
  "docs/many-processes.md",
  "docs/python.md",
];
// In the order in which they build on each other.
const EXAMPLES = [
  "gaussian-posterior",
  "own-operator",
  "train-stop-resume",
  "draw-from-run",
  "reconstruct",
  "own-method",
  "own-network",
  "own-denoiser",
];
const python = process.env.DIEM_PYTHON ?? "python3";
process.env.PYTHONPATH = join(root, "python"); // the package of this checkout

/** Whether Python has the packages that a block imports. */
const canRun = (code) => {
  const packages = [...code.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name);
  return spawnSync(python, ["-c", `import ${packages.join(", ")}`]).status === 0;
};

const run = (what, command, args, cwd) => {
  process.stdout.write(`-- ${what}\n`);
  const env = { ...process.env, PATH: `${join(cwd, "bin")}:${process.env.PATH}` };
  const { status } = spawnSync(command, args, { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`"${what}" ended with ${status}`);
};

const runTypescript = (what, code, work) => {
  const module = join(work, "block.mjs");
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
  writeFileSync(module, ts.transpileModule(code, { compilerOptions: options }).outputText);
  run(what, process.execPath, [module], work);
};

const runShell = (line, work) => {
  const short = line
    .replaceAll("npm ci && ", "")
    .replace(
      /npm run demo\b/,
      `npm --prefix "${root}" run --silent demo -- --quick --out "${work}/runs/demo"`,
    )
    .replace(/^npm (test$|install )/, "true ");
  run(line, "sh", ["-ec", short], work);
};

/** Runs `body` in an empty folder whose `bin` has the command line, and whose modules may import the package. */
const inFolder = (body) => {
  const work = mkdtempSync(join(tmpdir(), "diem-readme-"));
  mkdirSync(join(work, "bin"));
  const command = `#!/bin/sh\nexec node "${join(root, "dist/cli/main.js")}" "$@"\n`;
  writeFileSync(join(work, "bin", "diem"), command, { mode: 0o755 });
  mkdirSync(join(work, "node_modules"));
  symlinkSync(root, join(work, "node_modules/diem"));
  try {
    body(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

const runPage = (page, work) => {
  const blocks = blocksOf(readFileSync(join(root, page), "utf8"));
  let skipped = false;
  for (const [k, { language, code }] of blocks.entries()) {
    const what = `${page}, block ${k + 1} (${language})`;
    if (language === "python" && !canRun(code)) {
      const writes = code.includes("np.save");
      process.stdout.write(
        `-- ${what}: NOT RUN, ${python} lacks a package of it${writes ? "; nor the shell block that reads its files" : ""}\n`,
      );
      skipped = writes;
    } else if (language === "python") run(what, python, ["-c", code], work);
    else if (language === "ts") runTypescript(what, code, work);
    else if (language === "js") writeFileSync(join(work, nameOf(code)), code);
    else if (language !== "sh") throw new Error(`${what}: expected sh, ts, js or python`);
    else if (skipped) skipped = false;
    else for (const line of linesOf(code)) runShell(line, work);
  }
  process.stdout.write(`${page}: ${blocks.length} blocks\n`);
};

const runExamples = (work) => {
  const found = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"));
  if (found.length !== EXAMPLES.length)
    throw new Error("examples/: expected those listed in scripts/run-readme.mjs");
  for (const name of EXAMPLES) {
    const path = `examples/${name}.ts`;
    runTypescript(path, readFileSync(join(root, path), "utf8"), work);
  }
};

/** One of the pages or the examples, in a process of its own: two go side by side, with one thread each. */
const runApart = (part) =>
  new Promise((done) => {
    const options = { maxBuffer: 2 ** 28, env: { DIEM_THREADS: "1", ...process.env } };
    execFile(process.execPath, [process.argv[1], part], options, (error, out, err) => {
      process.stdout.write(`${out}${err}`);
      if (error) process.exitCode = 1;
      done();
    });
  });

const [only] = process.argv.slice(2);
if (only === "examples") inFolder(runExamples);
else if (only) inFolder((work) => runPage(only, work));
else {
  const parts = [...PAGES, "examples"];
  const next = async () => {
    for (let part = parts.shift(); part; part = parts.shift()) await runApart(part);
  };
  await Promise.all([next(), next()]);
}
