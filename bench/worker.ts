/** Our side of a measurement: a process that prepares a job, and then runs it as often as it is told. */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { encodeSafetensors } from "../src/nn/safetensors.ts";
import { loadEngine } from "../src/runtime/engine.ts";
import { caseNamed } from "./cases.ts";
import { scaled } from "./growth.ts";
import type { Job } from "./job.ts";
import { isOperation, operationTask } from "./tasks/operations.ts";
import { productTask } from "./tasks/product.ts";
import { eStepTask, priorTask } from "./tasks/sampling.ts";
import type { Task } from "./tasks/task.ts";
import { mStepTask } from "./tasks/training.ts";

async function prepare({ task, case: name, input, threads, scale }: Job): Promise<Task> {
  if (task === "product") return await productTask(threads);
  if (isOperation(task)) return await operationTask(task, input, threads);
  const one = caseNamed(name!);
  if (scale) return await eStepTask(scaled(one, scale), input, threads, scale.observations);
  const tasks = { eStep: eStepTask, mStep: mStepTask, prior: priorTask };
  return await tasks[task](one, input, threads);
}

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const job = JSON.parse(process.argv[2]!) as Job;
await loadEngine(); // what every process holds before it does anything
const baseline = process.memoryUsage.rss();
const task = await prepare(job);
writeFileSync(job.output, encodeSafetensors(task.results));
answer({ ready: true, baseline });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "quit") break;
  const began = performance.now();
  await task.run();
  answer({ seconds: (performance.now() - began) / 1000 });
}
answer({ peak: process.resourceUsage().maxRSS * 1024 });
process.exit(0);
