import type { Information, Told } from "../information.ts";
import { percent, TOLERATED } from "../rank-findings.ts";
import type { Level, Line, Verdict } from "../verdict.ts";

/** Observations from which a variance is known to .3 of itself, sqrt(2 / n) = .3: the tolerance of the noise's verdict. */
const ENOUGH = 2 / 0.3 ** 2;
/** Less than one observation tells nothing. */
const NEVER = 1;

/**
 * Can these measurements determine a prior at all? Counted in observations' worth (`informationOf`), each direction of latent space
 * must be seen often enough to know its variance, and each pair of entries (or second moment of principal directions) together:
 * what no observation shows, a learned prior takes from its start. It is a matter of the operators and the noise alone, and not of
 * chance:
 *   wrong      more than 5 % of the directions, or of the pairs, are told by less than one observation's worth
 *   doubtful   some are told by less than 22, so that not even their variance can be known to .3 of itself
 */
export function identifiability({ directions, pairs, entries, pairsOf }: Information): Verdict {
  const never = [shareBelow(directions, NEVER), shareBelow(pairs, NEVER)] as const;
  const hardly = [shareBelow(directions, ENOUGH), shareBelow(pairs, ENOUGH)] as const;
  const level = levelFor(Math.max(...never), Math.max(...hardly));
  const told = `${percent(hardly[0])} of all directions and ${percent(hardly[1])} of the ${pairsOf} are measured by less than ${Math.round(ENOUGH)} observations' worth`;
  const none = `${percent(never[0])} and ${percent(never[1])} by none`;
  return {
    name: "identifiability",
    level,
    value: Math.max(...hardly),
    expected: 0,
    error: 0,
    because: `${told}, ${none}.`,
    remedy:
      level === "ok"
        ? ""
        : "Measure with operators that differ from observation to observation, or take more observations; do not believe the prior along what is not measured.",
    pictures: [
      {
        caption:
          "How many observations' worth tell of each direction and of each pair, from the least; zero is drawn as a tenth.",
        x: "share of directions, of pairs",
        y: "observations' worth",
        lines: [spectrum("directions", directions), spectrum(pairsOf, pairs)],
        reference: { y: ENOUGH, label: "a variance known to .3 of itself" },
        log: true,
      },
      ...(entries ? [{ caption: "Observations' worth that tell of each entry.", map: entries }] : []),
    ],
  };
}

function levelFor(never: number, hardly: number): Level {
  if (never > TOLERATED.by) return "wrong";
  return hardly > 0 ? "doubtful" : "ok";
}

function shareBelow(told: readonly Told[], limit: number): number {
  return told.reduce((sum, { observations, share }) => sum + (observations < limit ? share : 0), 0);
}

function spectrum(name: string, told: readonly Told[]): Line {
  let before = 0;
  const points = told.map(({ observations, share }) => {
    const at = before + share / 2;
    before += share;
    return [at, Math.max(0.1, observations)] as const;
  });
  const step = Math.ceil(points.length / 100);
  return { name, points: points.filter((_, i) => i % step === 0) };
}
