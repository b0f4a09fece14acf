import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { Listener } from "../../src/live/listener.ts";

/** A response that says after each write whether more is welcome. */
class Response extends EventEmitter {
  readonly written: string[] = [];
  isWelcome = true;

  write(text: string): boolean {
    this.written.push(text);
    return this.isWelcome;
  }
}

const partsOf = (status: string, report: string) =>
  new Map([
    ["status", status],
    ["report", report],
  ]);

test("a listener is told each part once, and again only when it has changed", () => {
  const response = new Response();
  const listener = new Listener(response as unknown as ServerResponse, () => new Map());
  listener.tell(partsOf("1", "a\nb"));
  listener.tell(partsOf("1", "a\nb"));
  listener.tell(partsOf("2", "a\nb"));
  expect(response.written).toEqual([
    "event: status\ndata: 1\n\n",
    "event: report\ndata: a\ndata: b\n\n",
    "event: status\ndata: 2\n\n",
  ]);
});

test("one that reads slowly has one part waiting, and then gets the newest of what it lacks", () => {
  const response = new Response();
  let newest = partsOf("0", "a");
  const listener = new Listener(response as unknown as ServerResponse, () => newest);
  response.isWelcome = false;
  for (let k = 0; k < 1000; k++) {
    newest = partsOf(`${k}`, "a");
    listener.tell(newest);
  }
  expect(response.written).toEqual(["event: status\ndata: 0\n\n"]);
  response.isWelcome = true;
  response.emit("drain");
  expect(response.written.slice(1)).toEqual(["event: status\ndata: 999\n\n", "event: report\ndata: a\n\n"]);
});
