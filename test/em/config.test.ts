import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DiemError } from "../../src/core/errors.ts";
import { buildNetwork, defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { readConfigFile } from "../../src/em/config/file.ts";
import { configSchema, configTables } from "../../src/em/config/schema.ts";
import { parseSettings } from "../../src/em/config/settings.ts";
import { input } from "../../src/graph/index.ts";

const ROOT = resolve(import.meta.dirname ?? ".", "../..");
const images = defaultConfig([1, 28, 28], 10_000);

describe("defaults", () => {
  test("follow the data's shape: a U-Net for signals, images and volumes, an MLP for everything else", () => {
    for (const shape of [
      [2, 100],
      [1, 28, 28],
      [1, 8, 8, 8],
    ])
      expect(defaultConfig(shape, 1000).network.type).toBe("unet");
    expect(defaultConfig([16], 1000).network.type).toBe("mlp");
    expect(defaultConfig([2, 3, 4, 5, 6], 1000).network.type).toBe("mlp");
  });

  test.each([
    [[1]],
    [[16]],
    [[5, 7]],
    [[1, 28, 28]],
    [[3, 30, 30]],
    [[1, 27, 28]],
    [[2, 1, 1]],
    [[2, 3, 4, 5]],
  ])(
    "give a network that maps latents %j to themselves, and a configuration that passes its own checks",
    (shape) => {
      const config = defaultConfig(shape, 100);
      const network = buildNetwork(config.network, shape);
      const weights = Object.fromEntries(network.parameters.map((p) => [p.name, input(p.shape)]));
      expect(network.shape).toEqual(shape);
      expect(network.apply(weights, input([2, ...shape]), input([1])).shape).toEqual([2, ...shape]);
      expect(mergeConfig(config, config)).toEqual(config);
    },
  );

  test("of images take three levels, but below 8 x 8 pixels only as many as sides halve", () => {
    const levels = (H: number, W: number) => {
      const { network } = defaultConfig([1, H, W], 100);
      return network.type === "unet" ? network.channels.length : 0;
    };
    const sizes = (count: number) =>
      ({ 3: ["28 28", "27 31", "9 1", "4 4"], 2: ["6 4"], 1: ["1 1", "7 7", "6 5"] })[count];
    for (const count of [1, 2, 3])
      for (const size of sizes(count)!) {
        const [H, W] = size.split(" ").map(Number) as [number, number];
        expect(levels(H, W), size).toBe(count);
      }
  });

  test("of signals halve until the middle sees both ends", () => {
    const channels = (shape: number[]) => {
      const { network } = defaultConfig(shape, 100);
      return network.type === "unet" ? [network.channels, network.blocks, network.heads] : [];
    };
    expect(channels([1, 16])).toEqual([
      [16, 32, 64],
      [1, 2, 2],
      [0, 0, 0],
    ]);
    expect(channels([1, 65])[0]).toEqual([16, 32, 64, 64]);
    expect(channels([4, 1024])).toEqual([
      [16, 32, 64, 64, 64, 64, 64],
      [1, 2, 2, 2, 2, 2, 2],
      [0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(channels([1, 5])[0]).toEqual([64]);
    expect(channels([1, 64, 64, 64])[0]).toEqual([16, 32, 64]);
  });

  test("draw for an eighth of the observations in each iteration, 512 at least, and never more than there are", () => {
    const observations = (n: number) => defaultConfig([1, 8, 8], n).em.observations;
    expect([100, 1000, 80_000].map(observations)).toEqual([100, 512, 10_000]);
  });

  test("of vectors draw for all observations within the buffer, and solve for their measurements", () => {
    const { em, eStep } = defaultConfig([16], 20_000, 2);
    expect(em.observations * em.buffer).toBe(20_000);
    // Two steps more than measurements, for rounding.
    expect([2, 5, 100].map((M) => defaultConfig([16], 20_000, M).eStep.cgSteps)).toEqual([4, 6, 6]);
    expect([eStep.sampler, eStep.eta]).toEqual(["multistep", null]);
    expect(images.eStep.cgSteps).toBe(2);
  });

  test("leave eta to the sampler, or take a number", () => {
    expect(mergeConfig(images, { eStep: { eta: 0.5 } }).eStep.eta).toBe(0.5);
    expect(() => mergeConfig(images, { eStep: { eta: 2 } })).toThrow("a number in [0, 1], or null");
  });
});

describe("changes", () => {
  test("are laid over field by field", () => {
    const changed = mergeConfig(images, { em: { iterations: 3 }, network: { channels: [16, 32] } });
    expect(changed.em).toEqual({ ...images.em, iterations: 3 });
    expect(changed.network).toEqual({ ...images.network, channels: [16, 32] });
  });

  test("to another type of network start from that type's defaults", () => {
    const { network } = mergeConfig(images, { network: { type: "mlp", width: 8 } });
    expect(network).toEqual({ type: "mlp", base: "gaussian", width: 8, blocks: 3, embedding: 64 });
  });

  test.each([
    [{ em: { iteration: 3 } }, 'em.iteration is no field of the configuration. Did you mean "iterations"?'],
    [{ emm: { iterations: 3 } }, 'emm is no field of the configuration. Did you mean "em"?'],
    [{ em: { iterations: "3" } }, 'em.iterations must be a whole number from 1 to 65536, got "3".'],
    [{ em: { iterations: 2.5 } }, "em.iterations must be a whole number from 1 to 65536, got 2.5."],
    [{ em: 3 }, "em must be an object, got 3."],
    [{ em: null }, "em must be an object, got null."],
    [
      { network: { channels: [16, "x"] } },
      'network.channels must be a list of whole numbers >= 1, at least 1, got [16,"x"].',
    ],
    [{ network: { type: "cnn" } }, 'network.type must be one of mlp, unet, got "cnn".'],
    [{ network: { width: 3 } }, "network.width is no field of the configuration."],
    [{ eStep: { covariance: "tweedy" } }, 'Did you mean "tweedie"?'],
    [{ mStep: { augment: ["flop"] } }, 'Did you mean "flip"?'],
    [{ schedule: { sigmaMin: 3, sigmaMax: 1 } }, "0 < sigmaMin < sigmaMax expected, got 3 and 1."],
    [{ eStep: { steps: 1e9 } }, "eStep.steps must be a whole number from 1 to 65536, got 1000000000."],
    [{ mStep: { learningRate: [1e-3] } }, "mStep.learningRate must be three numbers above 0, got [0.001]."],
    [{ mStep: { emaDecay: 1 } }, "mStep.emaDecay must be a number in [0, 1), got 1."],
    [JSON.parse('{ "em": { "__proto__": 3 } }'), "em.__proto__ is no field"],
    [[], "the whole must be an object, got []."],
  ])("%j are refused in words that name the file", (changes, message) => {
    expect(() => mergeConfig(images, changes, "mine.json")).toThrow(message);
    expect(() => mergeConfig(images, changes, "mine.json")).toThrow(/^mine\.json: /);
  });

  test("of any kind give a configuration or an error that is meant to be read", () => {
    const key = fc.oneof(
      fc.constantFrom("em", "network", "mStep", "iterations", "type", "width"),
      fc.string(),
    );
    const { changes } = fc.letrec((tie) => ({
      changes: fc.oneof(fc.jsonValue(), fc.dictionary(key, tie("changes"), { maxKeys: 3 })),
    }));
    fc.assert(
      fc.property(changes, (value) => {
        try {
          mergeConfig(images, value);
        } catch (error) {
          if (!(error instanceof DiemError)) throw error;
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

describe("--set", () => {
  test("takes JSON where it is JSON, else text; the last holds", () => {
    expect(
      parseSettings(["em.iterations=8", "network.channels=[32,64]", "eStep.sampler=ddim", "em.iterations=9"]),
    ).toEqual({ em: { iterations: 9 }, network: { channels: [32, 64] }, eStep: { sampler: "ddim" } });
  });

  test.each([
    ["nonsense", "expected path=value"],
    ["=3", "expected path=value"],
    ["em..x=3", "expected path=value"],
  ])("%s is refused", (setting, message) => {
    expect(() => parseSettings([setting])).toThrow(message);
  });

  test("within a field that has a value is refused, and no setting reaches a prototype", () => {
    expect(() => parseSettings(["em=3", "em.iterations=4"])).toThrow("lies within a field that has a value");
    parseSettings(["__proto__.polluted=1", "constructor.prototype.polluted=1"]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(() => mergeConfig(images, parseSettings(["__proto__.x=1"]))).toThrow("__proto__ is no field");
  });
});

describe("files", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-config-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const read = async (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return await readConfigFile(join(folder, name));
  };

  test("in JSON and in YAML say the same; $schema is for editors", async () => {
    const json = await read(
      "a.json",
      '{ "$schema": "x", "em": { "iterations": 3 }, "mStep": { "augment": ["flip"] } }',
    );
    const yaml = await read("a.yaml", "# fewer\nem: { iterations: 3 }\nmStep:\n  augment: [flip]\n");
    expect(mergeConfig(images, json)).toEqual(mergeConfig(images, yaml));
    expect(mergeConfig(images, json).em.iterations).toBe(3);
  });

  test.each([
    ["b.json", "{ em: 3 }", /b\.json: expected JSON, found: .*position/],
    ["b.yml", "em: [3", /b\.yml: expected YAML, found: .*line 1/],
    [
      "d.yml",
      "em: !!python/object 3",
      /d\.yml: expected YAML, found: Unresolved tag: .*line 1, column 5\. Correct it there\.$/,
    ],
    ["g.yml", "em: !!set {iterations}", /g\.yml: expected YAML, found: Unresolved tag: .*set/],
    [
      "e.yaml",
      `em: ${"[".repeat(100_000)}`,
      /e\.yaml: expected YAML, found: [^\n]*[^:.]\. Correct it there\.$/,
    ],
    [
      "f.json",
      "[".repeat(1_000_000) + "]".repeat(1_000_000),
      /f\.json: expected JSON, found: values nested more than 100 deep\. Correct it there\.$/,
    ],
    [
      "c.yml",
      `a: &a [x]\n${Array.from({ length: 9 }, (_, i) => `b${i}: &b${i} [${Array(9).fill(i ? `*b${i - 1}` : "*a")}]`).join("\n")}`,
      /c\.yml: expected YAML/,
    ],
  ])("%s that cannot be read is refused with the place", async (name, text, message) => {
    await expect(read(name, text)).rejects.toThrow(message);
  });
});

describe("what follows from the table of fields is up to date (npm run config-docs)", () => {
  test("the JSON Schema", () => {
    const committed = readFileSync(join(ROOT, "schema/run.schema.json"), "utf8");
    expect(JSON.parse(committed)).toEqual(JSON.parse(JSON.stringify(configSchema())));
  });

  test("the tables of docs/configuration.md", () => {
    const [, tables] = readFileSync(join(ROOT, "docs/configuration.md"), "utf8").split("<!-- fields -->\n\n");
    expect(tables).toBe(configTables());
  });
});
