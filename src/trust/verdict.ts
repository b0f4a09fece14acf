import type { HostArray } from "../core/array.ts";
import { studentQuantile, studentTail } from "./tails.ts";

/** The questions that a check answers, in this order. */
export const VERDICTS = [
  "calibration",
  "noise",
  "operator",
  "convergence",
  "overfitting",
  "sampler",
  "prior",
  "identifiability",
  "shift",
] as const;
export type VerdictName = (typeof VERDICTS)[number];

/** How much there is to worry about; `unknown` where the measurements cannot tell. */
export type Level = "ok" | "doubtful" | "wrong" | "unknown";

/** A line of a picture: points, and an interval about each. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly band?: readonly (readonly [x: number, low: number, high: number])[];
}

/** What a verdict shows, as numbers; the page draws it. */
export type Picture = Curves | EntryMap;

/** One number for each entry of a latent. */
export interface EntryMap {
  readonly caption: string;
  /** [1, ...latent] */
  readonly map: HostArray<"float32">;
}

/** Lines over an axis. */
export interface Curves {
  readonly caption: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  readonly reference?: { readonly y: number; readonly label: string };
  readonly log?: boolean;
}

/** An answer to one question. */
export interface Verdict {
  readonly name: VerdictName;
  readonly level: Level;
  /** What was measured, what it would be if nothing were wrong, and the standard error of the difference. */
  readonly value: number | null;
  readonly expected: number | null;
  readonly error: number | null;
  /** A sentence with what was found. */
  readonly because: string;
  /** What to do; empty if nothing is to be done. */
  readonly remedy: string;
  readonly pictures: readonly Picture[];
}

/** One figure that a verdict rests on. */
export interface Finding {
  readonly value: number;
  readonly expected: number;
  /** Standard error of value - expected, over observations: numbers of one observation depend on each other. */
  readonly error: number;
  /** Degrees of freedom behind the error. */
  readonly freedom: number;
  /** The largest difference that harms nobody. Smaller ones are no fault, however certain. */
  readonly tolerance: number;
  /** Probability of what was found if nothing were wrong, where Student's t does not say it. */
  readonly probability?: number;
  /** Only values that are too large are a fault. */
  readonly oneSided?: true;
  readonly because: string;
  readonly remedy: string;
}

/** Probability that a check of a faultless run names any fault at all. */
const FALSE_ALARMS = 0.05;

/**
 * The level of a finding. The question is whether a difference d of error e exceeds its tolerance T:
 *   wrong     d - T is beyond chance: the fault is larger than what may be tolerated
 *   doubtful  d is beyond chance and larger than T, but may be as small as T
 *   unknown   neither, but e > T: a fault that matters could not have been seen
 *   ok        otherwise
 * Beyond chance means a probability below 0.05 / 9 / k, so that all 9 verdicts together raise a false alarm in at most one
 * of 20 checks.
 * @param k findings of the same verdict, over all the questions that it answers
 */
export function levelOf(finding: Finding, k: number): Level {
  const { value, expected, error, freedom, tolerance, oneSided } = finding;
  const difference = oneSided ? value - expected : Math.abs(value - expected);
  if (!Number.isFinite(difference) || !(error >= 0) || !(freedom > 0)) return "unknown";
  const chance = FALSE_ALARMS / VERDICTS.length / k;
  const { probability = studentTail(difference / error, freedom) } = finding;
  if (difference > tolerance && probability < chance)
    return difference - tolerance > studentQuantile(chance, freedom) * error ? "wrong" : "doubtful";
  return error > tolerance ? "unknown" : "ok";
}

/**
 * The verdict that findings come to. The first one answers the question; the others are tests that see special faults better, and
 * count where they raise an alarm: then the worst does, and of equals the one that exceeds its error the most.
 * @param questions of this name that are asked, of other observations each: see `worstOf`
 */
export function judge(
  name: VerdictName,
  findings: readonly Finding[],
  pictures: readonly Picture[],
  questions = 1,
): Verdict {
  const k = questions * findings.length;
  const judged = findings.map((finding) => ({ finding, level: levelOf(finding, k) }));
  const excess = ({ value, expected, error }: Finding) => Math.abs(value - expected) / error;
  const alarms = (["wrong", "doubtful"] as const).flatMap((level) =>
    judged
      .filter((one) => one.level === level)
      .sort((one, other) => excess(other.finding) - excess(one.finding)),
  );
  const { finding, level } = alarms[0] ?? judged[0]!;
  const { value, expected, error, because, remedy } = finding;
  return {
    name,
    level,
    value: finiteOrNull(value),
    expected,
    error: finiteOrNull(error),
    because: level === "unknown" ? `Too little is known: ${because}` : because,
    remedy: remedyOf(level, remedy),
    pictures,
  };
}

const WORST_FIRST: readonly Level[] = ["wrong", "doubtful", "unknown", "ok"];

/** The worst of the verdicts of one name on several kinds of observations, and the pictures of all. @param each at least one */
export function worstOf(each: readonly { readonly of: string; readonly verdict: Verdict }[]): Verdict {
  if (each.length === 1) return each[0]!.verdict;
  const worst = WORST_FIRST.flatMap((level) => each.filter(({ verdict }) => verdict.level === level))[0]!;
  const pictures = each.flatMap(({ of, verdict }) =>
    verdict.pictures.map((picture) => ({ ...picture, caption: `${of}: ${picture.caption}` })),
  );
  return { ...worst.verdict, because: `${worst.of}: ${worst.verdict.because}`, pictures };
}

function remedyOf(level: Level, remedy: string): string {
  if (level === "ok") return "";
  return level === "unknown"
    ? "More observations that were not trained on, or a longer run, would tell."
    : remedy;
}

/** A question that has no answer here. */
export function unknown(name: VerdictName, because: string, remedy = ""): Verdict {
  const nothing = { value: null, expected: null, error: null, pictures: [] };
  return { name, level: "unknown", ...nothing, because, remedy };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
