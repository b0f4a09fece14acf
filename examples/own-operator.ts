/** An operator of one's own is a function of tensors; its adjoint follows by itself. */
import { float32 } from "diem";
import { mixtureDenoiser } from "diem/diffusion";
import { add, compile, input, slice } from "diem/graph";
import { adjoint, type LinearOperator } from "diem/operators";
import { mmps } from "diem/posterior";

/** Sums of neighbours: (x1 + x2, x2 + x3). */
const neighbours: LinearOperator = (x) => add(slice(x, 1, 0, 2), slice(x, 1, 1, 3));

const denoiser = mixtureDenoiser({
  weights: float32([0.5, 0.5]),
  means: float32([-1, -1, -1, 1, 1, 1], [2, 3]),
  variances: float32([0.01, 0.01, 0.01, 0.01, 0.01, 0.01], [2, 3]),
});
const [x, sigma, y] = [input([1, 3]), input([1]), input([1, 2])];
const posterior = mmps(denoiser, { operator: neighbours, y, variance: 1e-4 }, { cgSteps: 2 });
const program = await compile({
  inputs: { x, sigma, y },
  outputs: { mean: posterior(x, sigma), pulled: adjoint(neighbours, x, y) },
});
const { mean, pulled } = await program.run({
  x: float32([0.2, 0.1, 0.3], [1, 3]),
  sigma: float32([1]),
  y: float32([2, 2], [1, 2]),
});
await program.release();
console.log("mean", mean.data, "A' y", pulled.data);
if (pulled.data.join() !== "2,4,2") throw new Error("A' y should be 2, 4, 2");
