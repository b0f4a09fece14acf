import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { EngineError } from "../core/errors.ts";
import { check, parse, whole } from "../core/kinds.ts";
import { cores, importEngine, setting } from "./environment.ts";

/** Where and with how many threads a program runs. */
export interface EngineOptions {
  /** Where programs run. Default "cpu". */
  readonly device?: Device;
  /** Threads inside an operator. Default: `DIEM_THREADS`, or the machine's cores. */
  readonly threads?: number;
}
/** Where programs run. */
export const DEVICES = ["cpu", "webgpu"] as const;
/** Where a program runs. */
export type Device = (typeof DEVICES)[number];

type Ort = typeof import("onnxruntime-node");
let ort: Promise<Ort> | undefined;

/**
 * Loads the engine at its first use, so that importing diem stays cheap.
 * @throws EngineError if the system does not load it
 */
export async function loadEngine(): Promise<Ort> {
  try {
    ort ??= importEngine();
    return await ort;
  } catch (cause) {
    throw new EngineError(
      `compile: expected ONNX Runtime to load, found: ${message(cause)}. Give the process more memory (ulimit -v), or install diem again.`,
      { cause },
    );
  }
}

/**
 * Session options, each by measurement (onnxruntime 1.30, two cores): level `all` 51 -> 31 ms; memory arena on
 * (off: 53 -> 77 ms); spinning threads (off: 15-20 % slower); sequential execution (parallel: 2 to 2.5 times slower);
 * memory pattern off: a plan made at the first run lies beside the memory that this run took (a U-Net of 5 million
 * parameters, 32 images: training 1600 -> 1045 MB, a posterior draw 1000 -> 670 MB, at the same speed).
 */
export async function createSession(model: Uint8Array, options: EngineOptions): Promise<InferenceSession> {
  const threads =
    options.threads === undefined ? defaultThreads() : check(THREADS, options.threads, "threads", ALL_CORES);
  const engine = await loadEngine();
  const profile = setting("DIEM_PROFILE");
  try {
    return await engine.InferenceSession.create(model, {
      executionProviders: [options.device ?? "cpu"],
      graphOptimizationLevel: "all",
      enableCpuMemArena: true,
      enableMemPattern: false,
      executionMode: "sequential",
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      ...(profile && { enableProfiling: true, profileFilePrefix: profile }),
    });
  } catch (cause) {
    if (message(cause).includes("WebGPU adapter"))
      throw new EngineError(
        "compile: expected a GPU for the device webgpu, found none that ONNX Runtime can use. Install the GPU's Vulkan driver and the loader (libvulkan1), or use the device cpu.",
        { cause },
      );
    throw new EngineError(`compile: ONNX Runtime refused the graph: ${message(cause)}`, { cause });
  }
}

/** Numbers of threads. The engine makes as many as it is told: 100 000 take 16 GB and do not end. */
export const THREADS = whole(1, 1024);
const ALL_CORES = " Leave it out to use all cores.";

/** Threads that programs use unless told otherwise. @throws ConfigError if `DIEM_THREADS` is no number of threads */
export function defaultThreads(): number {
  const text = setting("DIEM_THREADS");
  return text ? parse(THREADS, text, "DIEM_THREADS", ALL_CORES) : cores();
}

export function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

export type { InferenceSession, OrtTensor };
