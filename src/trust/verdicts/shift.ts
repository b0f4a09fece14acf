import type { Rng } from "../../core/random.ts";
import { estimateOf } from "../clusters.ts";
import type { Features } from "../features.ts";
import { energyTest } from "../two-sample.ts";
import { judge, type Verdict } from "../verdict.ts";
import { distanceFinding, ENERGY, energyPicture } from "./prior.ts";

/** H of a mean that is off by a quarter of a deviation, d^2 / 4. */
const TOLERANCE = 0.25 ** 2 / 4;

/**
 * Do these observations look like those that the prior was learned from? Compared are, of the two sets, what the Gaussian start
 * makes of each, E[x | y] (energy test, labels permuted), and how unlikely it finds each, ln (y - A mean)' S^-1 (y - A mean)
 * (Welch's t). Observations through other operators look different, too.
 */
export function shift(observed: Features, learned: Features, rng: Rng): Verdict {
  const means = energyTest(observed.means, learned.means, false, rng);
  const [here, there] = [estimateOf(observed.energies), estimateOf(learned.energies)];
  const ratio = Math.exp(here.mean - there.mean);
  const remedy =
    "Learn a prior from these observations, or from both sets: a prior says nothing of what it was not learned from.";
  const text = (value: number) => String(Number(value.toPrecision(2)));
  return judge(
    "shift",
    [
      {
        value: here.mean - there.mean,
        expected: 0,
        error: Math.hypot(here.error, there.error),
        freedom: Math.min(here.freedom, there.freedom),
        tolerance: ENERGY,
        because: `these observations scatter ${text(ratio)} times as widely (in variance) as those learned from.`,
        remedy,
      },
      distanceFinding(
        means,
        TOLERANCE,
        `these observations are apart from those learned from by ${text(means.distance)} of the energy distance.`,
        remedy,
      ),
    ],
    [energyPicture(observed, learned, ["these observations", "those learned from"])],
  );
}
