import { ConfigError } from "../core/errors.ts";
import { oneOf } from "../em/config.ts";
import type { Watch } from "../em/events.ts";
import type { Device, EngineOptions } from "../runtime/engine.ts";
import type { Arguments } from "./arguments.ts";
import { Progress } from "./progress.ts";

/** The engine makes as many as it is told, and with 100 000 seems to hang. */
const MOST_THREADS = 1024;

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
  const threads = args.whole("threads", 1);
  if (threads !== undefined && threads > MOST_THREADS)
    throw new ConfigError(
      `--threads: expected at most ${MOST_THREADS}, got ${threads}. Take that of the cores.`,
    );
  const engine = { ...(device && { device: device as Device }), ...(threads && { threads }) };
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
    const onWarning = (text: string) => progress.message(`Warning: ${text}`);
    const watch = { onEvent: progress.update, onWarning, signal: controller.signal };
    return await work({ engine, progress, watch });
  } finally {
    progress.end();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
