/** What values configurations, headers, operators and options of the command line take. */

import { ConfigError } from "./errors.ts";
import { isRecord, show } from "./json.ts";
import { isBearable, MOST_NUMBERS } from "./limits.ts";
import { didYouMean } from "./nearest.ts";
import type { Shape } from "./shape.ts";

/** A JSON Schema, as far as configurations need it. */
export type JsonSchema = { readonly [key: string]: unknown };

/** What values a field takes. */
export interface Kind<T> {
  /** Completes "must be ...". */
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
  readonly schema: JsonSchema;
  /** Further words about a value that is refused, e.g. the nearest name. */
  readonly hint?: (value: unknown) => string;
}

/**
 * A value of a kind.
 * @param what names it, as "em.iterations"     @param remedy for values that the kind itself has no hint for, as " Give one."
 * @throws ConfigError if it is of another
 */
export function check<T>(kind: Kind<T>, value: unknown, what: string, remedy = ""): T {
  if (kind.accepts(value)) return value;
  throw new ConfigError(
    `${what} must be ${kind.expected}, got ${show(value)}.${kind.hint?.(value) || remedy}`,
  );
}

/** What a text says: itself, a number, or numbers or texts between commas, whichever the kind takes. @throws ConfigError as `check` */
export function parse<T>(kind: Kind<T>, text: string, what: string, remedy = ""): T {
  const parts = text.split(",").map((part) => part.trim());
  const readings = [text, numberOf(text), parts.map(numberOf), parts];
  return check(kind, readings.find(kind.accepts) ?? text, what, kind.hint?.(parts) || remedy);
}

function numberOf(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text);
}

/** A whole number. @param most if a larger one would take time or memory that no machine has */
export function whole(least: number, most?: number): Kind<number> {
  const isBelow = (value: number) => most === undefined || value <= most;
  return {
    expected: most === undefined ? `a whole number >= ${least}` : `a whole number from ${least} to ${most}`,
    accepts: (value): value is number =>
      Number.isSafeInteger(value) && (value as number) >= least && isBelow(value as number),
    schema: { type: "integer", minimum: least, ...(most !== undefined && { maximum: most }) },
  };
}

/** Any number. */
export const finite: Kind<number> = {
  expected: "a number",
  accepts: isNumber,
  schema: { type: "number" },
};

/** A number above zero. */
export const positive: Kind<number> = {
  expected: "a number above 0",
  accepts: (value): value is number => isNumber(value) && value > 0,
  schema: { type: "number", exclusiveMinimum: 0 },
};

/** A number from 0 to 1. @param one whether 1 itself is allowed */
export function share(one: "with one" | "below one"): Kind<number> {
  const closed = one === "with one";
  return {
    expected: `a number in [0, 1${closed ? "]" : ")"}`,
    accepts: (value): value is number => isNumber(value) && value >= 0 && (closed ? value <= 1 : value < 1),
    schema: { type: "number", minimum: 0, [closed ? "maximum" : "exclusiveMaximum"]: 1 },
  };
}

/** A number strictly between 0 and 1. */
export const level: Kind<number> = {
  expected: "a number above 0 and below 1",
  accepts: (value): value is number => isNumber(value) && value > 0 && value < 1,
  schema: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
};

/** A value, or null for what follows from elsewhere. */
export function optional<T>(of: Kind<T>): Kind<T | null> {
  return {
    expected: `${of.expected}, or null`,
    accepts: (value): value is T | null => value === null || of.accepts(value),
    schema: { anyOf: [of.schema, { type: "null" }] },
  };
}

/** A value of one kind or of another. */
export function either<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  return {
    expected: `${a.expected}, or ${b.expected}`,
    accepts: (value): value is A | B => a.accepts(value) || b.accepts(value),
    schema: { anyOf: [a.schema, b.schema] },
    hint: (value) => a.hint?.(value) || b.hint?.(value) || "",
  };
}

