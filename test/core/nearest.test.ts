import { expect, test } from "vitest";
import { didYouMean, nearest } from "../../src/core/nearest.ts";

const METHODS = ["mmps", "dps", "pigdm", "guidance"];

test.each([
  ["mpms", "mmps"],
  ["guidence", "guidance"],
  ["pigdm", "pigdm"],
  ["unrelated", undefined],
])("the nearest of the methods to %s is %s", (word, expected) => {
  expect(nearest(word, METHODS)).toBe(expected);
});

test("of equally near candidates the first is taken", () => {
  expect(nearest("ab", ["aa", "bb"])).toBe("aa");
});

test("nothing is near in an empty list", () => {
  expect(nearest("x", [])).toBeUndefined();
});

test("a suggestion is a sentence or nothing", () => {
  expect(didYouMean("mpms", METHODS)).toBe(' Did you mean "mmps"?');
  expect(didYouMean("unrelated", METHODS)).toBe("");
});
