/** A network of one's own and a posterior method of one's own in a run: what is code is given again to whoever opens the run. */
import { type ConfigChanges, float32, observationsInMemory, openRun, Rng, train } from "diem";
import { add, concat, expand, matmul, reshape, tanh } from "diem/graph";
import type { Network } from "diem/nn";
import { type MakePosterior, mmps } from "diem/posterior";

/** h(x, ln sigma) = V tanh(W [x, ln sigma] + b); V begins at zero, so that the network begins as the Gaussian start. */
const network: Network = {
  name: "two layers",
  shape: [4],
  parameters: [
    { name: "W", shape: [5, 32], bound: 0.4 },
    { name: "b", shape: [32], bound: 0 },
    { name: "V", shape: [32, 4], bound: 0 },
  ],
  dropoutRate: 0,
  apply: ({ W, b, V }, x, logSigma) => {
    const level = expand(reshape(logSigma, [-1, 1]), [x.shape[0]!, 1]);
    return matmul(tanh(add(matmul(concat([x, level], 1), W!), b!)), V!);
  },
};
const patient: MakePosterior = (denoiser, measurement) => mmps(denoiser, measurement, { cgSteps: 4 });

const rng = new Rng(0);
const normals = (...shape: number[]) =>
  float32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal()),
    shape,
  );
const observations = observationsInMemory({
  y: normals(64, 2),
  data: { matrix: normals(64, 2, 4) },
  noiseVariance: 0.01,
});
const config: ConfigChanges = {
  em: { iterations: 1 },
  eStep: { steps: 4, particles: 1 },
  mStep: { steps: 10, finalSteps: 10, batch: 8 },
  figures: { gallery: 2, prior: 4, priorSteps: 4 },
};
await train(observations, { out: "runs/own", config, network, method: patient });
const run = await openRun("runs/own", { network, method: patient });
for await (const { samples } of run.sample({ count: 4 })) console.log("samples", samples.shape);
