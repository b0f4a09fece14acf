import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mergeConfig } from "../../src/em/config/config.ts";
import { train } from "../../src/em/train.ts";
import { type LiveServer, serveRuns } from "../../src/live/server.ts";
import { results, TINY, tinyObservations } from "../em/tiny-run.ts";
import { fakeFigures, fakeRun } from "../report/fake-run.ts";

let folder = "";
let server: LiveServer;
const put = (name: string, content: string) => writeFileSync(join(folder, name), content);

/** Asks for a path as it is written: `fetch` would resolve dots. */
async function ask(path: string, host = "localhost", at = server): Promise<IncomingMessage> {
  const { hostname: address, port } = new URL(at.url);
  return await new Promise((done, fail) => {
    get({ host: address, port, path, headers: { host } }, done).on("error", fail);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response) text += piece;
  return text;
}

/** Reads events until the text so far has what is looked for. */
async function until(response: IncomingMessage, wanted: RegExp): Promise<string> {
  let text = "";
  for await (const piece of response) {
    text += piece;
    if (wanted.test(text)) break; // which also closes the connection
  }
  return text;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diem-live-"));
  mkdirSync(join(folder, "runs"));
  for (const [name, iterations] of [
    ["alpha", 2],
    ["beta & co", 1],
  ] as const)
    renameSync(fakeRun({ name, iterations }).folder, join(folder, "runs", name));
  put("secret.html", "secret");
  put("runs/alpha/check.html", "<p>verdicts</p>");
  symlinkSync(join(folder, "secret.html"), join(folder, "runs/alpha/report.html"));
  renameSync(fakeRun({ name: "elsewhere" }).folder, join(folder, "elsewhere"));
  symlinkSync(join(folder, "elsewhere"), join(folder, "runs/linked"));
  server = await serveRuns(join(folder, "runs"), 0);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the page", () => {
  test("shows the runs of a folder side by side, and no address outside itself", async () => {
    const text = await textOf(await ask("/"));
    expect(text).toContain("2 runs compared");
    expect(text).toContain('<a href="alpha/">alpha</a>');
    expect(text).toContain('<a href="beta%20%26%20co/">beta &amp; co</a>');
    expect(text).not.toContain("elsewhere");
    expect(text.replaceAll("http://www.w3.org", "")).not.toMatch(/https?:\/\//);
    expect(text).toMatch(/default-src 'none';.* connect-src 'self'; script-src 'sha256-[\w+/=]{44}'/);
  });

  test("of one of them shows its report, and its check where there is one", async () => {
    const text = await textOf(await ask("/alpha/"));
    expect(text).toContain("<h1>alpha</h1>");
    expect(text).toContain('<a href="check.html">check.html</a>');
    expect(text).not.toContain("report.html");
    const check = await ask("/alpha/check.html");
    expect(check.headers["content-security-policy"]).toContain("sandbox");
    expect(await textOf(check)).toBe("<p>verdicts</p>");
    expect(await textOf(await ask("/beta%20%26%20co/"))).toContain("<h1>beta &amp; co</h1>");
  });

  test("says what is damaged in its place, and shows the rest", async () => {
    mkdirSync(join(folder, "runs/damaged"));
    put("runs/damaged/run.json", "{");
    const text = await textOf(await ask("/"));
    rmSync(join(folder, "runs/damaged"), { recursive: true });
    expect(text).toMatch(/class="alert">.*damaged\/run.json: expected JSON/);
    expect(text).toContain("2 runs compared");
  });
});

describe("what is refused", () => {
  test.each(["localhost", "127.0.0.1:99", "[::1]:2405", "LOCALHOST:1"])("not the host %s", async (host) => {
    expect((await ask("/", host)).statusCode).toBe(200);
  });

  test.each([
    "example.org",
    "localhost.example.org",
    "127.0.0.1.example.org:2405",
    "10.0.0.1",
    "localhost@example.org",
  ])("the host %j", async (host) => {
    const response = await ask("/", host);
    expect(response.statusCode).toBe(403);
    expect(await textOf(response)).not.toContain("alpha");
  });

  test.each([
    "/../secret.html",
    "/%2e%2e/secret.html",
    "/..%2fsecret.html",
    "/alpha/../../secret.html",
    "/alpha%2f..%2f../check.html",
    "/../elsewhere/",
    "/..%2felsewhere/",
    "/linked/",
    "/linked/events",
    "/alpha/report.html",
    "/alpha/run.json",
    "/alpha/%00/check.html",
    "/%ff/",
    "//alpha/check.html",
    "http://localhost/alpha/check.html",
    "/check.html",
  ])("the path %s", async (path) => {
    const response = await ask(path);
    expect(response.statusCode).toBe(404);
    expect(await textOf(response)).toBe("There is no such page.\n");
  });

  test("a port that is in use, in one line", async () => {
    const { port } = new URL(server.url);
    await expect(serveRuns(folder, Number(port))).rejects.toThrow(
      `port ${port}: expected a free one, found it in use. Choose another, or 0 for any that is free.`,
    );
  });
});

describe("events", () => {
  test("tell of an iteration that ends, of progress, and of the end of the server", async () => {
    const run = join(folder, "watched");
    const own = await serveRuns(run, 0);
    const events = await ask("/events", "localhost", own);
    renameSync(fakeRun({ name: "watched", iterations: 1 }).folder, run);
    await until(events, /event: report\n.*1 EM iteration finished/s);
    const lock = { pid: process.pid, host: hostname(), since: "now", born: "" };
    put("watched/.lock-1", JSON.stringify(lock));
    put("watched/status.json", JSON.stringify({ state: "running", updatedAt: "2026-01-01T00:00:00Z" }));
    const progress = { stage: "M-step", iteration: 2, iterations: 5, done: 30, total: 120, unit: "steps" };
    const told = { ...progress, perSecond: 2, loss: 0.125, updatedAt: "2026-01-01T00:00:09Z" };
    put("watched/progress.json", JSON.stringify(told));
    const text = await until(await ask("/events", "localhost", own), /event: report\n/);
    expect(text).toContain("Iteration 2 of 5: M-step");
    expect(text).toContain("30 of 120 steps · 2 steps/s · 45 s left · loss 0.125");
    const last = await ask("/events", "localhost", own);
    mkdirSync(join(run, "iterations/0002"));
    put("watched/iterations/0002/figures.json", JSON.stringify(fakeFigures(2)));
    const end = own[Symbol.asyncDispose]();
    expect(await textOf(last)).toContain("2 EM iterations finished");
    await end;
  });
});

describe("a run that is watched", () => {
  const config = mergeConfig(TINY, { em: { iterations: 1 } });

  test("has the bytes of one left alone, though browsers go away and one never reads", async () => {
    const [alone, watched] = [join(folder, "alone"), join(folder, "tiny")];
    await train(tinyObservations(), config, { out: alone, name: "tiny" });
    await using own = await serveRuns(watched, 0);
    const { hostname: address, port } = new URL(own.url);
    const silent = connect(Number(port), address).pause();
    silent.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let seen = 0;
    const onIteration = async () => {
      const events = await ask("/events", "localhost", own);
      await until(events, /event: report\n/);
      (await ask("/", "localhost", own)).destroy();
      seen++;
    };
    await train(tinyObservations(), config, { out: watched, name: "tiny", onIteration });
    silent.destroy();
    expect(seen).toBe(2);
    expect(existsSync(join(watched, "status.json"))).toBe(true);
    expect(results(watched)).toEqual(results(alone));
  });
});
