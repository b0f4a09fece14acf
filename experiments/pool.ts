/** Independent tasks on all cores. */
import { once } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { AbortedError } from "../src/core/errors.ts";

/**
 * Runs tasks in worker threads and returns their results in order.
 * @param worker module that calls `serveTasks`
 * @param onDone called after each task with how many are done
 * @throws AbortedError if the signal fires; whatever a task throws
 */
export async function runTasks<Task, Result>(
  worker: URL,
  tasks: readonly Task[],
  options: {
    readonly workers: number;
    readonly onDone: (done: number) => void;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Result[]> {
  const results = new Array<Result>(tasks.length);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
  let next = 0;
  let done = 0;
  const serve = async () => {
    const thread = new Worker(worker);
    try {
      for (let task = next++; task < tasks.length; task = next++) {
        thread.postMessage(tasks[task]);
        const [result] = (await once(thread, "message", { signal })) as [Result];
        results[task] = result;
        done += 1;
        options.onDone(done);
      }
    } catch (error) {
      stop.abort(); // one failure ends the others
      throw error;
    } finally {
      await thread.terminate();
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(options.workers, tasks.length) }, serve));
  } catch (error) {
    if (options.signal?.aborted)
      throw new AbortedError("experiment: stopped before its results were written.");
    throw error;
  }
  return results;
}

/** The other side of `runTasks`: answers each task with its result. */
export function serveTasks<Task, Result>(run: (task: Task) => Promise<Result>): void {
  parentPort!.on("message", (task: Task) => {
    run(task).then(
      (result) => parentPort!.postMessage(result),
      (error: unknown) => {
        throw error;
      },
    );
  });
}
