import type { FitSize } from "../../gaussian/start.ts";
import { mergeConfig, type TrainConfig } from "../config/config.ts";
import { drawsOf, fixedSeconds, type Rates, type Sizes, secondsOf, stepsOf } from "./duration.ts";

/**
 * Iterations that are tried, from the most on: many short ones reach further than few long ones. Less than `few` only where the
 * shortest ones would take longer than there is time for: to judge a prior takes its time, however few are drawn for.
 */
const ITERATIONS = { most: 24, few: 4, least: 2 } as const;
/**
 * Time of the start, at most; of the E-steps, the rest is the M-steps'; and of the last M-step, of that. A start of a larger rank may take
 * half of a run whose iterations are too short anyway: of 16^3 volumes in 10 minutes, rank 64 errs 5.2 times as much as the Wiener
 * filter, rank 256 1.25 times, and what a network learns in the rest is hundredths.
 */
const SHARES = { start: 0.2, dearStart: 0.5, eSteps: 1 / 3, lastMStep: 1 / 3 } as const;
/** An iteration shorter than this is too short: rather fewer of them. */
const ENOUGH = { images: 128, vectors: 512, steps: 100 } as const;
/** What the start and every iteration have, however little time there is. */
const LEAST = { fitted: 64, rank: 8, draws: 16, steps: 10 } as const;
/**
 * Passes over its draws after which an M-step, and the last one, learns only those draws. A U-Net does so sooner: of digits
 * of 8 x 8 pixels 10 to 20 passes left honest intervals (91 % for 90 %), 56 narrow ones (58 %).
 */
const PASSES = { vectors: { each: 100, last: 300 }, images: { each: 16, last: 48 } } as const;

const passesOf = ({ network }: TrainConfig) => (network.type === "mlp" ? PASSES.vectors : PASSES.images);

/** Fields that follow from the time there is. */
export const ALLOCATED = [
  "start.rank",
  "start.observations",
  "em.iterations",
  "em.observations",
  "em.finalObservations",
  "mStep.steps",
  "mStep.finalSteps",
] as const;

/**
 * The configuration with the `ALLOCATED` fields chosen so that the run takes about so many seconds: the Gaussian start at
 * most a fifth (half, where a smaller rank would fit and iterations are too short), then E-steps and M-steps one to two, the last M-step a third of theirs. As many iterations as have
 * enough draws and steps each, 4 to 24, or fewer where even the shortest take too long. Where M-steps would only learn the same draws by heart, E-steps take the rest of the
 * time; with all observations drawn for, the run is shorter. It is longer than there is time for where the least is.
 * @param kept paths of fields that stay as they are, such as "em.iterations"
 */
export function allocate(
  config: TrainConfig,
  sizes: Sizes,
  rates: Rates,
  seconds: number,
  kept: ReadonlySet<string>,
): TrainConfig {
  const plan = (startShare: number) => {
    const start = fittedSize(config.start, rates, [startShare * seconds, SHARES.start * seconds], kept);
    return allocateRest(mergeConfig(config, { start }), sizes, rates, seconds, kept);
  };
  const usual = plan(SHARES.start);
  if (usual.start.rank === config.start.rank || isAmple(usual, sizes, rates, seconds, kept)) return usual;
  return plan(SHARES.dearStart);
}

/** The same with the start chosen. */
function allocateRest(
  config: TrainConfig,
  sizes: Sizes,
  rates: Rates,
  seconds: number,
  kept: ReadonlySet<string>,
): TrainConfig {
  const candidates: number[] = [];
  for (let K: number = ITERATIONS.most; K >= ITERATIONS.few; K--) candidates.push(K);
  const counts = kept.has("em.iterations") ? [config.em.iterations] : candidates;
  const fill = (K: number) => fillIterations(config, K, sizes, rates, seconds, kept);
  const isBearable = (K: number) => secondsOf(fill(K), sizes, rates) <= seconds;
  const enough = counts.find((K) => isEnough(fill(K), sizes, kept) && isBearable(K));
  let K = enough ?? counts.at(-1)!;
  while (K > ITERATIONS.least && !kept.has("em.iterations") && !isBearable(K)) K--;
  return fill(K);
}

/**
 * The largest rank of which some observations at least can be fitted to, and how many: of a smooth signal each direction that is
 * missing costs more than what more observations tell of those that are there.
 * @param limits seconds that those few may take at the largest rank, and as many as there are
 */
function fittedSize(
  { rank, observations }: FitSize,
  { start }: Rates,
  [forRank, forAll]: readonly [number, number],
  kept: ReadonlySet<string>,
): FitSize {
  const isFixed = kept.has("start.observations");
  const fewest = isFixed ? observations : Math.min(LEAST.fitted, observations);
  let r = rank;
  if (!kept.has("start.rank"))
    while (r > LEAST.rank && start({ rank: r, observations: fewest }) > forRank) r = Math.ceil(r / 2);
  if (isFixed) return { rank: r, observations };
  const fits = (n: number) => start({ rank: r, observations: n }) <= forAll;
  return { rank: r, observations: mostThat(fewest, observations, fits) };
}

