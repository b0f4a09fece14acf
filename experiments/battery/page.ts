/** The report of the battery. */
import { html, page, section, table } from "../../src/report/html.ts";
import { TABLE_HEADS, tableRows } from "./table.ts";
import type { TaskResult } from "./task.ts";

export function batteryPage(results: readonly TaskResult[]): string {
  const seeds = new Set(results.map(({ seed }) => seed)).size;
  return page("Battery", [
    html`<header><h1>Battery: learned priors against exact truths</h1>
<p class="lead">Each row is a distribution that is known exactly, seen through an operator and noise, and learned with default settings; ${seeds} seed${seeds === 1 ? "" : "s"}.</p></header>\n`,
    section(
      "Cells",
      table(TABLE_HEADS, tableRows(results)),
      html`<p class="soft">Noise: its mean variance over that of what is measured. Start, end, clean: energy distance of prior samples from the truth for the Gaussian start, the run's result, and the same network after the same M-steps on clean latents. Coverage of 90 % intervals, spread (variance of posterior draws over the exact posterior's), error (of posterior means, over the best possible), ranks (probability of ranks as uneven).</p>`,
    ),
  ]);
}
