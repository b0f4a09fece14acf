import type { Watch } from "../core/events.ts";
import { oneOf } from "../core/kinds.ts";
import { DEVICES, defaultThreads, type EngineOptions, THREADS } from "../runtime/engine.ts";
import type { Arguments } from "./arguments.ts";
import { Progress } from "./progress.ts";

/** What long commands share: the engine's options, progress, and Ctrl-C. */
export interface Session {
  readonly engine: EngineOptions;
  readonly progress: Progress;
  readonly watch: Watch;
}

/**
 * Runs `work`; the first Ctrl-C (or a termination) stops it after the step that is running, a second one kills it.
 * @throws ConfigError for a device or thread count that cannot be
 */
export async function withSession<T>(args: Arguments, work: (session: Session) => Promise<T>): Promise<T> {
  const device = args.value("device", oneOf(DEVICES));
  const threads = args.value("threads", THREADS);
  if (threads === undefined) defaultThreads(); // a variable that is no number is refused before anything begins
  const engine = { ...(device && { device }), ...(threads && { threads }) };
  const progress = new Progress(args.flag("quiet"));
  const controller = new AbortController();
  const stop = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    const watch = { onEvent: progress.update, onWarning: progress.warning, signal: controller.signal };
    return await work({ engine, progress, watch });
  } finally {
    progress.end();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
