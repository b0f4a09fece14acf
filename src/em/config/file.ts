import { extname } from "node:path";
import { parse } from "yaml";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";

/**
 * What a configuration file holds, not yet checked: YAML where the name ends in .yaml or .yml, else JSON. Lay it over the
 * defaults by `mergeConfig(defaults, await readConfigFile(path), path)`.
 * @throws DataError with the place of the mistake
 */
export async function readConfigFile(path: string): Promise<unknown> {
  const yaml = [".yaml", ".yml"].includes(extname(path).toLowerCase());
  const format = yaml ? "YAML" : "JSON";
  const text = new TextDecoder().decode(await readFileOrFail(path, `a configuration in ${format}`));
  try {
    return yaml ? parse(text, { maxAliasCount: 100 }) : JSON.parse(text);
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new DataError(`${path}: expected ${format}, found: ${reason}.`, { cause });
  }
}
