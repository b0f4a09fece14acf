import { type Evidence, isLowerBound, NATS, perNumber, rise, slackOf } from "../evidence.ts";
import { type Curves, type Finding, judge, levelOf, unknown, type Verdict } from "../verdict.ts";

/** What the start (0) and the iterations of a run make of the same held-out observations, as far as it was measured. */
export type Course = readonly {
  readonly iteration: number;
  /** A figure of each observation that grows as the prior becomes better, and how many numbers it is a sum over. */
  readonly values: Evidence;
}[];

/** Share of the iterations over which a rise still counts. */
const LAST = 1 / 4;

/** What a fair CRPS grows by, relative to the right prediction's, if a normal number's predicted variance is off by a factor f. */
const crpsExcess = (f: number) => Math.sqrt(2 * (1 + f)) - Math.sqrt(f) - 1;
/** That of the tolerance of the noise's verdict. */
const SCORE = crpsExcess(1.3);

/** A measure of priors by which convergence is judged. */
interface Measure {
  readonly name: string;
  readonly axis: string;
  readonly unit: string;
  readonly caption: string;
  /** What more training may still bring, where the measure has ended. */
  readonly tolerance: (end: number) => number;
}

const EVIDENCE: Measure = {
  name: "evidence",
  axis: "evidence",
  unit: "nats per number",
  caption: "Evidence log q(y) in nats per measured number, over the iterations.",
  tolerance: () => NATS,
};

const PREDICTIONS: Measure = {
  name: "score of predictions",
  axis: "-score",
  unit: "(CRPS, with its sign turned)",
  caption: "How well hidden numbers are predicted over the iterations, -CRPS; higher is better.",
  tolerance: (end) => SCORE * Math.abs(end),
};

/**
 * Has the run converged? EM climbs the evidence log q(y) of observations that it was not trained on; a rise over the last quarter
 * of the iterations beyond its error means that more of them would bring more (Student's t of the paired differences). Where
 * the evidence is a lower bound only, or is not measured, predictions of hidden numbers take its place. What a single iteration
 * brought tells nothing of the next: it is doubtful if it brought anything for certain, and unknown otherwise.
 * @param scores their signs turned
 */
export function convergence(evidence: Course, scores: Course): Verdict {
  const told = evidence.filter(({ values }) => !isLowerBound(slackOf(values)));
  const last = Math.max(0, ...[...evidence, ...scores].map(({ iteration }) => iteration));
  const isWhole = (course: Course) => course.length > 1 && course.at(-1)!.iteration === last;
  if (isWhole(told)) return judgeRise(told, EVIDENCE);
  if (isWhole(scores)) return judgeRise(scores, PREDICTIONS);
  return unknown(
    "convergence",
    "no observations were held out.",
    "Hold observations out (em.validation), at least 32 of at least 128.",
  );
}

const REMEDY = "Go on: diem train --resume with more --minutes, or a greater em.iterations.";

function judgeRise(course: Course, { name, unit, tolerance, ...shown }: Measure): Verdict {
  const end = course.at(-1)!;
  const earlier = course[Math.min(course.length - 2, Math.floor((course.length - 1) * (1 - LAST)))]!;
  const { mean, error, freedom } = rise(earlier.values, end.values);
  const told = `from iteration ${earlier.iteration} to ${end.iteration} the ${name} of held-out observations rose by ${mean.toPrecision(2)} ${unit}`;
  const finding: Finding = {
    ...{ value: mean, expected: 0, error, freedom, oneSided: true },
    tolerance: tolerance(perNumber(end.values).mean),
    because: `${told}.`,
    remedy: REMEDY,
  };
  const verdict = judge("convergence", [finding], [coursePicture(course, shown)]);
  if (end.iteration > 1 || verdict.level === "wrong") return verdict;
  const hasRisen = levelOf({ ...finding, tolerance: 0 }, 1) === "wrong";
  const because = `${told}; nothing tells what a second iteration would bring.`;
  return { ...verdict, level: hasRisen ? "doubtful" : "unknown", because, remedy: REMEDY };
}

/** A measure over the iterations, with two standard errors. */
function coursePicture(course: Course, { caption, axis }: Pick<Measure, "caption" | "axis">): Curves {
  const levels = course.map(({ iteration, values }) => ({ iteration, ...perNumber(values) }));
  return {
    caption,
    x: "EM iteration (0 is the start)",
    y: axis,
    lines: [
      {
        name: "held out",
        points: levels.map(({ iteration, mean }) => [iteration, mean]),
        band: levels.map(({ iteration, mean, error }) => [iteration, mean - 2 * error, mean + 2 * error]),
      },
    ],
  };
}
