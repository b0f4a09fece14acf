import { test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { mlp } from "../../src/nn/mlp.ts";
import { evidenceGains, gaussianEvidence, perNumber, rise, withGains } from "../../src/trust/evidence.ts";
import { drawMixture, gaussianOf, mixtureEvidence, observed, randomMixture } from "./truths.ts";

test("lab", { timeout: 600000 }, async () => {
  for (const N of [2, 16, 64]) for (const K of [1, 3]) for (const kind of ["mask", "matrix"] as const) for (const variance of [1e-4, 1e-2]) for (const T of [32]) {
    const rng = new Rng(7 + N + K);
    const q = randomMixture(rng.split("q"), K, N);
    const g = gaussianOf(q, N === 2 ? 1 : 2);
    const n = 64;
    const x = drawMixture(q, rng.split("x"), n);
    const { observations, operators, seen } = observed(x, kind, variance, rng.split("y"));
    const truth = operators.map((A, i) => mixtureEvidence(q, A, seen[i]!, variance));
    const widest = Math.sqrt(g.diagonal.data[0]! + Array.from(g.factor.data).reduce((a, b) => a + b * b, 0));
    const model = { network: { shape: [N] } as any, parameters: undefined, gaussian: g, denoiser: mixtureDenoiser(q), base: "gaussian" as const, schedule: { sigmaMin: Math.min(Math.sqrt(variance) / 6, 1e-2), sigmaMax: 4 * widest } };
    const began = performance.now();
    const base = await gaussianEvidence(model, observations, rng.split("base"));
    const M = operators[0]!.rows;
    const t1 = performance.now();
    const gains = await evidenceGains(model, observations, { sampler: "multistep", covariance: "tweedie", steps: T, batch: n, cgSteps: Math.min(6, M + 2) }, { draws: 2, stream: (i, s) => rng.split("draw", i, s) });
    const found = withGains(base, gains);
    const exact = { each: Float64Array.from(truth), measured: base.measured };
    const p = (e: any) => `${e.mean.toFixed(4)}+-${e.error.toFixed(4)}`;
    const off = rise(exact, found);
    console.log(N, K, kind, variance, T, "truth", p(perNumber(exact)), "gauss", p(rise(exact, base)), "off", p(off), (off.mean / off.error).toFixed(2), "ms", (t1 - began).toFixed(0), (performance.now() - t1).toFixed(0));
  }
});
