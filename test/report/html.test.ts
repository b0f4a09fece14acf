import { expect, test } from "vitest";
import {
  formatFixed,
  formatNumber,
  formatRatio,
  formatSeconds,
  formatTick,
} from "../../src/report/format.ts";
import { html, page, section, table } from "../../src/report/html.ts";
import { flatten } from "../../src/report/pages/configuration.ts";

test("html escapes values in text and in attributes, and lets markup through", () => {
  const evil = `<script>alert("x")</script> & 'y'`;
  const text = html`<p title="${evil}">${evil}${html`<b>${1}</b>`}${null}${false}${[evil]}</p>`.text;
  expect(text).not.toContain("<script>");
  expect(text).toContain('title="&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;"');
  expect(text).toContain("<b>1</b>");
  expect(text).not.toMatch(/null|false/);
});

test("a page escapes its title, forbids scripts and refers to nothing outside", () => {
  const text = page("<i>", "body");
  expect(text).toContain("<title>&lt;i&gt;</title>");
  expect(text).toContain("default-src 'none'");
  expect(text).not.toMatch(/https?:|<script|<link/);
});

test("a section without content vanishes", () => {
  expect(section("Empty", null, [false, []])).toBeNull();
});

test("a table heads its rows and escapes its cells", () => {
  expect(table(["a", "b"], [["<x>", 2]]).text).toContain('<tr><th scope="row">&lt;x&gt;</th><td>2</td></tr>');
});

test("numbers have four digits, missing and non-finite ones are a dash", () => {
  expect([null, undefined, Number.NaN, Infinity].map(formatNumber)).toEqual(["-", "-", "-", "-"]);
  expect([23, 21.6, 0.77778, null, Infinity].map((value) => formatFixed(value, 2))).toEqual([
    ...["23.00", "21.60", "0.78", "-", "-"],
  ]);
  expect([0, 1000, 12345.6, 3.21789, 0.0001234, -2.5e9].map(formatNumber)).toEqual([
    "0",
    "1,000",
    "12,346",
    "3.218",
    "1.23e-4",
    "-2.5e9",
  ]);
  expect([0.1, 1000, 1e6, 1e-5].map(formatTick)).toEqual(["0.1", "1,000", "1e6", "1e-5"]);
});

test("times and ratios read as one would say them", () => {
  expect([0.42, 12.34, 59.97, 245, 7380, null].map(formatSeconds)).toEqual([
    "0.42 s",
    "12.3 s",
    "1 min 0 s",
    "4 min 5 s",
    "2 h 3 min",
    "-",
  ]);
  expect(formatRatio(200, 50)).toBe("× 0.25");
  expect(formatRatio(-1, 50)).toBe("-");
  expect(formatRatio(undefined, 50)).toBe("-");
});

test("a nested configuration flattens to paths", () => {
  expect(
    flatten({ em: { seed: 1, start: { kind: "gaussian" } }, channels: [1, 2], on: true, none: null }),
  ).toEqual([
    ["em.seed", "1"],
    ["em.start.kind", "gaussian"],
    ["channels", "1, 2"],
    ["on", "yes"],
    ["none", "none"],
  ]);
});
