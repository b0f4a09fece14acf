import type { HostArray } from "../../src/core/array.ts";

/** Something that can be timed again and again. */
export interface Task {
  /** What the first run computed, for the comparison between sides. */
  readonly results: Readonly<Record<string, HostArray>>;
  /** One run. */
  readonly run: () => Promise<void>;
}
