/** Learns from vectors in memory, stops half way, goes on, and draws from what was learned. */
import { type ConfigChanges, float32, isErrorOf, observationsInMemory, Rng, train } from "diem";

const rng = new Rng(0);
const [count, M, N] = [64, 2, 4];
const normals = (...shape: number[]) =>
  float32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal()),
    shape,
  );
const observations = observationsInMemory({
  y: normals(count, M),
  data: { matrix: normals(count, M, N) },
  noiseVariance: 0.01,
});
const config: ConfigChanges = {
  network: { width: 16, blocks: 1, embedding: 8 },
  start: { iterations: 3 },
  em: { iterations: 2 },
  eStep: { steps: 4 },
  mStep: { steps: 10, finalSteps: 10, batch: 8 },
  figures: { gallery: 2, prior: 4, priorSteps: 4 },
};
const controller = new AbortController();
try {
  await train(observations, {
    out: "runs/stopped",
    config,
    signal: controller.signal,
    onEvent: ({ stage }) => {
      if (stage === "M-step") controller.abort();
    },
  });
  throw new Error("the run was not stopped");
} catch (error) {
  if (!isErrorOf(error, "AbortedError")) throw error;
}
const run = await train(observations, { out: "runs/stopped", resume: true });
console.log("iterations", run.iterations);
