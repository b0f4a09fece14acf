/** What follows from the table of fields: a JSON Schema for editors, and tables for people. */

import type { JsonSchema } from "../../core/kinds.ts";
import type { DataShape, Field } from "./field.ts";
import { GROUPS, RUN_FIELDS } from "./fields.ts";
import { NETWORKS } from "./network.ts";

type Fields = Readonly<Record<string, Field<unknown>>>;

/** A data set for the defaults that are shown: images with even sides, many of them. */
const TYPICAL: DataShape = { latentShape: [1, 28, 28], count: 10_000 };

/** The JSON Schema of a configuration file, draft 7, which editors know best. A file may leave out any field. */
export function configSchema(): JsonSchema {
  const networks = Object.entries(NETWORKS).map(([type, fields]) =>
    object(fields as unknown as Fields, { type: { const: type } }),
  );
  const groups = Object.entries(GROUPS).map(([key, fields]) => [key, object(fields as unknown as Fields)]);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of a run of diem",
    ...object(RUN_FIELDS as unknown as Fields, {
      $schema: { type: "string", description: "this schema, for editors" },
      network: { anyOf: networks },
      ...Object.fromEntries(groups),
    }),
  };
}

function object(fields: Fields, more: JsonSchema = {}): JsonSchema {
  const properties = Object.entries(fields).map(([key, { kind, fallback, meaning, reason, unit }]) => [
    key,
    {
      description: `${meaning}${unit ? ` (unit: ${unit})` : ""}. Default: ${reason}.`.replaceAll("`", ""),
      ...kind.schema,
      ...(typeof fallback !== "function" && { default: fallback }),
    },
  ]);
  return {
    type: "object",
    additionalProperties: false,
    properties: { ...more, ...Object.fromEntries(properties) },
  };
}

/** The fields as Markdown tables, one for each group. */
export function configTables(): string {
  const parts: [title: string, prefix: string, fields: object][] = [
    ["The run", "", RUN_FIELDS],
    ...Object.entries(NETWORKS).map(([type, fields]): [string, string, object] => [
      `\`network\` with \`"type": "${type}"\``,
      "network.",
      fields,
    ]),
    ...Object.entries(GROUPS).map(([key, fields]): [string, string, object] => [
      `\`${key}\``,
      `${key}.`,
      fields,
    ]),
  ];
  return parts.map(([title, prefix, fields]) => section(title, prefix, fields as Fields)).join("\n");
}

function section(title: string, prefix: string, fields: Fields): string {
  const rows = Object.entries(fields).map(([key, field]) => {
    const { kind, meaning, reason, unit } = field;
    const values = kind.expected.replace(/^an? /, "");
    const stated = `${values}${unit ? `; unit: ${unit}` : ""}`;
    const cells = [`\`${prefix}${key}\``, stated, fallbackText(field), meaning, reason];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return `### ${title}\n\n| field | values | default | meaning | why this default |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
}

function fallbackText({ fallback, fallbackText: words }: Field<unknown>): string {
  if (words !== undefined) return words;
  const value = typeof fallback === "function" ? fallback(TYPICAL) : fallback;
  return typeof value === "string" ? `\`${value}\`` : JSON.stringify(value).replaceAll(",", ", ");
}
