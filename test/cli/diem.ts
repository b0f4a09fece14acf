import { vi } from "vitest";
import { main } from "../../src/cli/command-line.ts";

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in this process. */
export const diem = (...args: string[]): Promise<Ended> => runDiem(args);

/** The same. @param onError told what is written to standard error */
export async function runDiem(args: readonly string[], onError?: (text: string) => void): Promise<Ended> {
  let [out, err] = ["", ""];
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    onError?.(String(text));
    return true;
  });
  try {
    return { code: await main(args), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
