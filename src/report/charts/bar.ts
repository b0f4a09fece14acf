/** One horizontal bar that shows how a whole divides into parts. */

import { html, type Markup, trusted } from "../html.ts";
import { colour } from "./labels.ts";

export interface Part {
  readonly name: string;
  readonly value: number;
}

/** A stacked bar with a key below: name, value and percentage. Parts that are not positive are left out. */
export function stackedBar(parts: readonly Part[], format: (value: number) => string): Markup {
  const shown = parts.filter(({ value }) => value > 0 && Number.isFinite(value));
  const total = shown.reduce((sum, { value }) => sum + value, 0);
  if (total === 0) return html`<p class="soft">No values yet.</p>`;
  const percent = (value: number) => `${Math.round((100 * value) / total)} %`;
  const pieces = shown.map(({ name, value }, i) => {
    const title = html`${name}: ${format(value)}`;
    return `<div style="flex:${(value / total).toFixed(4)} 0 0;background:${colour(i)}" title="${title}"></div>`;
  });
  const keys = shown.map(
    ({ name, value }, i) =>
      html`<span><span class="swatch" style="background:${trusted(colour(i))}"></span>${name} ${format(value)} <span class="soft">(${percent(value)})</span></span>`,
  );
  return html`<div class="bar" role="img" aria-label="${shown.map((p) => `${p.name} ${percent(p.value)}`).join(", ")}">${trusted(pieces.join(""))}</div>
<div class="key">${keys}</div>`;
}
