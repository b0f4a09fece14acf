import files, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/** Whether an operation on a file shall fail, and with which system error. */
export type Fault = (operation: "open" | "write", path: string) => "ENOSPC" | "EROFS" | "EACCES" | undefined;

/** Runs `work` while opening files for writing, or writing to them, fails where `fault` says so. */
export async function withFaults<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
  const { open, writeFile } = files;
  const check = (operation: "open" | "write", path: string) => {
    const code = fault(operation, path);
    if (code) throw Object.assign(new Error(`${code}: injected`), { code, syscall: operation });
  };
  files.open = async (path, flags, mode) => {
    if (flags !== "r" && flags !== undefined) check("open", String(path));
    const handle = await open(path, flags, mode);
    return watched(handle, String(path), check);
  };
  files.writeFile = async (path, ...rest) => {
    check("open", String(path));
    check("write", String(path));
    await writeFile(path, ...rest);
  };
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    Object.assign(files, { open, writeFile });
    syncBuiltinESMExports();
  }
}

function watched(
  handle: FileHandle,
  path: string,
  check: (operation: "write", path: string) => void,
): FileHandle {
  const writeFile = handle.writeFile.bind(handle);
  const write = handle.write.bind(handle) as (...rest: unknown[]) => unknown;
  handle.writeFile = async (...rest) => {
    check("write", path);
    await writeFile(...rest);
  };
  handle.write = (async (...rest: unknown[]) => {
    check("write", path);
    return await write(...rest);
  }) as typeof handle.write;
  return handle;
}
