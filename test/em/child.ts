/** Running TypeScript in a child process: on Node 20 too, without a build that may be old or absent. */

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * Strips the types from src and from some tests' files, file by file and unchecked, which takes a second.
 * @param folder a new folder that looks like the repository, but in JavaScript
 */
export function transpileInto(folder: string, tests: readonly string[]): void {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join("src", name));
  for (const name of [...sources, ...tests]) {
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, name), "utf8"), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    const path = join(folder, name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, outputText);
  }
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
}

/** Starts a transpiled file. @param request its only argument, as JSON */
export function start(file: string, request: unknown): ChildProcess {
  return spawn(process.execPath, [file, JSON.stringify(request)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DIEM_THREADS: "1" },
  });
}

/** Waits for the end of a child. */
export async function finish(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; out: string; err: string }> {
  let [out, err] = ["", ""];
  child.stdout!.on("data", (text) => {
    out += text;
  });
  child.stderr!.on("data", (text) => {
    err += text;
  });
  return await new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done({ code, signal, out, err }));
  });
}
