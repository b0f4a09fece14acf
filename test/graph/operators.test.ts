import { describe, expect, test } from "vitest";
import { type HostArray, hostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import * as graph from "../../src/graph/index.ts";
import { concat, constant, input, reshape, type Tensor, vjp } from "../../src/graph/index.ts";
import { lower } from "../../src/graph/lower.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { simplify } from "../../src/graph/simplify.ts";
import { constantOp, inputOp } from "../../src/graph/tensor.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { compile } from "../../src/runtime/compile.ts";
import { createSession, loadEngine } from "../../src/runtime/engine.ts";
import { expectAllClose } from "../matchers.ts";
import { type Case, OPERATORS } from "./operator-cases.ts";

const SEED = 71;
const RANDOM_CASES = 5;
const DIRECTIONS = 3;

/**
 * Central differences at h, h/2 and h/4, extrapolated (Richardson), err by order h^6 and by 2^-24 |value| 4 / h of
 * rounding: both about 1e-5 here, more where values or high derivatives are large. A wrong rule errs by far more.
 */
const STEP = 2 ** -5;
const DIFFERENCE_TOLERANCE = 2e-3;
/** Values on the host are rounded to float32 once, the engine's after each step: a few units in the last place. */
const FOLDING_TOLERANCE = 2e-6;

/** Exports of the index that make no node of their own. */
const NOT_OPERATORS = [
  "constant",
  "input",
  "integers",
  "scalar",
  "vjp",
  "isLoop",
  "dropAxes",
  "normalizeAxes",
  "reducedShape",
];

function* allCases() {
  for (const { name, fixed, random } of OPERATORS) {
    for (const entry of fixed) yield { name: `${name}: ${entry.label}`, entry };
    if (!random) continue;
    const rng = new Rng(SEED).split("shapes", name);
    for (let k = 0; k < RANDOM_CASES; k++) {
      const entry = random(rng);
      yield { name: `${name}: random ${k}: ${entry.label}`, entry };
    }
  }
}
const CASES = [...allCases()];

function drawInputs(entry: Case, rng: Rng): HostArray<"float32">[] {
  const total = entry.inputs.reduce((count, { shape }) => count + sizeOf(shape), 0);
  const order = rng.permutation(total);
  let used = 0;
  return entry.inputs.map(({ shape, domain }) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => {
      if (domain === "normal") return rng.normal();
      if (domain === "positive") return 0.5 + 1.5 * rng.uniform();
      return 0.25 * (order[used++]! - Math.floor(total / 2)) + 0.12;
    });
    return hostArray("float32", shape, data);
  });
}

const placeholders = (entry: Case) => entry.inputs.map(({ shape }) => input(shape));
const byNumber = <T>(letter: string, values: readonly T[]) =>
  Object.fromEntries(values.map((value, k) => [`${letter}${k}`, value]));
const randomLike = (rng: Rng, shape: readonly number[]) => {
  const data = new Float32Array(sizeOf(shape));
  rng.fillNormal(data);
  return hostArray("float32", shape, data);
};
/** Limited, so that a step does not reach a kink of a "distinct" input. */
const randomDirection = (rng: Rng, shape: readonly number[]) => {
  const { data } = randomLike(rng, shape);
  return hostArray(
    "float32",
    shape,
    data.map((v) => Math.max(-1.5, Math.min(1.5, v))),
  );
};
const dot = (a: HostArray, b: HostArray) => {
  let total = 0;
  for (let i = 0; i < a.data.length; i++) total += Number(a.data[i]) * Number(b.data[i]);
  return total;
};
const moved = (x: HostArray, direction: HostArray, step: number) =>
  hostArray(
    "float32",
    x.shape,
    Float32Array.from(x.data as Float32Array, (v, i) => v + step * Number(direction.data[i])),
  );

/** Compares <gradient of sum(w f), d> with differences of sum(w f) along random directions d of all inputs. */
async function checkGradient(entry: Case, rng: Rng): Promise<void> {
  const inputs = placeholders(entry);
  const y = entry.build(inputs);
  const weights = input(y.shape);
  const gradients = vjp([y], inputs, [weights]);
  const program = await compile({
    inputs: { ...byNumber("x", inputs), weights },
    outputs: { y, gradients: byNumber("", gradients) },
  });
  const values = drawInputs(entry, rng);
  const w = randomLike(rng, y.shape);
  const at = async (x: readonly HostArray[]) => await program.run({ ...byNumber("x", x), weights: w });
  const found = await at(values);
  const gradientOf = (k: number) => found.gradients[k]!;
  for (let n = 0; n < DIRECTIONS; n++) {
    const direction = values.map((x) => randomDirection(rng, x.shape));
    const along = async (step: number) => {
      const ahead = await at(values.map((x, k) => moved(x, direction[k]!, step)));
      const behind = await at(values.map((x, k) => moved(x, direction[k]!, -step)));
      return (dot(ahead.y!, w) - dot(behind.y!, w)) / (2 * step);
    };
    const [whole, half, quarter] = [await along(STEP), await along(STEP / 2), await along(STEP / 4)];
    const difference = (64 * quarter - 20 * half + whole) / 45;
    const terms = direction.map((d, k) => [dot(gradientOf(k), d), norm(gradientOf(k))] as const);
    const derivative = terms.reduce((total, [term]) => total + term, 0);
    const scale = Math.hypot(1e-3, ...terms.map(([, size]) => size));
    const error = Math.abs(derivative - difference) / scale;
    expect(error, `vjp ${derivative}, differences ${difference}, gradient norm ${scale}`).toBeLessThan(
      DIFFERENCE_TOLERANCE,
    );
  }
  await program.release();
}
const norm = (x: HostArray) => Math.sqrt(dot(x, x));

