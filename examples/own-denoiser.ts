/** A denoiser of one's own as a prior, and posterior draws from it: no run, no training, no files. */
import { compilePosterior, drawAll, float32, type Model, observationsInMemory, Rng } from "diem";
import { type Denoiser, VE_DEFAULTS } from "diem/diffusion";
import { div, reshape, square, tanh } from "diem/graph";

/** E[x | x_t] where each entry of x is -1 or 1: tanh(x_t / sigma_t^2). */
const denoiser: Denoiser = (x_t, sigma_t) => tanh(div(x_t, reshape(square(sigma_t), [-1, 1])));

const model: Model = {
  denoiser,
  network: { shape: [2], parameters: [], dropoutRate: 0, apply: (_, x) => x },
  parameters: undefined,
  gaussian: { mean: float32([0, 0]), diagonal: float32([1, 1]), factor: float32([0, 0], [2, 1]) },
  base: "normal",
  schedule: { ...VE_DEFAULTS, sigmaMax: 10 },
};
// The sum of both entries is 2: both are 1.
const observations = observationsInMemory({
  y: float32([2], [1, 1]),
  data: { matrix: float32([1, 1], [1, 1, 2]) },
  noiseVariance: 0.01,
});
await using posterior = await compilePosterior(model, observations, {
  sampler: "ddpm",
  steps: 64,
  batch: 1,
  covariance: "tweedie",
  cgSteps: 2,
});
const rng = new Rng(0);
const x = await drawAll(posterior, [0, 1], { stream: (index) => rng.split(index) });
console.log("x", x.data);
if (x.data.some((value) => Math.abs(value - 1) > 0.2)) throw new Error("both entries should be 1");
