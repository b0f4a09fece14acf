import { estimateOf, jackknife, meanOf } from "../clusters.ts";
import type { Answers } from "../held-out/answers.ts";
import { studentTail } from "../tails.ts";
import { type Finding, judge, type Verdict } from "../verdict.ts";

/** ln 4: some entries are predicted with twice the error of the others. */
const ENTRIES = Math.log(4);
/** (ln 4 / 2)^2: one half of all numbers are. */
const SCATTER = (Math.log(4) / 2) ** 2;
/** Numbers of an entry that suffice to judge it: with fewer, their mean is not yet normal. */
const FEWEST = 8;

/**
 * Is A the operator that measured? Noise that is stated wrong makes all predictions miss alike; a wrong operator makes some miss
 * far more than others. With z = (y_2 - mean of the predictions) / their deviation for each hidden number, and those of twins,
 * observations simulated with this operator,
 *   l = ln z^2 - mean ln z^2 of the twins
 * is the same on average everywhere, whatever its size. Tested are
 *   entries   the mean of l over each entry of y, less that over all: the largest (Student's t, Bonferroni over entries)
 *   scatter   Var(ln z^2) less that of the twins (jackknife over observations); ln z^2 of normal errors has pi^2 / 2
 */
export function operator(answers: readonly Answers[], twins: readonly Answers[]): Verdict {
  const found = answers.map(logErrors);
  const expected = twins.map(logErrors);
  const spread = (rows: readonly (readonly number[])[]) =>
    rows.map((row) => [row.length, sum(row), row.reduce((total, value) => total + value * value, 0)]);
  const variance = ([n, first, second]: readonly number[]) => second! / n! - (first! / n!) ** 2;
  const excess = jackknife(
    spread(found).map((row, i) => [...row, ...spread(expected)[i]!]),
    (mean) => variance(mean.slice(0, 3)) - variance(mean.slice(3)),
  );
  const worst = worstEntry(answers, found, expected);
  const remedy =
    "Check the operator's data: masks or rows that belong to another observation, a shift by a pixel, another convention of the Fourier transform or of signs.";
  const findings: Finding[] = [
    {
      value: excess.mean,
      expected: 0,
      error: excess.error,
      freedom: excess.freedom,
      tolerance: SCATTER,
      oneSided: true,
      because: `errors of predictions of hidden numbers scatter by ${text(excess.mean)} more than they would with this operator, whatever the noise (variance of ln z²).`,
      remedy,
    },
  ];
  if (worst)
    findings.push({
      value: worst.mean,
      expected: 0,
      error: worst.error,
      freedom: worst.freedom,
      tolerance: ENTRIES,
      oneSided: true,
      probability: Math.min(1, worst.tried * (worst.mean > 0 ? studentTail(worst.mean / worst.error, worst.freedom) / 2 : 1)),
      because: `hidden numbers of entry ${worst.entry} of y are missed by ${text(Math.exp(worst.mean / 2))} times as much as those of the others.`,
      remedy,
    });
  return judge("operator", findings, [
    {
      caption: "Errors of predictions of hidden numbers over their predicted deviations, in order of size, beside those of twins. A curve of another shape, not only at another height, points to the operator.",
      x: "share of hidden numbers",
      y: "|error| / predicted deviation",
      lines: [sizes("observations", found), sizes("twins", expected)],
      log: true,
    },
  ]);
}

/** ln z^2 of each hidden number. */
function logErrors({ measured, predictions }: Answers): number[] {
  const S = predictions.length;
  return measured.map((value, at) => {
    const own = predictions.map((prediction) => prediction[at]!);
    const mean = meanOf(own);
    const squares = own.reduce((total, prediction) => total + (prediction - mean) ** 2, 0) / (S - 1);
    // An error of zero, which numbers that were rounded have, would be infinitely far below the others.
    return Math.log(Math.max((value - mean) ** 2 / squares, 1e-6));
  });
}

/** The entry of y whose hidden numbers are missed the most, compared with all others. */
function worstEntry(
  answers: readonly Answers[],
  found: readonly (readonly number[])[],
  expected: readonly (readonly number[])[],
) {
  const centre = meanOf(found.flat()) - meanOf(expected.flat());
  const differences = new Map<number, number[]>();
  for (const [i, { entries }] of answers.entries())
    for (const [at, entry] of entries.entries()) {
      const own = differences.get(entry) ?? [];
      own.push(found[i]![at]! - expected[i]![at]! - centre);
      differences.set(entry, own);
    }
  const enough = [...differences].filter(([, values]) => values.length >= FEWEST);
  if (enough.length < 2) return undefined;
  const judged = enough.map(([entry, values]) => ({ entry, tried: enough.length, ...estimateOf(values) }));
  return judged.sort((a, b) => b.mean / b.error - a.mean / a.error)[0];
}

function sizes(name: string, rows: readonly (readonly number[])[]) {
  const all = rows.flat().sort((a, b) => a - b);
  const shown = Math.min(60, all.length);
  const points = Array.from({ length: shown }, (_, k) => {
    const share = (k + 0.5) / shown;
    return [share, Math.exp(all[Math.floor(share * all.length)]! / 2)] as const;
  });
  return { name, points };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const text = (value: number) => String(Number(value.toPrecision(2)));
