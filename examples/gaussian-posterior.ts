/** Draws from the posterior of a Gaussian with MMPS, and compares them with the closed form. */
import { float32 } from "diem";
import { type Gaussian, gaussianDenoiser } from "diem/diffusion";
import { compile, input } from "diem/graph";
import { mask } from "diem/operators";
import { mmps } from "diem/posterior";

// x = (x1, x2) with variances 1 and covariance 0.9; only x1 is measured.
const gaussian: Gaussian = {
  mean: float32([0, 0]),
  factor: float32([Math.sqrt(0.9), Math.sqrt(0.9)], [2, 1]),
  diagonal: float32([0.1, 0.1]),
};
const [x, sigma, y, pixels] = [input([1, 2]), input([1]), input([1, 2]), input([1, 2])];
const posterior = mmps(
  gaussianDenoiser(gaussian),
  { operator: mask(pixels), y, variance: 0.01 },
  { cgSteps: 2 },
);
const program = await compile({ inputs: { x, sigma, y, pixels }, outputs: { mean: posterior(x, sigma) } });
// At very large noise x_t says nothing, and the denoised mean is the posterior's: Sigma A' (A Sigma A' + 0.01)^-1 y.
const { mean } = await program.run({
  x: float32([0, 0], [1, 2]),
  sigma: float32([1000]),
  y: float32([1, 0], [1, 2]),
  pixels: float32([1, 0], [1, 2]),
});
await program.release();
const expected = [1 / 1.01, 0.9 / 1.01];
console.log("mean", mean.data, "expected", expected);
if (expected.some((value, i) => Math.abs(Number(mean.data[i]) - value) > 1e-3))
  throw new Error("they differ");
