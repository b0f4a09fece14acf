import { afterEach, expect, test, vi } from "vitest";
import { duration, Progress, significant } from "../../src/cli/progress.ts";
import { summarize } from "../../src/cli/summary.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Lines that progress writes for events at given seconds. */
function linesOf(events: readonly (readonly [seconds: number, done: number])[]): string[] {
  let written = "";
  const stream = {
    isTTY: false,
    write: (text: string) => {
      written += text;
      return true;
    },
  };
  const clock = vi.spyOn(performance, "now");
  const progress = new Progress(false, stream as unknown as NodeJS.WriteStream);
  for (const [seconds, done] of events) {
    clock.mockReturnValue(1000 * seconds);
    progress.update({
      stage: "Prior samples",
      iteration: 0,
      iterations: 0,
      done,
      total: 100,
      unit: "images",
    });
  }
  return written.trimEnd().split("\n");
}

test("a stage whose first event is its last tells no rate", () => {
  expect(linesOf([[5, 100]])).toEqual(["Prior samples: 100/100 images"]);
});

test("rates count from the first event on", () => {
  expect(
    linesOf([
      [5, 40],
      [17, 70],
      [20, 100],
    ]),
  ).toEqual([
    "Prior samples: 70/100 images, 2.50 images/s, 12 s left",
    "Prior samples: 100/100 images, 4.00 images/s, took 15 s",
  ]);
});

test("numbers and durations are short", () => {
  expect([0.0123, 4, 40.04, 1234.5].map(significant)).toEqual(["0.0123", "4.00", "40.0", "1235"]);
  expect([3, 65, 7800, 273_600, Number.NaN].map(duration)).toEqual([
    "3.0 s",
    "1 min 05 s",
    "2 h 10 min",
    "3 d 4 h",
    "unknown",
  ]);
});

test("what is quiet still warns", () => {
  let written = "";
  const write = (text: string) => {
    written += text;
    return true;
  };
  const progress = new Progress(true, { isTTY: false, write } as unknown as NodeJS.WriteStream);
  progress.message("Timing ...");
  progress.warning("the draws scatter.");
  expect(written).toBe("Warning: the draws scatter.\n");
});

test("an evidence that is a lower bound is told as one", () => {
  const line = (evidence: Record<string, number | null>) => summarize(1, 8, {}, evidence);
  expect(line({ mean: -1.25, error: 0.0312, slack: 0.001 })).toBe(
    "Iteration 1/8 done: evidence -1.25 ± 0.0312",
  );
  expect(line({ mean: -19000, slack: 483000 })).toBe(
    "Iteration 1/8 done: evidence at least -19000 (483000 or more are missing)",
  );
});
