/** The page of a check: what can be believed first, then each verdict with its pictures. */

import type { RunCheck } from "../../em/check.ts";
import type { Curves, EntryMap, Level, Picture, Verdict, VerdictName } from "../../trust/verdict.ts";
import { lineChart } from "../charts/chart.ts";
import { capitalize, count, formatNumber, formatSeconds } from "../format.ts";
import { type Content, figure, html, type Markup, page, section, table } from "../html.ts";
import { isImage, rangeOf, sideBySide } from "../pictures.ts";

/** What each verdict asks. */
const QUESTIONS: Readonly<Record<VerdictName, string>> = {
  calibration: "May the intervals be believed?",
  noise: "Is the noise level right?",
  operator: "Is the operator right?",
  convergence: "Has the run converged?",
  overfitting: "Does it know its training observations by heart?",
  sampler: "Does the E-step draw from the posterior?",
  prior: "Would the prior have produced these observations?",
  identifiability: "Can these measurements determine a prior?",
  shift: "Do these observations look like those learned from?",
};

const LEVELS: readonly Level[] = ["wrong", "doubtful", "unknown", "ok"];

export function checkPage(title: string, check: RunCheck): string {
  const { verdicts, sizes, seconds, iteration, trainedOn } = check;
  const prior = iteration === 0 ? "the start" : `the prior after iteration ${iteration}`;
  return page(`Check of ${title}`, [
    html`<header>
<h1>Check of ${title}</h1>
<p class="lead">${levelsInWords(verdicts)}</p>
<p>What measurements alone say of ${prior}. A verdict is <b>wrong</b> where a fault is beyond chance and larger than what harms nobody, <b>doubtful</b> where it may be as small as that, <b>unknown</b> where the measurements cannot tell. All nine together raise a false alarm in at most one of 20 checks.</p>
${trainedOn && html`<p class="alert">These observations were trained on, for the run held none out: verdicts on calibration and prior are too kind.</p>`}
</header>
`,
    section("Verdicts", verdictTable(verdicts)),
    ...verdicts.filter(({ pictures }) => pictures.length > 0).map(verdictSection),
    html`<p class="soft" style="margin-top:40px">Drawn: ${count(sizes.draws, "draw")} for each of ${count(sizes.observations, "observation")} and as many for their simulated twins; ${formatSeconds(seconds.check)}, beside ${formatSeconds(seconds.training)} of training.</p>`,
  ]);
}

/** How many verdicts have which level, and which are not ok: one sentence. */
export function levelsInWords(verdicts: readonly Verdict[]): string {
  const named = LEVELS.flatMap((level) => {
    const own = verdicts.filter((verdict) => verdict.level === level).map(({ name }) => name);
    return own.length === 0 ? [] : [`${level}: ${own.join(", ")}`];
  });
  return `${capitalize(named.join("; "))}.`;
}

function verdictTable(verdicts: readonly Verdict[]): Markup {
  return table(
    ["", "", "value", "expected", "error", "because", "what to do"],
    verdicts.map(({ name, level, value, expected, error, because, remedy }) => [
      name,
      badge(level),
      formatNumber(value),
      formatNumber(expected),
      formatNumber(error),
      capitalize(because),
      remedy,
    ]),
    "text verdicts",
  );
}

function badge(level: Level): Markup {
  return html`<span class="state ${level}">${level}</span>`;
}

function verdictSection({ name, level, because, pictures }: Verdict): Content {
  return section(
    QUESTIONS[name],
    html`<p>${badge(level)}${capitalize(because)}</p>`,
    html`<div class="charts">${pictures.map(drawn)}</div>`,
  );
}

function drawn(picture: Picture): Content {
  return "map" in picture ? mapFigure(picture) : curvesFigure(picture);
}

function curvesFigure({ caption, x, y, lines, reference, log = false }: Curves): Markup {
  const series = lines.map(({ name, points, band }) => ({ name, points, ...(band && { band }) }));
  return figure(
    lineChart({ x: { title: x }, y: { title: y, log }, series, ...(reference && { reference }) }),
    caption,
  );
}

/** An image, or one more line for vectors. */
function mapFigure({ caption, map }: EntryMap): Content {
  const [, ...latent] = map.shape;
  if (isImage(latent)) {
    const strip = { label: "observations' worth", images: map, range: rangeOf(undefined, [map]) };
    return figure(html`<div style="max-width:300px">${sideBySide([strip], 1)}</div>`, caption);
  }
  const points = Array.from(map.data, (value, j) => [j, value] as const);
  return figure(
    lineChart({
      x: { title: "entry", integer: true },
      y: { title: "observations' worth" },
      series: [{ name: "entries", points }],
    }),
    caption,
  );
}
