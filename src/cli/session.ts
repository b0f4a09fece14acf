import type { Watch } from "../core/events.ts";
import { oneOf } from "../em/config/config.ts";
import { type Device, defaultThreads, type EngineOptions, parseThreads } from "../runtime/engine.ts";
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
  const device = args.text("device");
  if (device !== undefined) oneOf("--device", device, ["cpu", "webgpu"]);
  const engine = { ...(device && { device: device as Device }), ...threadsOption(args) };
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

/** @throws ConfigError if the option, or without it the variable, is no number of threads: before anything begins */
function threadsOption(args: Arguments): { readonly threads?: number } {
  const text = args.text("threads");
  if (text !== undefined) return { threads: parseThreads(text, "--threads") };
  defaultThreads();
  return {};
}
