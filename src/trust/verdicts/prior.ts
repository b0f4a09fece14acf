import { hostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { frechetDistance } from "../../metrics/frechet.ts";
import { momentsOf } from "../../metrics/moments.ts";
import { estimateOf, jackknife } from "../clusters.ts";
import type { Features } from "../features.ts";
import { energyTest, type TwoSample } from "../two-sample.ts";
import { type Curves, type Finding, judge, type Verdict } from "../verdict.ts";

/** Whatever is measured may vary by 1.3 times the variance it should have: the tolerance of the noise's verdict. */
export const ENERGY = Math.log(1.3);
/** The energy distance H of such a variance (`energyTest`). */
const DISTANCE = 0.0022;
/** Entries behind the Frechet distance, at most. */
const MOST = 16;

/**
 * Would the prior have produced these observations? Samples of it, seen through the observations' own operators and noise
 * (twins, `makeTwins`), are compared with what was observed by what the Gaussian start N(mean, C) makes of both:
 *   E[x | y]                              energy test; of the same meaning whatever the operator. Under the right prior an
 *                                         observation and its twin are exchangeable, so swapping them at random is exact
 *   l = ln (y - A mean)' S^-1 (y - A mean), S = A C A' + Sigma_y    its mean, and its variance, which heavy tails raise
 * The Frechet distance, for comparison, has no test.
 */
export function prior(observed: Features, twins: Features, rng: Rng): Verdict {
  const means = energyTest(observed.means, twins.means, true, rng);
  const level = estimateOf(observed.energies.map((value, i) => value - twins.energies[i]!));
  const scatter = jackknife(
    observed.energies.map((value, i) => [value, value ** 2, twins.energies[i]!, twins.energies[i]! ** 2]),
    ([a, aa, b, bb]) => aa! - a! ** 2 - (bb! - b! ** 2),
  );
  const beside = frechetText(observed.means, twins.means);
  const findings: Finding[] = [
    {
      value: level.mean,
      expected: 0,
      error: level.error,
      freedom: level.freedom,
      tolerance: ENERGY,
      because: `observations scatter ${text(Math.exp(level.mean))} times as widely (in variance) as measured samples of the prior.`,
      remedy: REMEDY,
    },
    distanceFinding(
      means,
      DISTANCE,
      `samples of the prior, measured, are apart from the observations by ${text(means.distance)} of the energy distance${beside}.`,
      REMEDY,
    ),
    {
      value: scatter.mean,
      expected: 0,
      error: scatter.error,
      freedom: scatter.freedom,
      tolerance: ENERGY ** 2,
      because: `observations differ from each other in scatter otherwise than measured samples of the prior do (variance of ln energies: ${text(scatter.mean)} more).`,
      remedy: REMEDY,
    },
  ];
  return judge("prior", findings, [
    energyPicture(observed, twins, ["observations", "samples of the prior, measured"]),
  ]);
}

const REMEDY =
  "See the verdicts on noise and operator first; if they are ok, train longer, on more observations, or with a larger network.";

/** An energy test as a finding. */
export function distanceFinding(
  { distance, error, freedom, probability }: TwoSample,
  tolerance: number,
  because: string,
  remedy: string,
): Finding {
  return {
    value: distance,
    expected: 0,
    error,
    freedom,
    tolerance,
    probability,
    oneSided: true,
    because,
    remedy,
  };
}

/** How unlikely two sets are, in order. */
export function energyPicture(a: Features, b: Features, names: readonly [string, string]): Curves {
  const line = (name: string, { energies }: Features) => {
    const sorted = energies.map(Math.exp).sort((x, y) => x - y);
    const shown = Math.min(60, sorted.length);
    return {
      name,
      points: Array.from({ length: shown }, (_, k) => {
        const share = (k + 0.5) / shown;
        return [share, sorted[Math.floor(share * sorted.length)]!] as const;
      }),
    };
  };
  return {
    caption:
      "How unlikely the Gaussian start finds each observation, (y - A μ)' S⁻¹ (y - A μ) over the number of entries, in order of size.",
    x: "share of observations",
    y: "unlikeliness",
    lines: [line(names[0], a), line(names[1], b)],
    log: true,
  };
}

/** The Frechet distance over some entries, evenly spaced. */
function frechetText(a: readonly Float64Array[], b: readonly Float64Array[]): string {
  const D = Math.min(MOST, a[0]!.length, Math.floor(a.length / 4));
  if (D < 1) return "";
  const every = a[0]!.length / D;
  const moments = (rows: readonly Float64Array[]) => {
    const picked = rows.flatMap((row) => Array.from({ length: D }, (_, k) => row[Math.floor(k * every)]!));
    return momentsOf(hostArray("float64", [rows.length, D], Float64Array.from(picked)));
  };
  return ` (Fréchet distance ${text(frechetDistance(moments(a), moments(b)))} over ${D} entries)`;
}

const text = (value: number) => String(Number(value.toPrecision(2)));
