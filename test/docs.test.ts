import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname ?? ".", "..");
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

describe("the documentation", () => {
  test("leads from the paper to functions that exist", () => {
    const targets = [...read("docs/concepts.md").matchAll(/`(\w+)` in `(src\/[\w/-]+\.ts)`/g)];
    expect(targets.length).toBeGreaterThan(12);
    for (const [, name, path] of targets)
      expect(read(path!), `${name} in ${path}`).toMatch(
        new RegExp(`export (async )?(function|const|class|type|interface) ${name}\\b`),
      );
  });

  test("tells the version that the package has", () => {
    const { version } = JSON.parse(read("package.json"));
    expect(read("CHANGELOG.md")).toContain(`## ${version}`);
    expect(read("src/em/train.ts")).toContain(`"diem ${version}"`);
  });
});
