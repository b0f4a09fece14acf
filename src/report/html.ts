/** HTML by template strings that escape whatever is put into them. */
import { createHash } from "node:crypto";
import { CSS } from "./style.ts";

/** A piece of HTML that is safe to insert. Only `html` and `trusted` make one. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** What may stand in a template: text is escaped, lists are joined, null, undefined and false vanish. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** html`<p>${anything}</p>`: the values are escaped, the literal parts are not. */
export function html(literals: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(literals.map((literal, i) => literal + render(values[i])).join(""));
}

/** Declares text that diem itself made (SVG, CSS) to be HTML. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

export function escapeHtml(text: string): string {
  const ENTITIES: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * What a page may do, whatever a run's files contain: nothing from elsewhere, and no script but the given one, which may ask the server
 * that it came from.
 */
export function policy(script?: string): string {
  const base = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
  if (script === undefined) return base;
  return `${base}; connect-src 'self'; script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`;
}

/** A whole page, with the policy above. @param script runs at its end */
export function page(title: string, body: Content, script?: string): string {
  return `<!doctype html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy(script))}">
<title>${title}</title>
<style>${trusted(CSS)}</style>
</head>
<body>
<main>
${body}
</main>
${script !== undefined && html`<script>${trusted(script)}</script>\n`}</body>
</html>`}\n`;
}

/** A section with a heading, or nothing if it has no content. */
export function section(heading: string, ...content: readonly Content[]): Content {
  const inner = render(content);
  return inner === "" ? null : html`<section>\n<h2>${heading}</h2>\n${trusted(inner)}\n</section>\n`;
}

/** A figure with its caption below. */
export function figure(content: Content, caption: Content, kind = ""): Markup {
  return html`<figure class="${kind}">\n${content}\n<figcaption>${caption}</figcaption>\n</figure>\n`;
}

/** A table that scrolls sideways on narrow screens. The first column heads its rows. */
export function table(head: readonly Content[], rows: readonly (readonly Content[])[], kind = ""): Markup {
  const body = rows.map(
    ([first, ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>\n`,
  );
  return html`<div class="scroll"><table class="${kind}">
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>
${body}</tbody>
</table></div>
`;
}

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "string") return escapeHtml(value);
  return typeof value === "number" ? String(value) : value.map(render).join("");
}
