/** Seconds of work between checkpoints inside a step: what a kill can cost, at most. */
export const CHECKPOINT_SECONDS = 20;

/** Writing a checkpoint may take one part in this many of the time. */
const WORK_PER_WRITING = 20;

/** Calls `write` if it is time for a checkpoint. */
export type Pace = (write: () => Promise<void>) => Promise<void>;

/**
 * When to write checkpoints: not more often than every `seconds`, and so that writing takes at most a twentieth of the
 * time. The clock decides only what a kill costs; results do not depend on where a run was resumed.
 * @param seconds 0 means at every opportunity
 */
export function checkpointPace(seconds = CHECKPOINT_SECONDS): Pace {
  let next = performance.now() + 1000 * seconds;
  return async (write) => {
    const began = performance.now();
    if (began < next) return;
    await write();
    const ended = performance.now();
    next = ended + (seconds === 0 ? 0 : Math.max(1000 * seconds, WORK_PER_WRITING * (ended - began)));
  };
}
