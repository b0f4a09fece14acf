import type { HostArray } from "../../src/core/array.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { compileSampler, type DrawRequest } from "../../src/diffusion/sample.ts";
import type { SamplerSpec } from "../../src/diffusion/sampler-program.ts";
import { constantWeights } from "../../src/nn/parameters.ts";
import { mask } from "../../src/operators/kinds/mask.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { type Case, levelsOf, NOISE_VARIANCE, networkOf } from "../cases.ts";
import { readInputs, sampleStreams, weightsOf } from "../inputs.ts";
import type { Task } from "./task.ts";

/** Draws of the prior. */
export async function priorTask(one: Case, input: string, threads: number): Promise<Task> {
  const { spec } = sampling(one, input);
  return await drawing(one, spec, {}, threads);
}

/** Draws of the posterior by MMPS, which is the E-step. @param draws batches drawn in one run */
export async function eStepTask(one: Case, input: string, threads: number, draws = 1): Promise<Task> {
  const { spec, prior, inputs } = sampling(one, input);
  const posterior: SamplerSpec = {
    ...spec,
    conditions: { y: one.shape, mask: one.maskShape },
    denoiser: ({ y, mask: m }, observe) =>
      mmps(prior, { operator: mask(m!), y: y!, variance: NOISE_VARIANCE }, { cgSteps: one.cgSteps, observe }),
  };
  return await drawing(one, posterior, { y: inputs.y!, mask: inputs.mask! }, threads, draws);
}

function sampling(one: Case, input: string) {
  const inputs = readInputs(input);
  const prior: Denoiser = precondition(networkOf(one), constantWeights(weightsOf(inputs)));
  const spec: SamplerSpec = {
    sampler: "ddpm",
    shape: one.shape,
    batch: one.batch,
    turns: one.turns,
    denoiser: () => prior,
  };
  return { inputs, prior, spec };
}

/** Noise is drawn inside the timed run, as it is in use. */
async function drawing(
  one: Case,
  spec: SamplerSpec,
  conditions: Readonly<Record<string, HostArray<"float32">>>,
  threads: number,
  draws = 1,
): Promise<Task> {
  const sampler = await compileSampler(spec, { threads });
  const request = (): DrawRequest => ({
    streams: sampleStreams(one.batch),
    levels: levelsOf(one),
    conditions,
  });
  const { samples, status } = await sampler.draw(request());
  return {
    // Where the solver breaks down it stops, and peers may go on: then results differ, and nobody need wonder why.
    results: { samples, ...(status && { breakdown: status.breakdown }) },
    run: async () => {
      for (let k = 0; k < draws; k++) await sampler.draw(request());
    },
  };
}
