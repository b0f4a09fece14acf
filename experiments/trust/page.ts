/** The report of the experiment. */
import { html, page, section, table } from "../../src/report/html.ts";
import type { CaseResult } from "./judge.ts";
import { falseAlarms, TABLE_HEADS, tableRows } from "./table.ts";

export function trustPage(results: readonly CaseResult[]): string {
  const { alarms, told } = falseAlarms(results);
  return page("Trust", [
    html`<header><h1>Trust: what diem check says where the truth is known</h1>
<p class="lead">Each row is a distribution that is known exactly, with one thing wrong. Where nothing is wrong, ${alarms} of ${told} verdicts raised an alarm.</p></header>\n`,
    section("Cases", table(TABLE_HEADS, tableRows(results), "text")),
  ]);
}
