import { estimateOf, jackknife, meanOf } from "../clusters.ts";
import type { Answers } from "../held-out/answers.ts";
import { studentTail } from "../tails.ts";
import type { Trial } from "../trial.ts";
import { type Finding, judge, type Verdict } from "../verdict.ts";

/** A half of all numbers are predicted with twice the error of the others: (1 + 4) / 2 over ((1 + 2) / 2)^2. */
const SCATTER = Math.log(2.5 / 1.5 ** 2);
/** An entry of y is predicted with twice the error of the others. */
const ENTRY = 1;
/** Residuals of an entry of y have 1.3 times the variance of the others': latents follow what is wrong in part. */
const RESIDUAL = 0.3;
/** What the verdict looks at of a trial. */
export type OperatorTrial = Pick<Trial, "answers" | "residuals">;

/** Numbers of an entry that suffice to judge it: with fewer, their mean is not yet normal. */
const FEWEST = 8;

/**
 * Is A the operator that measured? Noise that is stated wrong makes all predictions miss alike; a wrong operator makes some miss
 * far more than others. With z = (y_2 - mean of the predictions) / their deviation for each hidden number, and those of twins,
 * observations simulated with this operator, tested are
 *   scatter   ln mean z^2 / (mean |z|)^2, less that of the twins (jackknife over observations): it is the same whatever the size
 *             of all errors, ln pi / 2 for normal ones, and grows where some are larger than others
 *   entries   the mean of |z| / mean |z| over each entry of y, less that of the twins, and the same of squares of the residuals of
 *             the numbers that were shown: the largest (Student's t, Bonferroni over entries)
 * @param questions see `judge`
 */
export function operator(trial: OperatorTrial, twins: OperatorTrial, questions = 1): Verdict {
  const found = trial.answers.map(errorsOf);
  const expected = twins.answers.map(errorsOf);
  const sums = (row: readonly number[]) => [row.length, sum(row), sum(row.map((value) => value ** 2))];
  const scatter = ([n, first, second]: readonly number[]) => Math.log((second! * n!) / first! ** 2);
  const excess = jackknife(
    found.map((row, i) => [...sums(row), ...sums(expected[i]!)]),
    (mean) => scatter(mean.slice(0, 3)) - scatter(mean.slice(3)),
  );
  const byEntry = ({ answers }: OperatorTrial, errors: readonly (readonly number[])[]) =>
    answers.map(({ entries }, i) => new Map(entries.map((entry, at) => [entry, errors[i]![at]!])));
  const hidden = worstEntry(byEntry(trial, found), byEntry(twins, expected));
  const shown = worstEntry(trial.residuals, twins.residuals);
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
      because: `among hidden numbers, errors of predictions differ in size ${text(Math.exp(excess.mean))} times as much as they would with this operator, whatever the noise.`,
      remedy,
    },
  ];
  if (hidden)
    findings.push({
      ...hidden,
      tolerance: ENTRY,
      because: `hidden numbers of entry ${hidden.entry} of y are missed ${text(1 + hidden.value)} times as much as they would be with this operator, compared with the others.`,
      remedy,
    });
  if (shown)
    findings.push({
      ...shown,
      tolerance: RESIDUAL,
      because: `residuals of entry ${shown.entry} of y have ${text(1 + shown.value)} times the variance that they would have with this operator, compared with the others.`,
      remedy,
    });
  const picture = {
    caption:
      "Errors of predictions of hidden numbers over their predicted deviations, in order of size, beside those of twins. A curve of another shape, not only at another height, points to the operator.",
    x: "share of hidden numbers",
    y: "|error| / predicted deviation",
    lines: [sizes("observations", found), sizes("twins", expected)],
    log: true,
  };
  return judge("operator", findings, [picture], questions);
}

/** |z| of each hidden number. */
function errorsOf({ measured, predictions }: Answers): number[] {
  const S = predictions.length;
  return measured.map((value, at) => {
    const own = predictions.map((prediction) => prediction[at]!);
    const mean = meanOf(own);
    const squares = own.reduce((total, prediction) => total + (prediction - mean) ** 2, 0) / (S - 1);
    return Math.abs(value - mean) / Math.sqrt(squares);
  });
}

/** The entry of y whose values, over the mean of all, exceed those of the twins the most. */
function worstEntry(
  found: readonly ReadonlyMap<number, number>[],
  expected: readonly ReadonlyMap<number, number>[],
) {
  const meanOfAll = (rows: readonly ReadonlyMap<number, number>[]) =>
    meanOf(rows.flatMap((row) => [...row.values()]));
  const [size, own] = [meanOfAll(found), meanOfAll(expected)];
  const differences = new Map<number, number[]>();
  for (const [i, row] of found.entries())
    for (const [entry, value] of row) {
      const all = differences.get(entry) ?? [];
      all.push(value / size - expected[i]!.get(entry)! / own);
      differences.set(entry, all);
    }
  const enough = [...differences].filter(([, values]) => values.length >= FEWEST);
  if (enough.length < 2) return undefined;
  const judged = enough.map(([entry, values]) => ({ entry, ...estimateOf(values) }));
  const { entry, mean, error, freedom } = judged.sort((a, b) => b.mean / b.error - a.mean / a.error)[0]!;
  const alone = mean > 0 ? studentTail(mean / error, freedom) / 2 : 1;
  return {
    entry,
    ...{ value: mean, expected: 0, error, freedom, oneSided: true as const },
    probability: Math.min(1, enough.length * alone),
  };
}

function sizes(name: string, rows: readonly (readonly number[])[]) {
  const all = rows.flat().sort((a, b) => a - b);
  const shown = Math.min(60, all.length);
  const points = Array.from({ length: shown }, (_, k) => {
    const share = (k + 0.5) / shown;
    return [share, all[Math.floor(share * all.length)]!] as const;
  });
  return { name, points };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const text = (value: number) => String(Number(value.toPrecision(2)));
