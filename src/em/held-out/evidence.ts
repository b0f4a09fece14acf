import { hostArray } from "../../core/array.ts";
import { kindsOf, type ObservationSet } from "../../data/observations/observation-set.ts";
import {
  type Evidence,
  evidenceGains,
  gaussianEvidence,
  isLowerBound,
  perNumber,
  rise,
  slackOf,
  withGains,
} from "../../trust/evidence.ts";
import type { TrainConfig } from "../config/config.ts";
import type { Context } from "../context.ts";
import { withNoise } from "../noise.ts";
import { isPictured } from "../pictured.ts";
import type { EvidenceFigures } from "../run/iteration-figures.ts";
import type { RunFolder } from "../run/run-folder.ts";
import { readSealed, writeSealed } from "../run/sealed.ts";
import { watched } from "../show.ts";

/** Draws of each held-out observation: a pair, see `combineDraws`. */
const PAIR = 2;

/**
 * Draws of each held-out observation that tell the evidence after iteration k. A U-Net's are dear, and nothing is decided by
 * evidence, so it is told where pictures are made: after every iteration it took a seventh of a run on 8 x 8 images.
 */
export function evidenceDraws({ network, em }: TrainConfig, k: number): number {
  return network.type === "mlp" || isPictured(k, em.iterations) ? PAIR : 0;
}

/** Of iteration k, whose weights are on the disk; undefined if it is not told: see `evidenceDraws`, or no observations are held out, or their operator is not linear. */
export async function evidenceFigures(context: Context, k: number): Promise<EvidenceFigures | undefined> {
  if (!context.heldOut || !isLinear(context.heldOut)) return undefined;
  if (k > 0 && evidenceDraws(context.config, k) === 0) return undefined;
  const found = await evidenceOf(context, k);
  const { mean, error } = perNumber(found);
  const slack = found.slack && { slack: slackOf(found) };
  if (isLowerBound(slack?.slack)) return { mean, ...slack };
  return { mean, error, ...(k > 0 && changeFigures(await evidenceOf(context, 0), found)), ...slack };
}

/** The rise over the start, if the start's evidence is no lower bound. */
function changeFigures(start: Evidence, found: Evidence): Pick<EvidenceFigures, "change" | "changeError"> {
  if (isLowerBound(slackOf(start))) return {};
  const { mean, error } = rise(start, found);
  return { change: mean, changeError: error };
}

function isLinear(observations: ObservationSet): boolean {
  return kindsOf(observations).every(({ observations: { family } }) => family.linear !== false);
}

const FILE = "evidence.safetensors";

/** The evidence of an iteration's prior, if it is on the disk. */
export async function readEvidence(run: RunFolder, k: number): Promise<Evidence | undefined> {
  if (!(await run.has(k, FILE))) return undefined;
  const { tensors } = await readSealed(run.file(k, FILE), "the evidence");
  return mapValues(tensors, ({ data }) => data) as unknown as Evidence; // as written below
}

/** The evidence of an iteration's prior, computed unless it is on the disk. */
async function evidenceOf(context: Context, k: number): Promise<Evidence> {
  const { run } = context;
  const known = await readEvidence(run, k);
  if (known) return known;
  const evidence = await compute(context, k);
  const array = (values: Float64Array) => hostArray("float64", [values.length], values);
  await writeSealed(run.file(k, FILE), mapValues({ ...evidence }, array));
  return evidence;
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

/** In closed form for a Gaussian; what a network's prior gains over it is told by draws, from the same streams each time. */
async function compute(context: Context, k: number): Promise<Evidence> {
  const { run, rng, engine, ...noisy } = await withNoise(context, k);
  const observations = noisy.heldOut!;
  const own = rng.split("evidence");
  const model = await run.readModel(k);
  const isOfStart = k > 0 && !run.beginsWithNetwork && context.config.em.noise !== "estimate";
  const gaussian = isOfStart
    ? await evidenceOf(context, 0)
    : await gaussianEvidence(model, observations, own, engine);
  if (!model.parameters) return gaussian;
  const choice = { ...run.eStep, batch: Math.min(run.eStep.batch, observations.count) };
  const options = {
    ...watched(context, k, "Evidence"),
    draws: PAIR,
    stream: (index: number, s: number) => own.split(index, s),
  };
  return withGains(gaussian, await evidenceGains(model, observations, choice, options, engine));
}
