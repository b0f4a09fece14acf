/** What the engine needs of the place it runs in: Node here. `web/environment.ts` stands for it in a browser. */
import { availableParallelism } from "node:os";

type Ort = typeof import("onnxruntime-node");

/**
 * From 1.29 on ONNX Runtime tells its makers about each session unless this variable is set, and keeps an identifier in the
 * user's cache; diem sends nothing anywhere.
 */
export async function importEngine(): Promise<Ort> {
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  return await import("onnxruntime-node");
}

/** Settings of the user for all programs: `DIEM_THREADS` and `DIEM_PROFILE`. */
export function setting(name: "DIEM_THREADS" | "DIEM_PROFILE"): string | undefined {
  return process.env[name];
}

/** Cores of the machine. */
export const cores: () => number = availableParallelism;
