import { html, page, trusted } from "../report/html.ts";
import type { Parts } from "./view.ts";

/** Puts what the events bring in the place of what was shown. A browser connects again by itself. */
const SCRIPT = `
const events = new EventSource("events");
const lost = document.getElementById("lost");
events.onopen = () => { lost.hidden = true; };
events.onerror = () => { lost.hidden = false; };
for (const place of document.querySelectorAll("[data-live]"))
  events.addEventListener(place.id, ({ data }) => {
    const open = [...place.querySelectorAll("details")].map((details) => details.open);
    place.innerHTML = data;
    place.querySelectorAll("details").forEach((details, k) => { details.open = open[k] ?? false; });
  });
`;

/** The page with its parts as they are now. @param isBelow whether the page of all runs is above it */
export function livePage(title: string, parts: Parts, isBelow: boolean): string {
  const places = [...parts].map(([name, text]) => html`<div id="${name}" data-live>${trusted(text)}</div>\n`);
  return page(
    title,
    html`${isBelow && html`<p><a href="../">All runs</a></p>\n`}<p id="lost" class="alert" hidden>Not connected: diem has ended, or cannot be reached. This is how it stood.</p>
${places}`,
    SCRIPT,
  );
}