/** The largest whole number of a range that fits; its least if none does. */
function mostThat(least: number, most: number, fits: (n: number) => boolean): number {
  let [known, beyond] = [least, most + 1];
  while (beyond - known > 1) {
    const n = Math.floor((known + beyond) / 2);
    if (fits(n)) known = n;
    else beyond = n;
  }
  return known;
}

/** Whether each iteration has draws and steps enough to learn from. */
function isEnough(config: TrainConfig, { training }: Sizes, kept: ReadonlySet<string>): boolean {
  const { em, mStep, network } = config;
  const draws = Math.min(training, network.type === "mlp" ? ENOUGH.vectors : ENOUGH.images);
  return (
    (kept.has("em.observations") || em.observations >= draws) &&
    (kept.has("mStep.steps") ||
      mStep.steps >= Math.min(ENOUGH.steps, mostSteps(passesOf(config).each, em, training, mStep.batch)))
  );
}

/** Whether a configuration that `allocate` chose has iterations of draws and steps enough, in the time that there is. */
export function isAmple(
  config: TrainConfig,
  sizes: Sizes,
  rates: Rates,
  seconds: number,
  kept: ReadonlySet<string>,
): boolean {
  return isEnough(config, sizes, kept) && secondsOf(config, sizes, rates) <= seconds;
}

/** Draws and steps for K iterations. */
function fillIterations(
  config: TrainConfig,
  K: number,
  sizes: Sizes,
  rates: Rates,
  seconds: number,
  kept: ReadonlySet<string>,
): TrainConfig {
  const base = mergeConfig(config, { em: { iterations: K } });
  const left = Math.max(0, seconds - fixedSeconds(base, sizes, rates));
  const stepsAreKept = kept.has("mStep.steps") && kept.has("mStep.finalSteps");
  const filled = (em: object) => {
    const drawn = mergeConfig(base, { em });
    const rest = Math.max(0, left - drawsOf(drawn, sizes) * rates.draw);
    return mergeConfig(drawn, { mStep: steps(drawn, sizes, rest / rates.step, kept) });
  };
  const fits = (em: object) => {
    const config = filled(em);
    const drawing = drawsOf(config, sizes) * rates.draw;
    return (!stepsAreKept && drawing <= SHARES.eSteps * left) || drawing + most(config) * rates.step <= left;
  };
  /** Steps of M-steps that are as long as their draws bear. */
  const most = (config: TrainConfig) =>
    stepsOf(mergeConfig(config, { mStep: steps(config, sizes, Number.MAX_SAFE_INTEGER, kept) }));
  return filled(draws(base, sizes, fits, kept));
}

/** The most observations for each iteration that fit. */
function draws(base: TrainConfig, sizes: Sizes, fits: (em: object) => boolean, kept: ReadonlySet<string>) {
  const ofLast = base.network.type === "mlp" ? 1 : 2;
  const fields = (n: number) => ({
    ...(!kept.has("em.observations") && { observations: n }),
    ...(!kept.has("em.finalObservations") && { finalObservations: Math.min(ofLast * n, sizes.training) }),
  });
  const least = Math.min(LEAST.draws, sizes.training);
  return fields(mostThat(least, sizes.training, (n) => fits(fields(n))));
}

/** Optimizer steps of each iteration and of the last, so many in all. */
function steps(config: TrainConfig, { training }: Sizes, all: number, kept: ReadonlySet<string>) {
  const { em, mStep } = config;
  const passes = passesOf(config);
  const within = (count: number, most: number) =>
    Math.max(LEAST.steps, Math.min(Math.floor(count), mostSteps(most, em, training, mStep.batch)));
  const others = em.iterations - 1;
  const ofOthers = kept.has("mStep.steps") ? others * mStep.steps : (1 - SHARES.lastMStep) * all;
  const last = kept.has("mStep.finalSteps")
    ? mStep.finalSteps
    : within(others === 0 ? all : all - ofOthers, passes.last);
  return {
    ...(!kept.has("mStep.finalSteps") && { finalSteps: last }),
    ...(!kept.has("mStep.steps") && others > 0 && { steps: within((all - last) / others, passes.each) }),
  };
}

/** Steps that pass so often over the draws of an M-step. */
function mostSteps(passes: number, em: TrainConfig["em"], training: number, batch: number): number {
  const each = em.observations === 0 ? training : Math.min(em.observations, training);
  return Math.ceil((passes * em.buffer * each) / batch);
}