export const flag: Kind<boolean> = {
  expected: "true or false",
  accepts: (value): value is boolean => typeof value === "boolean",
  schema: { type: "boolean" },
};

/** What whoever reads it looks at further. */
export const anything: Kind<unknown> = {
  expected: "a value",
  accepts: (value): value is unknown => value !== undefined,
  schema: {},
};

export const text: Kind<string> = {
  expected: "text",
  accepts: (value): value is string => typeof value === "string",
  schema: { type: "string" },
};

/** A path, by how its last part ends. */
export function file(ending: string): Kind<string> {
  return {
    expected: `a name that ends in ${ending}`,
    accepts: (value): value is string => typeof value === "string" && value.endsWith(ending),
    schema: { type: "string", pattern: `\\${ending}$` },
  };
}

/** Fields by name, which whoever reads them looks at further. */
export const record: Kind<Readonly<Record<string, unknown>>> = {
  expected: "an object",
  accepts: isRecord,
  schema: { type: "object" },
};

/** One of several names, or the only one. */
export function oneOf<const T extends string>(names: readonly T[]): Kind<T> {
  return {
    expected: names.length === 1 ? `"${names[0]}"` : `one of ${names.join(", ")}`,
    accepts: (value): value is T => names.includes(value as T),
    schema: { enum: names },
    hint: (value) => (typeof value === "string" ? didYouMean(value, names) : ""),
  };
}

/** A list of any length, at least `least`. @param many names the elements */
export function list<T>(of: Kind<T>, many: string, least = 0): Kind<readonly T[]> {
  return {
    expected: `a list of ${many}${least > 0 ? `, at least ${least}` : ""}`,
    accepts: (value): value is readonly T[] =>
      Array.isArray(value) && value.length >= least && value.every(of.accepts),
    schema: { type: "array", items: of.schema, ...(least > 0 && { minItems: least }) },
    hint: (value) => {
      const wrong = Array.isArray(value) ? value.find((item) => !of.accepts(item)) : undefined;
      return wrong === undefined ? "" : (of.hint?.(wrong) ?? "");
    },
  };
}

/** A shape of at least one axis that is not too large to be made. */
export const arrayShape: Kind<Shape> = {
  expected: `positive integers, at most ${MOST_NUMBERS} numbers in all`,
  accepts: (value): value is Shape => isListOf(value, whole(1)) && isBearable(value),
  schema: { type: "array", items: whole(1).schema, minItems: 1 },
};

/** A smaller and a larger number. */
export const interval: Kind<readonly [number, number]> = {
  expected: "two numbers, the smaller one first",
  accepts: (value): value is [number, number] =>
    isListOf(value, finite) && value.length === 2 && value[0]! < value[1]!,
  schema: { type: "array", items: finite.schema, minItems: 2, maxItems: 2 },
};

/** So many whole numbers. */
export function wholes(count: number, least: number): Kind<readonly number[]> {
  return tuple(whole(least), count, `${count} integers from ${least} on`);
}

/** Two values of a kind. @param many names them */
export function pair<T>(of: Kind<T>, many: string): Kind<readonly [T, T]> {
  return tuple(of, 2, `two ${many}`);
}

/** Three values of a kind. @param many names them */
export function triple<T>(of: Kind<T>, many: string): Kind<readonly [T, T, T]> {
  return tuple(of, 3, `three ${many}`);
}

function tuple<T, Values extends readonly T[]>(of: Kind<T>, count: number, expected: string): Kind<Values> {
  return {
    expected,
    accepts: (value): value is Values => isListOf(value, of) && value.length === count,
    schema: { type: "array", items: of.schema, minItems: count, maxItems: count },
  };
}

/** Whether a value is a list of at least one such value. */
function isListOf<T>(value: unknown, of: Kind<T>): value is T[] {
  return Array.isArray(value) && value.length > 0 && value.every(of.accepts);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