/** The case whose value is the gradient of another: its inputs and cotangent to the joined input cotangents. */
function gradientCase(entry: Case): Case {
  const y = entry.build(placeholders(entry));
  return {
    ...entry,
    inputs: [...entry.inputs, { shape: y.shape, domain: "normal" }],
    build: (tensors) => {
      const inputs = tensors.slice(0, -1);
      const gradients = vjp([entry.build(inputs)], inputs, [tensors.at(-1)!]);
      return concat(
        gradients.map((g) => reshape(g, [-1])),
        0,
      );
    },
  };
}

/** Runs the graph with every node as an output, and compares what comes back with the declared shape and dtype. */
async function checkNodes(inputs: readonly Tensor[], results: readonly Tensor[]): Promise<void> {
  const plain = lower(simplify(results), { blockSize: 1 });
  const nodes = reachable(plain).filter(({ op }) => op !== inputOp && op !== constantOp);
  if (nodes.length === 0) return;
  const model = writeOnnx(byNumber("x", inputs), byNumber("n", nodes));
  const session = await createSession(model, {});
  const { Tensor: EngineTensor } = await loadEngine();
  const rng = new Rng(SEED);
  const feeds = inputs.map((x) => {
    const data = Float32Array.from({ length: sizeOf(x.shape) }, () => 0.5 + rng.uniform());
    return new EngineTensor("float32", data, x.shape);
  });
  const found = await session.run(byNumber("x", feeds));
  nodes.forEach((node, k) => {
    const { type, dims } = found[`n${k}`]!;
    expect([node.op.name, type, ...dims]).toEqual([node.op.name, node.dtype, ...node.shape]);
  });
  await session.release();
}

test("every exported operator has cases", () => {
  const exported = Object.keys(graph).filter((name) => !NOT_OPERATORS.includes(name));
  const tried = OPERATORS.map(({ name }) => name);
  expect(exported.filter((name) => !tried.includes(name))).toEqual([]);
  expect(tried.filter((name) => !exported.includes(name))).toEqual([]);
});

describe("the gradient agrees with finite differences", () => {
  test.each(CASES.filter(({ entry }) => entry.differentiable))("$name", async ({ name, entry }) => {
    await checkGradient(entry, new Rng(SEED).split("first", name));
  });
});

describe("the gradient of the gradient agrees with finite differences", () => {
  test.each(CASES.filter(({ entry }) => entry.differentiable))("$name", async ({ name, entry }) => {
    await checkGradient(gradientCase(entry), new Rng(SEED).split("second", name));
  });
});

describe("the gradient of an operator without one is zero", () => {
  test.each(CASES.filter(({ entry }) => !entry.differentiable))("$name", async ({ entry }) => {
    const inputs = placeholders(entry);
    const y = entry.build(inputs);
    const gradients = vjp([y], inputs, [input(y.shape)]);
    const program = await compile({ inputs: {}, outputs: byNumber("g", gradients) });
    for (const gradient of Object.values(await program.run({}))) expect(norm(gradient)).toBe(0);
    await program.release();
  });
});

describe("folding constants gives what the engine computes", () => {
  test.each(CASES)("$name", async ({ name, entry }) => {
    const values = drawInputs(entry, new Rng(SEED).split("fold", name));
    const inputs = placeholders(entry);
    const program = await compile({ inputs: byNumber("x", inputs), outputs: { y: entry.build(inputs) } });
    const { y } = await program.run(byNumber("x", values));
    const [folded] = simplify([entry.build(values.map(constant))]) as [Tensor];
    const rest = reachable([folded]).filter(({ inputs: from, op }) => op.evaluate && from.every(isConstant));
    expect(rest.map(({ op }) => op.name)).toEqual([]);
    if (isConstant(folded)) expectAllClose(folded.attributes.value, y!, { relative: FOLDING_TOLERANCE });
    await program.release();
  });
  const isConstant = (tensor: Tensor) => tensor.op === constantOp;
});

describe("each node has the shape and dtype that the engine gives it", () => {
  test.each(CASES)("$name", async ({ entry }) => {
    const inputs = placeholders(entry);
    const y = entry.build(inputs);
    const weights = input(y.shape);
    await checkNodes([...inputs, weights], [y, ...vjp([y], inputs, [weights])]);
  });
});
