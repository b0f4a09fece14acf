import type { Figures, Report } from "./report.ts";

/** The figures as text: a table for each case and task, and one for each of the rest. */
export function table({ cases, operations, startup, growth }: Report): string {
  const parts = Object.entries(cases).flatMap(([name, tasks]) =>
    Object.entries(tasks).map(([task, sides]) => contestTable(`${name}, ${task}`, sides)),
  );
  if (operations)
    for (const [name, sides] of Object.entries(operations))
      parts.push(
        rows([
          [name, "ms"],
          ...Object.entries(sides).map(([side, { msPerCall, refused }]) => [
            side,
            refused ?? number(msPerCall),
          ]),
        ]),
      );
  if (startup)
    parts.push(
      rows([["start-up", "s"], ...Object.entries(startup).map(([name, seconds]) => [name, number(seconds)])]),
    );
  if (growth)
    parts.push(
      rows([
        ["seconds with", "1 x", "2 x", "4 x"],
        ...Object.entries(growth).map(([what, seconds]) => [what, ...seconds.map(number)]),
      ]),
    );
  return parts.join("\n\n");
}

function contestTable(title: string, sides: Readonly<Record<string, Figures>>): string {
  const ours = sides.diem?.median;
  return rows([
    [title, "per s", "ms/step", "GFLOP/s", "of peak", "MB/image", "ours is", "error", "way"],
    ...Object.entries(sides).map(([side, one]) => {
      if (one.refused !== undefined) return [side, `left out: ${one.refused}`];
      const ratio =
        ours && one.median && side !== "diem" && side !== "peak" ? `${number(one.median / ours)} x` : "";
      return [
        side,
        number(one.imagesPerSecond ?? one.stepsPerSecond),
        number(one.msPerStep),
        number(one.gflops),
        number(one.peakFraction),
        number(one.bytesPerImage && one.bytesPerImage / 1e6),
        ratio,
        one.error?.toExponential(0) ?? "",
        one.variant ?? "",
      ];
    }),
  ]);
}

function number(value: number | undefined): string {
  return value === undefined ? "" : String(Number(value.toPrecision(3)));
}

/** Columns as wide as their widest entry; the first is to the left. */
function rows(cells: readonly (readonly string[])[]): string {
  const full = cells.filter((row) => row.length === cells[0]!.length);
  const widths = cells[0]!.map((_, column) => Math.max(...full.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
