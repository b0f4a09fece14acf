/** Independent tasks on all cores. */
import { on } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { AbortedError } from "../src/core/errors.ts";

/** What a worker sends: lines about a task under way, then its result. */
type Message<Result> = { readonly note: string } | { readonly result: Result };

/**
 * Runs tasks in worker threads and returns their results in order.
 * @param worker module that calls `serveTasks`
 * @param onDone called after each task with how many are done
 * @param onNote receives the lines that tasks tell about themselves
 * @throws AbortedError if the signal fires; whatever a task throws
 */
export async function runTasks<Task, Result>(
  worker: URL,
  tasks: readonly Task[],
  options: {
    readonly workers: number;
    readonly onDone: (done: number) => void;
    readonly onNote?: (note: string) => void;
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
    const messages = on(thread, "message", { signal });
    try {
      for (let task = next++; task < tasks.length; task = next++) {
        thread.postMessage(tasks[task]);
        results[task] = await resultOf<Result>(messages, options.onNote);
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

async function resultOf<Result>(
  messages: AsyncIterator<unknown[]>,
  onNote: ((note: string) => void) | undefined,
): Promise<Result> {
  for (;;) {
    const [message] = (await messages.next()).value as [Message<Result>];
    if ("result" in message) return message.result;
    onNote?.(message.note);
  }
}

/** The other side of `runTasks`: answers each task with its result. @param run is given a function to tell lines with */
export function serveTasks<Task, Result>(
  run: (task: Task, tell: (note: string) => void) => Promise<Result>,
): void {
  const send = (message: Message<Result>) => parentPort!.postMessage(message);
  parentPort!.on("message", (task: Task) => {
    run(task, (note) => send({ note })).then(
      (result) => send({ result }),
      (error: unknown) => {
        throw error;
      },
    );
  });
}
