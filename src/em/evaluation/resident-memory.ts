/** Milliseconds between two looks. The engine computes in threads of its own, so that the timer runs meanwhile. */
const INTERVAL = 20;

/** Watches the process's resident memory. */
export interface MemoryWatch {
  /** Bytes when the watch began. */
  readonly before: number;
  /** The most since the last call or the beginning, in bytes; whatever lasted less than 20 ms may be missed. */
  peak(): number;
  stop(): void;
}

/**
 * Samples the resident memory of the whole process every 20 ms: engine, weights and JavaScript together. Memory that
 * earlier work freed may still be resident, so only what exceeds `before` is surely new.
 */
export function watchMemory(): MemoryWatch {
  const resident = () => process.memoryUsage.rss();
  const before = resident();
  let most = before;
  const look = () => {
    most = Math.max(most, resident());
  };
  const timer = setInterval(look, INTERVAL);
  timer.unref();
  return {
    before,
    peak: () => {
      look();
      const found = most;
      most = resident();
      return found;
    },
    stop: () => clearInterval(timer),
  };
}
