import { homedir } from "node:os";
import { expect, test, vi } from "vitest";
import { cachedStatistics, defaultCache } from "../../src/cli/evaluation/feature-statistics.ts";

vi.mock("node:os", async (original) => ({ ...(await original<object>()), homedir: vi.fn() }));

test("a user without a home has no cache, and is told so", async () => {
  vi.stubEnv("XDG_CACHE_HOME", "");
  vi.mocked(homedir).mockImplementation(() => {
    throw Object.assign(new Error("uv_os_homedir returned ENOENT"), { code: "ERR_SYSTEM_ERROR" });
  });
  const folder = defaultCache();
  expect(folder).toBe(undefined);
  const statistics = { warnings: [] } as unknown as Awaited<
    ReturnType<Parameters<typeof cachedStatistics>[2]>
  >;
  const key = { images: "", range: [0, 1], network: "" } as const;
  expect(await cachedStatistics(folder, key, async () => statistics)).toEqual({
    warnings: [
      "the statistics are not kept: expected a home folder, found none. Give --cache, or set XDG_CACHE_HOME.",
    ],
    cached: false,
  });
  vi.mocked(homedir).mockReturnValue("/home/me");
  expect(defaultCache()).toBe("/home/me/.cache/diem");
  vi.unstubAllEnvs();
});
