/**
 * Runs every code block of README.md: `sh` blocks line by line from the root of the checkout, `ts` blocks as modules that
 * import the built package. `npm ci` is left out (it has been done), and the demo runs its quick form.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "..");
const text = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
  language,
  code,
}));
const work = mkdtempSync(join(tmpdir(), "diem-readme-"));
const modules = join(root, "dist", "readme");
mkdirSync(modules, { recursive: true });
const bin = join(work, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "diem"), `#!/bin/sh\nexec node "${join(root, "dist/cli/main.js")}" "$@"\n`, {
  mode: 0o755,
});

const run = (what, command, args, cwd) => {
  process.stdout.write(`-- ${what}\n`);
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const { status } = spawnSync(command, args, { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`README: "${what}" ended with ${status}`);
};

try {
  for (const [k, { language, code }] of blocks.entries()) {
    if (language === "sh") {
      for (const line of code.split("\n").filter((l) => l.trim() && !l.startsWith("#"))) {
        const short = line
          .replaceAll("npm ci && ", "")
          .replace(
            /npm run demo\b/,
            `npm --prefix "${root}" run --silent demo -- --quick --out "${work}/runs/demo"`,
          )
          .replace(/^npm test$/, "true");
        run(line, "sh", ["-ec", short], work);
      }
    } else if (language === "ts") {
      const module = join(modules, `block${k}.mjs`);
      const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
      writeFileSync(module, ts.transpileModule(code, { compilerOptions: options }).outputText);
      run(`block ${k + 1} (TypeScript)`, process.execPath, [module], work);
    } else throw new Error(`README: block ${k + 1} is ${language}; expected sh or ts`);
  }
  process.stdout.write(`${blocks.length} blocks ran\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
  rmSync(modules, { recursive: true, force: true });
}
