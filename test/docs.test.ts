import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultConfig, type TrainConfig } from "../src/em/config.ts";

const ROOT = resolve(import.meta.dirname ?? ".", "..");
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

function fields(value: object, prefix = ""): [path: string, value: unknown][] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "object" && !Array.isArray(inner)
      ? fields(inner, `${prefix}${key}.`)
      : [[prefix + key, inner]],
  );
}

describe("the documentation", () => {
  test("lists every field of the configuration, with its default", () => {
    const rows = new Map(
      [...read("docs/configuration.md").matchAll(/^\| `([\w.]+)` \| (.*?) \|/gm)].map(([, name, value]) => [
        name!,
        value!,
      ]),
    );
    const all = [[1, 28, 28], [16]].flatMap((shape) => fields(defaultConfig(shape, 10_000) as TrainConfig));
    expect([...new Set(all.map(([name]) => name))].filter((name) => !rows.has(name))).toEqual([]);
    expect([...rows.keys()].filter((name) => !all.some(([field]) => field === name))).toEqual([]);
    for (const [name, value] of fields(defaultConfig([1, 28, 28], 10_000))) {
      const stated = rows.get(name)!.replaceAll("`", "");
      if (/^[\d[.]|^(true|false|ddpm|tweedie|gaussian)$/.test(stated))
        expect(stated, name).toBe(Array.isArray(value) ? `[${value.join(", ")}]` : String(value));
    }
  });

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
