import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname ?? ".", "..");
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

describe("the documentation", () => {
  test("leads from the paper to functions and files that exist", () => {
    const page = read("docs/paper.md");
    const targets = [...page.matchAll(/`(\w+)` in `(src\/[\w/-]+\.ts)`/g)];
    expect(targets.length).toBeGreaterThan(20);
    for (const [, name, path] of targets)
      expect(read(path!), `${name} in ${path}`).toMatch(
        new RegExp(`export (async )?(function|const|class|type|interface) ${name}\\b`),
      );
    for (const [, path] of page.matchAll(/`((?:src|experiments)\/[\w/.-]+)`/g))
      expect(existsSync(join(ROOT, path!)), path).toBe(true);
  });

  test("names pages that exist, and every page of the manual is in its index", () => {
    const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
    const index = read("docs/README.md");
    for (const name of pages.filter((page) => page !== "README.md"))
      expect(index, name).toContain(`](${name})`);
    for (const page of pages)
      for (const [, target] of read(`docs/${page}`).matchAll(/\]\(([\w./-]+\.md)\)/g))
        expect(existsSync(join(ROOT, "docs", target!)), `${target} in ${page}`).toBe(true);
  });

  test("tells the version that the package has", () => {
    const { version } = JSON.parse(read("package.json"));
    expect(read("CHANGELOG.md")).toContain(`## ${version}`);
    expect(read("src/em/train.ts")).toContain(`"diem ${version}"`);
  });
});
