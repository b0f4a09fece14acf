/** What is measured: networks, batches and the number of steps that one timed run takes. */
import type { Shape } from "../src/core/shape.ts";
import { noiseLevels } from "../src/diffusion/schedule.ts";
import {
  buildNetwork,
  defaultConfig,
  type MStepConfig,
  mergeConfig,
  type NetworkConfig,
} from "../src/em/config/config.ts";
import type { Network } from "../src/nn/network.ts";

/** Names of the networks that are measured. */
export const CASES = ["demo", "medium", "mlp"] as const;
export type CaseName = (typeof CASES)[number];

/** One network with the sizes that its E-step, M-step and prior samples are measured at. */
export interface Case {
  readonly name: CaseName;
  readonly shape: Shape;
  /** Shape of the mask of one observation. */
  readonly maskShape: Shape;
  readonly network: NetworkConfig;
  /** Samples drawn together. */
  readonly batch: number;
  /** Conjugate-gradient steps of MMPS. */
  readonly cgSteps: number;
  /** Steps of the sampler in one timed draw; the evaluations are one more (see `noiseLevels`). */
  readonly steps: number;
  /** Steps of the sampler in one run of the engine, as `em/model.ts` chooses them. */
  readonly turns: number;
  /** Optimizer steps in one timed run. */
  readonly optimizerSteps: number;
  readonly mStep: MStepConfig;
}

/** Noise levels of all cases: the demo's. */
export const SCHEDULE = { sigmaMin: 0.01, sigmaMax: 20 } as const;

/** Variance of the observations' noise. */
export const NOISE_VARIANCE = 1e-4;

const unet = { type: "unet", base: "normal", embedding: 64, dropout: 0 } as const;

const NETWORKS: Readonly<Record<CaseName, NetworkConfig>> = {
  demo: { ...unet, channels: [32, 64], blocks: [1, 1], heads: [0, 0], patch: 2 },
  medium: { ...unet, channels: [64, 128, 192], blocks: [2, 2, 2], heads: [0, 0, 0], patch: 1 },
  mlp: { type: "mlp", base: "normal", width: 256, blocks: 3, embedding: 64 },
};

const SIZES: Readonly<Record<CaseName, Omit<Case, "name" | "network" | "mStep">>> = {
  demo: sizes([1, 28, 28], [1, 28, 28], 64, 1, 12, 1, 12),
  medium: sizes([3, 32, 32], [1, 32, 32], 32, 1, 1, 1, 2),
  mlp: sizes([5], [5], 1024, 2, 63, 64, 200),
};

function sizes(
  shape: Shape,
  maskShape: Shape,
  batch: number,
  cgSteps: number,
  steps: number,
  turns: number,
  optimizerSteps: number,
): Omit<Case, "name" | "network" | "mStep"> {
  return { shape, maskShape, batch, cgSteps, steps, turns, optimizerSteps };
}

/** The case of that name. */
export function caseNamed(name: CaseName): Case {
  const size = SIZES[name];
  // Batches and settings of a real M-step; augmentation, which is not the engine's work, is off by default.
  const { mStep } = mergeConfig(defaultConfig(size.shape, 12_000), {
    mStep: { learningRate: [1e-3, 1e-3, 1e-3] },
  });
  return { name, ...size, network: NETWORKS[name], mStep };
}

/** The network of a case. */
export function networkOf({ network, shape }: Case): Network {
  return buildNetwork(network, shape);
}

/** Noise levels of one timed draw. */
export function levelsOf({ steps }: Case): number[] {
  return noiseLevels(SCHEDULE, steps);
}
