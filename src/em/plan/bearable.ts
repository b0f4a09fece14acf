import { mostEntries, type ObservationSet } from "../../data/observations/observation-set.ts";
import { totalFlops } from "../../graph/arithmetic.ts";
import { input } from "../../graph/index.ts";
import { buildNetwork, type TrainConfig } from "../config/config.ts";
import { heldOutCount } from "../course.ts";
import { firstGuided, type RunParts } from "../given-prior.ts";
import { allocate, isAmple } from "./allocate.ts";
import { coarser } from "./coarser.ts";
import { type Rates, type Sizes, secondsOf } from "./duration.ts";

/** Floating-point operations a second that a laptop gives: measured on two cores, 4e10 to 1e11. */
const LAPTOP_SPEED = 5e10;
/** Seconds that a laptop can bear. */
const BEARABLE_SECONDS = 1800;

/** How many observations a run trains on and holds out, and when it draws. */
export function sizesOf(
  config: TrainConfig,
  { count }: Pick<ObservationSet, "count">,
  parts: RunParts = {},
): Sizes {
  const heldOut = heldOutCount(config, count);
  return { training: count - heldOut, heldOut, firstGuided: firstGuided(parts) };
}

/** Rates of a laptop by the arithmetic of the network: a product with its Jacobian, or a gradient, costs as much as a pass. */
export function countedRates(
  { network, eStep, mStep }: TrainConfig,
  observations: ObservationSet,
  own: RunParts = {},
): Rates {
  const { latentShape } = observations.header;
  const { parameters, apply } = own.network ?? buildNetwork(network, latentShape);
  const weights = Object.fromEntries(parameters.map(({ name, shape }) => [name, input(shape)]));
  const pass = totalFlops([apply(weights, input([1, ...latentShape]), input([1]))]) / LAPTOP_SPEED;
  const { particles, cgSteps } = eStep;
  const passes = particles > 1 ? particles * (1 + mostEntries(observations)) : 1 + cgSteps;
  return {
    start: () => 0,
    draw: (eStep.steps + 1) * passes * pass,
    step: 3 * mStep.batch * pass,
    compile: 0,
  };
}

/**
 * The configuration with fewer iterations, draws and optimizer steps where a laptop would take more than half an hour, and a
 * coarser network where even so few would be too short. Only what is counted decides, no clock, so the same data give the
 * same defaults everywhere.
 * @param kept see `allocate`
 */
export function bearable(
  config: TrainConfig,
  observations: ObservationSet,
  kept: ReadonlySet<string>,
  parts: RunParts = {},
): TrainConfig {
  const sizes = sizesOf(config, observations, parts);
  const rates = countedRates(config, observations, parts);
  if (secondsOf(config, sizes, rates) <= BEARABLE_SECONDS) return config;
  const own = allocate(config, sizes, rates, BEARABLE_SECONDS, kept);
  if (isAmple(own, sizes, rates, BEARABLE_SECONDS, kept)) return own;
  const faster = coarser(config, observations.header.latentShape, kept, parts);
  return faster ? bearable(faster, observations, kept, parts) : own;
}
