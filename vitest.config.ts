import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/reporter.ts"],
    // Two workers with one engine thread each: as fast as one with two, and steadier.
    maxWorkers: 2,
    env: { DIEM_THREADS: "1" },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
