/** The configuration of runs as tables: one run in full, several by what differs. */

import { isObject, type Json, type JsonObject } from "../fields.ts";
import { html, type Markup, table } from "../html.ts";

/** Nested objects as rows [path, value], in order: { em: { seed: 1 } } becomes ["em.seed", "1"]. */
export function flatten(config: JsonObject, prefix = ""): [path: string, value: string][] {
  return Object.entries(config).flatMap(([key, value]): [string, string][] => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (isObject(value) && Object.keys(value).length > 0) return flatten(value, path);
    return [[path, formatJson(value)]];
  });
}

/** The configuration, a table for each nested object. */
export function configurationTable(config: JsonObject): Markup {
  const groups: [string, JsonObject][] = [];
  const plain = Object.entries(config).filter(([, value]) => !isObject(value));
  if (plain.length > 0) groups.push(["", Object.fromEntries(plain)]);
  for (const [key, value] of Object.entries(config)) if (isObject(value)) groups.push([key, value]);
  const tables = groups.map(([name, values]) => {
    const lines = flatten(values).map(
      ([path, value]) => html`<tr><th scope="row">${path}</th><td>${value}</td></tr>\n`,
    );
    const caption = name !== "" && html`<caption>${name}</caption>\n`;
    return html`<table class="text">${caption}<tbody>\n${lines}</tbody></table>\n`;
  });
  return html`<div class="settings">\n${tables}</div>`;
}

/** The rows in which configurations differ, or undefined if none does. A key that a run lacks is "-". */
export function differenceTable(
  names: readonly string[],
  configs: readonly JsonObject[],
): Markup | undefined {
  const maps = configs.map((config) => new Map(flatten(config)));
  const paths = [...new Set(maps.flatMap((map) => [...map.keys()]))];
  const rows = paths
    .map((path) => [path, ...maps.map((map) => map.get(path) ?? "-")])
    .filter(([, ...values]) => new Set(values).size > 1);
  return rows.length === 0 ? undefined : table(["", ...names], rows, "text");
}

function formatJson(value: Json): string {
  if (value === null) return "none";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((item) => !isObject(item) && !Array.isArray(item)))
    return value.length === 0 ? "none" : value.map(formatJson).join(", ");
  return JSON.stringify(value);
}
