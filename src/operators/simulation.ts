import type { Kind } from "../core/kinds.ts";
import type { Rng } from "../core/random.ts";
import type { Shape } from "../core/shape.ts";
import type { Size } from "./kinds/places.ts";
import type { OperatorSpec } from "./spec.ts";

/** A way to simulate measurements of latents: an operator, whose data are drawn for each latent if it has any. */
export type Corruption =
  /** Deletes entries with probability `deleted` (0.75); `maskShape` as in `corruptMask`. */
  | { readonly name: "mask"; readonly deleted?: number; readonly maskShape?: Shape }
  /** Deletes a box at a random place, at least `margin` (0) places from the edges; a size of one number holds for all axes. */
  | { readonly name: "box"; readonly size: Size; readonly margin?: number }
  /** Projections on `measurements` directions, uniform on the unit sphere. */
  | { readonly name: "matrix"; readonly measurements: number }
  /** Keeps a window, which is centred unless `start` gives its first place. */
  | { readonly name: "crop"; readonly size: Size; readonly start?: Size }
  | { readonly name: "subsample"; readonly step: number }
  | { readonly name: "average-pool"; readonly size: number }
  /** Blurs with one Gaussian kernel for all latents, of `size` places along each axis. */
  | { readonly name: "gaussian-blur"; readonly size: number; readonly deviation: number }
  /** Blurs each image along a random path; `intensity` (0.5) goes from 0, straight, to 1, crooked. */
  | { readonly name: "motion-blur"; readonly size: number; readonly intensity?: number }
  /** Keeps random columns of k-space, 1 / acceleration of them on average. */
  | { readonly name: "fourier"; readonly acceleration: number };

/** The operator that a corruption stands for. */
export interface CorruptionPlan {
  readonly operator: OperatorSpec;
  /** Draws the operator's data for one observation, by name. Left out: it has none. */
  readonly draw?: (rng: Rng) => Readonly<Record<string, Float32Array>>;
}

/** One corruption by name. */
export interface Simulation {
  readonly name: Corruption["name"];
  /** Its options on the command line; those with a question mark may be left out. */
  readonly options: Readonly<Record<string, Kind<unknown>>>;
  /** @throws ConfigError if the corruption does not fit the latents, or an option is out of range */
  readonly plan: (corruption: Corruption, latentShape: Shape) => CorruptionPlan;
}

/** A simulation whose plan takes the corruption of its name. */
export function simulation<Name extends Corruption["name"]>(
  name: Name,
  options: Simulation["options"],
  plan: (corruption: Extract<Corruption, { name: Name }>, latentShape: Shape) => CorruptionPlan,
): Simulation {
  // `planCorruption` finds simulations by the corruption's name.
  return { name, options, plan: plan as Simulation["plan"] };
}
