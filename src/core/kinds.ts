/** What values configurations, headers and operators take. */

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

/** One of several names, or the only one. */
export function name<T extends string>(names: readonly T[]): Kind<T> {
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

/** So many whole numbers. */
export function wholes(count: number, least: number): Kind<readonly number[]> {
  return {
    expected: `${count} integers from ${least} on`,
    accepts: (value): value is number[] => isListOf(value, whole(least)) && value.length === count,
    schema: { type: "array", items: whole(least).schema, minItems: count, maxItems: count },
  };
}

/** A smaller and a larger number. */
export const interval: Kind<readonly [number, number]> = {
  expected: "[smallest, largest]",
  accepts: (value): value is [number, number] =>
    isListOf(value, finite) && value.length === 2 && value[0]! < value[1]!,
  schema: { type: "array", items: finite.schema, minItems: 2, maxItems: 2 },
};

/** Two positive numbers. */
export const positivePair: Kind<readonly [number, number]> = {
  expected: "two numbers above 0",
  accepts: (value): value is readonly [number, number] => arePositive(value, 2),
  schema: { type: "array", items: positive.schema, minItems: 2, maxItems: 2 },
};

/** Three positive numbers. */
export const positiveTriple: Kind<readonly [number, number, number]> = {
  expected: "three numbers above 0",
  accepts: (value): value is readonly [number, number, number] => arePositive(value, 3),
  schema: { type: "array", items: positive.schema, minItems: 3, maxItems: 3 },
};

function arePositive(value: unknown, length: number): boolean {
  return isListOf(value, positive) && value.length === length;
}

/** Whether a value is a list of at least one such value. */
function isListOf<T>(value: unknown, of: Kind<T>): value is T[] {
  return Array.isArray(value) && value.length > 0 && value.every(of.accepts);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
