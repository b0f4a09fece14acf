import { ConfigError } from "../core/errors.ts";
import { oneOf } from "../em/config.ts";
import type { Watch } from "../em/events.ts";
import type { Device, EngineOptions } from "../runtime/engine.ts";
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
  const threads = args.whole("threads", 1);
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
    return await work({ engine, progress, watch: { onEvent: progress.update, signal: controller.signal } });
  } finally {
    progress.end();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

/** Numbers of `--set path=value`, as nested objects. @throws ConfigError if a part is not path=value */
export function parseSettings(settings: readonly string[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const setting of settings) {
    const [, path, text] = /^([\w.]+)=(.*)$/s.exec(setting) ?? [];
    if (path === undefined || text === undefined)
      throw new ConfigError(
        `--set: expected path=value, got "${setting}". For example --set em.iterations=8.`,
      );
    const keys = path.split(".");
    let here = root;
    for (const key of keys.slice(0, -1)) {
      here[key] ??= {};
      here = here[key] as Record<string, unknown>;
    }
    here[keys.at(-1)!] = parseValue(text);
  }
  return root;
}

/** JSON where it is JSON, else the text itself. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
