import { extname } from "node:path";
import { parseDocument } from "yaml";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { parseJson } from "../../core/json.ts";

/**
 * Reads a configuration file: YAML if its name ends in .yaml or .yml, else JSON. `mergeConfig` checks the fields:
 * `mergeConfig(defaults, await readConfigFile(path), path)`.
 * @throws DataError with the place of the mistake
 */
export async function readConfigFile(path: string): Promise<unknown> {
  const yaml = [".yaml", ".yml"].includes(extname(path).toLowerCase());
  const format = yaml ? "YAML" : "JSON";
  const text = new TextDecoder().decode(await readFileOrFail(path, `a configuration in ${format}`));
  try {
    return yaml ? parseYaml(text) : parseJson(text);
  } catch (cause) {
    const [line] = (cause as Error).message.split("\n");
    const reason = line!.replace(/[:.]+$/, "");
    throw new DataError(`${path}: expected ${format}, found: ${reason}. Correct it there.`, { cause });
  }
}

/** Tags, which stand for types that JSON has not, are mistakes; left alone the library warns and reads on. */
function parseYaml(text: string): unknown {
  const document = parseDocument(text, { resolveKnownTags: false });
  const [mistake] = [...document.errors, ...document.warnings];
  if (mistake) throw mistake;
  return document.toJS({ maxAliasCount: 100 });
}
