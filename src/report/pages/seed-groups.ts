/** Runs that differ in their seed alone, shown as one. */
import type { Point, Series } from "../charts/chart.ts";
import { formatNumber, type Missing } from "../format.ts";
import type { RunData } from "../read-run.ts";
import { runPlaces } from "./run-places.ts";

/** Runs of one configuration. */
export interface SeedGroup {
  readonly name: string;
  readonly runs: readonly RunData[];
}

/** The groups of runs in order of appearance; a run that has no like is a group of its own. */
export function seedGroups(runs: readonly RunData[]): SeedGroup[] {
  const found = new Map<string, RunData[]>();
  for (const run of runs) {
    const key = likeness(run);
    found.set(key, [...(found.get(key) ?? []), run]);
  }
  const groups = [...found.values()].map((members) => ({ name: nameOf(members), runs: members }));
  const isUnique = (name: string) => groups.filter((group) => group.name === name).length === 1;
  const placeOf = runPlaces(runs);
  return groups.map(({ name, runs: members }) => ({
    name: isUnique(name) ? name : `${name} (${members.map(({ folder }) => placeOf(folder)).join(", ")})`,
    runs: members,
  }));
}

/** Everything that decides what a run learns, but for its seed and where its observations are. */
function likeness({ config, observations: { folder: _, ...observations } }: RunData): string {
  const { seed: _seed, ...others } = config;
  return JSON.stringify([others, observations]);
}

/** The name of the only run; of several without what their seeds are called, and how many there are. */
function nameOf(runs: readonly RunData[]): string {
  const { name } = runs[0]!;
  return runs.length === 1
    ? name
    : `${name.replace(/[\s,;:(-]*seed[\s=]*\d+\)?$/i, "")}, ${runs.length} seeds`;
}

/**
 * One line for a group: of several runs the means, with a band from the least to the greatest, at the iterations for
 * which all of them have a value.
 */
export function groupSeries({ name, runs }: SeedGroup, curve: (run: RunData) => readonly Point[]): Series {
  const curves = runs.map(curve);
  if (curves.length === 1) return { name, points: curves[0]! };
  const at = curves[0]!.flatMap(([x]) => {
    const values = curves.map((points) => points.find(([other]) => other === x)?.[1]);
    return values.every((v): v is number => typeof v === "number" && Number.isFinite(v))
      ? [{ x, values }]
      : [];
  });
  return {
    name,
    points: at.map(({ x, values }) => [x, meanOf(values)]),
    band: at.map(({ x, values }) => [x, Math.min(...values), Math.max(...values)]),
  };
}

/** "12.3" for one value, "12.3 ± 0.4" for several: mean and standard deviation (n - 1 in the denominator). */
export function formatSpread(values: readonly (number | Missing)[]): string {
  const known = values.filter((v): v is number => typeof v === "number");
  if (known.length === 0 || known.length < values.length) return "-";
  const mean = meanOf(known);
  if (known.length === 1) return formatNumber(mean);
  const squares = known.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (known.length - 1));
  return `${formatNumber(mean)} ± ${formatNumber(Number(deviation.toPrecision(2)))}`;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}
