/** Writes schema/run.schema.json and the tables of docs/configuration.md from the built package: npm run config-docs. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const { configSchema, configTables } = await import(join(root, "dist/em/config/schema.js"));
mkdirSync(join(root, "schema"), { recursive: true });
writeFileSync(join(root, "schema/run.schema.json"), `${JSON.stringify(configSchema(), null, 2)}\n`);
const page = join(root, "docs/configuration.md");
const [intro] = readFileSync(page, "utf8").split("<!-- fields -->\n");
writeFileSync(page, `${intro}<!-- fields -->\n\n${configTables()}`);
