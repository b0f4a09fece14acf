import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/** The layers, top to bottom; each imports only itself and those above it. */
const LAYERS = [
  "core",
  "graph",
  "runtime",
  "nn",
  "operators",
  "diffusion",
  "posterior",
  "data",
  "gaussian",
  "metrics",
  "inference",
  "trust",
  "em",
  "report",
  "live",
  "web",
  "api",
  "cli",
];
/** Layers that also run in a browser: no `node:` imports. core/files.ts is the exception. */
const BROWSER = ["core", "graph", "nn", "operators", "diffusion", "posterior", "metrics"];

const SOURCE = resolve(import.meta.dirname ?? ".", "../src");
const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(join(SOURCE, name), "utf8") }));
const importsOf = (text: string) =>
  [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, path]) => path!);

describe("architecture", () => {
  test("every folder is a layer, and files import only layers above their own", () => {
    const offences: string[] = [];
    for (const { name, text } of files) {
      const [layer] = name.split("/") as [string];
      if (!name.includes("/")) continue; // index.ts gathers all layers
      if (!LAYERS.includes(layer)) offences.push(`${name}: ${layer} is no layer`);
      for (const path of importsOf(text).filter((p) => p.startsWith("."))) {
        const target = relative(SOURCE, resolve(SOURCE, dirname(name), path)).split("/")[0]!;
        if (LAYERS.indexOf(target) > LAYERS.indexOf(layer)) offences.push(`${name} imports ${path}`);
      }
    }
    expect(offences).toEqual([]);
  });

  test("layers for browsers import nothing from node, and only the runtime imports the engine", () => {
    const offences = files.flatMap(({ name, text }) => {
      const [layer] = name.split("/") as [string];
      return importsOf(text).flatMap((path) => {
        const node = path.startsWith("node:") && BROWSER.includes(layer) && name !== "core/files.ts";
        const engine = path.startsWith("onnxruntime") && layer !== "runtime";
        return node || engine ? [`${name} imports ${path}`] : [];
      });
    });
    expect(offences).toEqual([]);
  });

  test("randomness and time come from arguments, and only the command line prints", () => {
    const offences = files.flatMap(({ name, text }) => {
      const banned = [
        "Math.random",
        "Date.now",
        ...(name.startsWith("cli/") ? [] : ["console.", "process.stdout"]),
      ];
      return banned.filter((word) => text.includes(word)).map((word) => `${name} uses ${word}`);
    });
    expect(offences).toEqual([]);
  });

  test("every key that a comment cites is in docs/references.md", () => {
    const references = readFileSync(resolve(SOURCE, "../docs/references.md"), "utf8");
    const known = new Set([...references.matchAll(/^\| ([A-Z]\w+\d\d) \|/gm)].map(([, key]) => key));
    const cited = files.flatMap(({ name, text }) =>
      [...text.matchAll(/\[([A-Z][A-Za-z]+\d\d)[^\]\d]?[^\]]*\]/g)].flatMap(([whole]) =>
        [...whole.matchAll(/\b([A-Z][A-Za-z]+\d\d)\b/g)].map(([, key]) => ({ name, key })),
      ),
    );
    expect(cited.length).toBeGreaterThan(20);
    expect(cited.filter(({ key }) => !known.has(key))).toEqual([]);
  });
});
