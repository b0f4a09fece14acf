import { ddim } from "./samplers/ddim.ts";
import { ddpm } from "./samplers/ddpm.ts";
import { euler } from "./samplers/euler.ts";
import { heun } from "./samplers/heun.ts";
import type { SamplerMethod, SamplerOptions } from "./samplers/method.ts";
import { multistep } from "./samplers/multistep.ts";
import { pc } from "./samplers/pc.ts";

/** Makes a sampler from the options that it knows. */
export type SamplerFactory = (options?: SamplerOptions) => SamplerMethod;

const FACTORIES = { ddpm, ddim, euler, heun, pc, multistep } as const satisfies Record<
  string,
  SamplerFactory
>;
/** Names of the samplers. */
export type SamplerName = keyof typeof FACTORIES;

/** The samplers by name. */
export const SAMPLERS: Readonly<Record<SamplerName, SamplerFactory>> = FACTORIES;
