import { check, oneOf } from "../../core/kinds.ts";
import type { PosteriorChoice } from "../../inference/posterior-denoiser.ts";
import { DIFFPIR_DEFAULTS } from "../../posterior/diffpir.ts";
import { PIGDM_DEFAULTS } from "../../posterior/pigdm.ts";

/** A posterior method with its variant, as it is compared. */
export interface BenchmarkMethod {
  readonly name: string;
  /** What to give to `posteriorSampler`; undefined for twisted sampling, which is no denoiser. */
  readonly choice?: Omit<PosteriorChoice, "cgSteps">;
  /** Steps of its solver: "given" by the comparison, or a number of its own; absent without a solver. */
  readonly solverSteps?: "given" | number;
  /** Vector-Jacobian products for each evaluation of the network. */
  readonly products: (solverSteps: number) => number;
}

const one = () => 1;

/** The methods that are compared. Those whose solver needs no network have steps of their own: they are nearly free. */
export const BENCHMARK_METHODS: readonly BenchmarkMethod[] = [
  {
    name: "mmps",
    choice: { method: "mmps", covariance: "tweedie", solver: "cg" },
    solverSteps: "given",
    products: (steps) => steps,
  },
  {
    name: "mmps-gmres",
    choice: { method: "mmps", covariance: "tweedie", solver: "gmres" },
    solverSteps: "given",
    products: (steps) => steps,
  },
  ...(["sigma-t", "identity", "sigma-x"] as const).map((covariance) => ({
    name: covariance,
    choice: { method: "mmps", covariance, solver: "cg" } as const,
    solverSteps: "given" as const,
    products: one,
  })),
  { name: "dps", choice: { method: "dps", covariance: "tweedie" }, products: one },
  {
    name: "pigdm",
    choice: { method: "pigdm", covariance: "tweedie" },
    solverSteps: PIGDM_DEFAULTS.cgSteps,
    products: one,
  },
  { name: "tmpd", choice: { method: "tmpd", covariance: "tweedie" }, products: () => 2 },
  {
    name: "diffpir",
    choice: { method: "diffpir", covariance: "tweedie" },
    solverSteps: DIFFPIR_DEFAULTS.cgSteps,
    products: () => 0,
  },
  // Per particle; its products are one for each measurement, which the task tells.
  { name: "tds", products: () => 0 },
];

/** The names of `BENCHMARK_METHODS`. */
export const BENCHMARK_METHOD_NAMES = BENCHMARK_METHODS.map(({ name }) => name);

/** The method of that name. @throws ConfigError naming those that there are */
export function benchmarkMethod(method: string): BenchmarkMethod {
  const found = check(oneOf(BENCHMARK_METHOD_NAMES), method, "benchmark: method");
  return BENCHMARK_METHODS.find(({ name }) => name === found)!; // one of them
}

/** The solver's steps with which a method is compared; [undefined] without a solver. */
export function solverStepsOf(
  { solverSteps }: BenchmarkMethod,
  given: readonly number[],
): (number | undefined)[] {
  return solverSteps === "given" ? [...given] : [solverSteps];
}
