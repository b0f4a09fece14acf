/**
 * Packs the built package, and does in an empty folder what README.md says under "Your own measurements", from `npm install`
 * on: needs the npm registry, and fails where it cannot be reached. Then looks whether links of its pages lead anywhere.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { blocksOf, linesOf, nameOf } from "./page-blocks.mjs";

const root = resolve(import.meta.dirname, "..");
const HEADING = "## Your own measurements\n";
/** Made by `npm run docs:api`, in clones only. */
const ELSEWHERE = /^docs\/api\//;

const run = (command, args, cwd, env = process.env) => {
  process.stdout.write(`-- ${args.at(-1)}\n`);
  const { status } = spawnSync(command, args, { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`"${args.at(-1)}" ended with ${status}`);
};

const followReadme = (work) => {
  const [, section] = readFileSync(join(root, "README.md"), "utf8").split(HEADING);
  const blocks = blocksOf(section.split("\n## ")[0]);
  if (!blocks[0].code.startsWith("npm install ")) throw new Error("README.md: expected npm install first");
  const env = { ...process.env, PATH: `${join(work, "node_modules/.bin")}:${process.env.PATH}` };
  for (const { language, code } of blocks)
    if (language === "js") writeFileSync(join(work, nameOf(code)), code);
    else for (const line of linesOf(code)) run("sh", ["-ec", line], work, env);
};

/** Links in pages of the package to files that it lacks. */
const deadLinks = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((page) => page.endsWith(".md"))
    .flatMap((page) =>
      [...readFileSync(join(folder, page), "utf8").matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        .map(([, target]) => join(dirname(page), target))
        .filter((target) => !ELSEWHERE.test(target) && !existsSync(join(folder, target)))
        .map((target) => `${page}: ${target}`),
    );

const work = mkdtempSync(join(tmpdir(), "diem-package-"));
try {
  run("npm", ["pack", "--silent", "--pack-destination", work], root);
  followReadme(work);
  const dead = deadLinks(join(work, "node_modules/diem"));
  if (dead.length > 0) throw new Error(`the package has dead links: ${dead.join(", ")}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
