/** A process that is measured: started, asked to run, and asked for its memory in the end. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** How a side is started. */
export interface SideSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What a side tells of itself when it is ready. */
export interface Ready {
  /** Resident bytes after the libraries were loaded and before anything was built. */
  readonly baseline: number;
  /** Which of several ways it found fastest. */
  readonly variant?: string;
}

/** Time that a side has to get ready: compilers of the peers take minutes on a busy machine. */
const PATIENCE = 600_000;

/** Processes that run now: none may outlive the bench. */
const LIVE = new Set<ChildProcessWithoutNullStreams>();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    for (const child of LIVE) child.kill("SIGKILL");
    process.exit(1);
  });

/** A running side. */
export class Side {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  constructor({ name, command, args, env }: SideSpec) {
    this.name = name;
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe" });
    LIVE.add(this.#child);
    this.#child.on("exit", () => LIVE.delete(this.#child));
    this.#child.stderr.on("data", (text: Buffer) => {
      this.#errors = (this.#errors + text.toString()).slice(-4000);
    });
    this.#child.stdin.on("error", () => undefined); // a process that has ended is reported by `#answer`
    this.#child.on("error", (error) => {
      this.#errors += error.message;
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until the side has prepared its work and run it once. @throws Error with what the process said if it fails */
  async ready(): Promise<Ready> {
    const timer = setTimeout(() => this.kill(), PATIENCE);
    try {
      return (await this.#answer()) as Ready;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs once. @returns seconds */
  async go(): Promise<number> {
    this.#child.stdin.write("go\n");
    return ((await this.#answer()) as { seconds: number }).seconds;
  }

  /** Ends the process. @returns its largest resident size, in bytes */
  async quit(): Promise<number> {
    this.#child.stdin.write("quit\n");
    return ((await this.#answer()) as { peak: number }).peak;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** The next line that is an answer; libraries may print others. */
  async #answer(): Promise<unknown> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.name}: ${lastLines(this.#errors) || "the process ended"}`);
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-4).join("\n");
}
