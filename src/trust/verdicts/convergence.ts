import { estimateOf } from "../clusters.ts";
import { type Curves, judge, unknown, type Verdict } from "../verdict.ts";

/** The evidence of the start (0) and of the iterations of a run, as far as it was measured. */
export type EvidenceCourse = readonly {
  readonly iteration: number;
  /** Mean log q(y) of held-out observations per measured number, in nats, and its standard error. */
  readonly mean: number;
  readonly error: number;
  /** log q(y) of each observation over the mean count of its numbers, where that was kept: differences are then paired. */
  readonly each?: Float64Array | undefined;
}[];

/** Observations behind an evidence, at least (`em.validation`). */
const FEWEST = 32;
/** Share of the iterations over which a rise still counts. */
const LAST = 1 / 4;
/**
 * Nats per measured number that more training may still bring: what a normal number's predicted variance being off by a factor f
 * costs is (f - 1 - ln f) / 2, .019 at f = 1.3, the tolerance of the noise's verdict.
 */
export const NATS = (0.3 - Math.log(1.3)) / 2;

/**
 * Has the run converged? EM climbs the evidence log q(y) of observations that it was not trained on; a rise over the last quarter
 * of the iterations beyond its error means that more of them would bring more (Student's t of the paired differences).
 */
export function convergence(course: EvidenceCourse): Verdict {
  const finite = course.filter(({ mean, error }) => Number.isFinite(mean) && Number.isFinite(error));
  if (finite.length < 2)
    return unknown(
      "convergence",
      "the evidence of held-out observations was not measured.",
      "Hold observations out (em.validation), at least 32 of at least 128.",
    );
  const end = finite.at(-1)!;
  const earlier = finite[Math.min(finite.length - 2, Math.floor((finite.length - 1) * (1 - LAST)))]!;
  const rise = end.mean - earlier.mean;
  const { error, freedom } = riseOf(earlier, end);
  return judge(
    "convergence",
    [
      {
        value: rise,
        expected: 0,
        error,
        freedom,
        tolerance: NATS,
        oneSided: true,
        because: `from iteration ${earlier.iteration} to ${end.iteration} the evidence of held-out observations changed by ${Number(rise.toPrecision(2))} nats per number.`,
        remedy: "Go on: diem train --resume with more --minutes, or a greater em.iterations.",
      },
    ],
    [evidencePicture(finite, "held out")],
  );
}

/** Error of a rise: of paired differences where there are any, else as if two sets of observations were behind it. */
function riseOf(earlier: EvidenceCourse[number], end: EvidenceCourse[number]) {
  const before = earlier.each;
  if (!before || !end.each || before.length !== end.each.length)
    return { error: Math.hypot(end.error, earlier.error), freedom: FEWEST - 1 };
  return estimateOf(end.each.map((value, i) => value - before[i]!));
}

/** Evidence over the iterations, with two standard errors. */
export function evidencePicture(course: EvidenceCourse, name: string): Curves {
  return {
    caption: "Evidence log q(y) in nats per measured number, over the iterations.",
    x: "EM iteration (0 is the start)",
    y: "evidence",
    lines: [
      {
        name,
        points: course.map(({ iteration, mean }) => [iteration, mean]),
        band: course.map(({ iteration, mean, error }) => [iteration, mean - 2 * error, mean + 2 * error]),
      },
    ],
  };
}
