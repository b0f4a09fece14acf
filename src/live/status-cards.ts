/** How runs stand, a card for each: state, stage with its speed and the time that it will still take, loss. */

import { formatMoment, formatNumber, formatSeconds } from "../report/format.ts";
import { type Content, html } from "../report/html.ts";
import type { Progress } from "../report/read-status.ts";
import type { Glance } from "./glance.ts";

export function statusCards(glances: readonly Glance[]): Content {
  if (glances.length === 0) return html`<p class="soft">No run there yet.</p>`;
  return html`<div class="cards live">\n${glances.map(card)}</div>`;
}

function card({ place, name, status, pages }: Glance): Content {
  const below = place === "" ? "" : `${encodeURIComponent(place)}/`;
  const state = status?.state ?? "unknown";
  const links = pages.map((page) => html` · <a href="${below}${page}">${page}</a>`);
  return html`<div class="card">
<p><span class="state ${state}">${state}</span><strong>${below ? html`<a href="${below}">${name}</a>` : name}</strong></p>
${status?.message && html`<p>${status.message}</p>`}
${status?.progress && stage(status.progress, state === "running")}
<p><span>${status?.updatedAt ? `as of ${formatMoment(status.updatedAt)}` : "not begun"}${links}</span></p>
</div>
`;
}

/** @param isGoing whether somebody works on it still */
function stage(progress: Progress, isGoing: boolean): Content {
  const { stage: name, iteration, iterations, done, total, unit, loss } = progress;
  const where = iteration > 0 && `Iteration ${iteration} of ${iterations}: `;
  const parts = [
    `${formatNumber(Math.floor(done))} of ${formatNumber(total)} ${unit}`,
    ...(isGoing ? paceOf(progress) : []),
    ...(loss === undefined ? [] : [`loss ${formatNumber(loss)}`]),
  ];
  return html`<p>${where}${name}</p>
<progress value="${done}" max="${total}"></progress>
<p>${parts.join(" · ")}</p>
`;
}

function paceOf({ done, total, unit, perSecond }: Progress): string[] {
  if (!perSecond) return [];
  const left = Math.ceil((total - done) / perSecond);
  return [`${formatNumber(Number(perSecond.toPrecision(3)))} ${unit}/s`, `${formatSeconds(left)} left`];
}
