/** What diem said of each case, over the seeds. */
import { VERDICTS } from "../../src/trust/verdict.ts";
import { CASES } from "./cases.ts";
import { alarmsOf, type CaseResult, isNamed } from "./judge.ts";

export const TABLE_HEADS = ["case", "what is wrong", "belongs to", "named", "alarms", "cannot tell"] as const;

/** Cells of the table as text, in the order of the cases. */
export function tableRows(results: readonly CaseResult[]): string[][] {
  return CASES.flatMap((one) => {
    const own = results.filter(({ name }) => name === one.name);
    if (own.length === 0) return [];
    const named = own.filter((result) => isNamed(one, result)).length;
    return [
      [
        `${one.name} (${one.truth})`,
        one.wrong ?? "nothing",
        one.belongs?.join(" or ") ?? "",
        one.belongs ? `${named}\u00a0of\u00a0${own.length}` : "",
        counted(own.flatMap(alarmsOf), own.length),
        counted(
          own.flatMap(({ verdicts }) =>
            verdicts.filter(({ level }) => level === "unknown").map(({ name }) => name),
          ),
          own.length,
        ),
      ],
    ];
  });
}

/** Verdicts in their order, and for how many of the seeds where not for all. */
function counted(names: readonly string[], seeds: number): string {
  return VERDICTS.flatMap((name) => {
    const count = names.filter((one) => one === name).length;
    if (count === 0) return [];
    return [count === seeds ? name : `${name} (${count} of ${seeds})`];
  }).join(", ");
}

/** Of the cases with nothing wrong: verdicts that raised an alarm, and all that could be told. */
export function falseAlarms(results: readonly CaseResult[]): {
  readonly alarms: number;
  readonly told: number;
} {
  const right = results.filter(({ name }) => !CASES.find((one) => one.name === name)?.wrong);
  return {
    alarms: right.flatMap(alarmsOf).length,
    told: right.flatMap(({ verdicts }) => verdicts.filter(({ level }) => level !== "unknown")).length,
  };
}

/** The table for the README. */
export function markdownTable(results: readonly CaseResult[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const { alarms, told } = falseAlarms(results);
  return [
    line(TABLE_HEADS),
    line(TABLE_HEADS.map(() => "---")),
    ...tableRows(results).map(line),
    "",
    `Where nothing is wrong, ${alarms} of ${told} verdicts raised an alarm.`,
  ].join("\n");
}
