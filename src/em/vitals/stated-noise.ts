import { DataError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import { kindsOf, type ObservationSet } from "../../data/observations/observation-set.ts";
import type { Observations } from "../../data/observations/observations.ts";

/** Numbers looked at, at most; those together, and their observations. */
const ENOUGH = 2 ** 22;
const TOGETHER = { numbers: 2 ** 18, observations: 256 } as const;
/**
 * Least mean of y^2 over the stated variance. Independent noise adds its variance to y^2, so 1 and more is expected; here the
 * noise is stated ten times as wide as all that was measured.
 */
const LEAST = 0.01;

/**
 * Compares the stated noise of each kind with its first observations: what is stated far wider than they are leaves nothing to learn from,
 * and figures without meaning.
 * @throws DataError with the variance that the measurements would bear
 */
export async function checkStatedNoise(observations: ObservationSet): Promise<void> {
  for (const { observations: own } of kindsOf(observations)) await checkKind(own);
}

async function checkKind({ path, count, header, read }: Observations): Promise<void> {
  const size = sizeOf(header.observationShape);
  const end = Math.min(count, Math.max(1, Math.ceil(ENOUGH / size)));
  const step = Math.max(1, Math.min(TOGETHER.observations, Math.floor(TOGETHER.numbers / size)));
  let [ratios, squares, seen] = [0, 0, 0];
  for (let first = 0; first < end; first += step) {
    const { y, noiseVariance } = await read(first, Math.min(first + step, end));
    for (const [at, value] of y.data.entries()) {
      if (value === 0) continue; // a mask hides it
      ratios += value ** 2 / (noiseVariance?.data[at] ?? Number(header.noiseVariance));
      squares += value ** 2;
      seen++;
    }
  }
  if (ratios >= LEAST * seen) return;
  throw new DataError(
    `${path}: expected measurements at least as wide as their noise, found a noise of ${Math.sqrt(seen / ratios).toPrecision(2)} times their root mean square. State its true variance: at most ${(squares / seen).toPrecision(2)} for all of them.`,
  );
}
