import { ConfigError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";

/**
 * Makes changes of a configuration from texts `path=value`: "em.iterations=8" gives { em: { iterations: 8 } }. A value is read
 * as JSON, or kept as text if it is no JSON. Of two texts for one path the last one holds.
 * @throws ConfigError if a text is not path=value, or if one path lies within another
 */
export function parseSettings(settings: readonly string[], where = "--set"): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const setting of settings) {
    const [, path, text] = /^([\w$]+(?:\.[\w$]+)*)=(.*)$/s.exec(setting) ?? [];
    if (path === undefined || text === undefined)
      throw new ConfigError(
        `${where}: expected path=value, got "${setting}". For example ${where} em.iterations=8.`,
      );
    const keys = path.split(".");
    let here = root;
    for (const key of keys.slice(0, -1)) {
      if (!Object.hasOwn(here, key)) define(here, key, {});
      const next = here[key];
      if (typeof next !== "object" || next === null || Array.isArray(next))
        throw new ConfigError(`${where}: ${path} lies within a field that has a value. Give one of the two.`);
      here = next as Record<string, unknown>;
    }
    define(here, keys.at(-1)!, parseValue(text));
  }
  return root;
}

/** Sets an own property, whatever its name ("__proto__" too). */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** JSON where it is JSON, else the text itself. */
function parseValue(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
