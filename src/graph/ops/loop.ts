import { ShapeError, UnsupportedOpError } from "../../core/errors.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { input, integers, node, type Op, scalar, type Tensor } from "../tensor.ts";
import { dependents, reachable, substitute } from "../traverse.ts";
import { vjp } from "../vjp.ts";
import { expand, reshape } from "./broadcast.ts";
import { add, sub } from "./elementwise.ts";
import { gather } from "./movement.ts";

/** The turn of a loop: it makes the next states, and values to stack, from the index and the states. */
export interface LoopBody {
  /** Number of turns: fixed, or an int64 scalar that the running graph computes. */
  readonly turns: number | Tensor;
  /** Turn number, int64 scalar, from 0. */
  readonly index: Tensor;
  readonly states: readonly Tensor[];
  /** The next states, then the values to stack over the turns. */
  readonly results: readonly Tensor[];
}

const loopOp: Op = {
  name: "Loop",
  siblings: (t) => t.attributes.outputs as Tensor[],
  vjpOfOutputs: loopVjp,
  rebuild: (t, inputs, replaced, rewrite = (results) => [...results]) => {
    const body = t.attributes.body as LoopBody;
    const fresh = new Map(replaced);
    const [index, ...states] = [body.index, ...body.states].map((old) => {
      const placeholder = input(old.shape, old.dtype);
      fresh.set(old, placeholder);
      return placeholder;
    }) as [Tensor, ...Tensor[]];
    const results = rewrite(substitute(body.results, fresh), [index, ...states]);
    const initial = inputs.slice(0, states.length);
    const turns = typeof body.turns === "number" ? body.turns : (fresh.get(body.turns) ?? body.turns);
    return makeLoop({ turns, index, states, results }, initial)[t.attributes.output]!;
  },
};

/**
 * Runs `body` a number of times inside one run of the engine.
 * @param turns number of turns: a number or, if the loop is not to be differentiated, an int64 scalar of the graph
 * @param initial states before the first turn
 * @param body makes the next states, of the same shapes; what it uses from outside is computed once, before the loop
 * @returns the states after the last turn
 */
export function loop(
  turns: number | Tensor,
  initial: readonly Tensor[],
  body: (index: Tensor, states: readonly Tensor[]) => readonly Tensor[],
): Tensor[] {
  return build(turns, initial, (index, states) => ({ states: body(index, states), stacked: [] })).states;
}

type ScanBody = (
  index: Tensor,
  states: readonly Tensor[],
) => { readonly states: readonly Tensor[]; readonly stacked: readonly Tensor[] };

/** A `loop` with a fixed number of turns, which also stacks the values `stacked` of all turns along a new first axis. */
export function scan(
  turns: number,
  initial: readonly Tensor[],
  body: ScanBody,
): { states: Tensor[]; stacked: Tensor[] } {
  return build(turns, initial, body);
}

function build(
  turns: number | Tensor,
  initial: readonly Tensor[],
  body: ScanBody,
): { states: Tensor[]; stacked: Tensor[] } {
  const index = input([], "int64");
  const states = initial.map((state) => input(state.shape, state.dtype));
  const next = body(index, states);
  if (next.states.length !== states.length)
    throw new ShapeError(`loop: ${states.length} states enter a turn, ${next.states.length} leave it.`);
  if (
    typeof turns === "number"
      ? !Number.isInteger(turns) || turns < 0
      : turns.dtype !== "int64" || turns.shape.length > 0
  )
    throw new ShapeError(
      `loop: turns must be an integer >= 0 or an int64 scalar, got ${typeof turns === "number" ? turns : `${turns.dtype} ${formatShape(turns.shape)}`}.`,
    );
  next.states.forEach((state, k) => {
    if (state.dtype !== states[k]!.dtype || !sameShape(state.shape, states[k]!.shape))
      throw new ShapeError(
        `loop: state ${k} must stay ${states[k]!.dtype} ${formatShape(states[k]!.shape)}, became ${state.dtype} ${formatShape(state.shape)}.`,
      );
  });
  const outputs = makeLoop({ turns, index, states, results: [...next.states, ...next.stacked] }, initial);
  return { states: outputs.slice(0, states.length), stacked: outputs.slice(states.length) };
}

/** One tensor per result; the inputs are the initial states and whatever the body captures from outside. */
function makeLoop(body: LoopBody, initial: readonly Tensor[]): Tensor[] {
  const inner = reachable(body.results);
  const inside = dependents(inner, [body.index, ...body.states]);
  const captured = new Set<Tensor>();
  for (const tensor of [...inner.filter((t) => inside.has(t)).flatMap((t) => t.inputs), ...body.results])
    if (!inside.has(tensor)) captured.add(tensor);
  if (typeof body.turns !== "number") captured.add(body.turns);
  const inputs = [...initial, ...captured];
  const outputs: Tensor[] = [];
  body.results.forEach((result, output) => {
    const shape = output < body.states.length ? result.shape : [body.turns as number, ...result.shape]; // only `scan` stacks
    outputs.push(node(loopOp, inputs, shape, result.dtype, { body, output, outputs }));
  });
  return outputs;
}

export function isLoop(tensor: Tensor): boolean {
  return tensor.op === loopOp;
}

/** Reverse mode: replay the loop keeping the states of each turn, then run it backwards over them. */
function loopVjp(
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  isWanted: (input: Tensor) => boolean,
): readonly (Tensor | undefined)[] {
  const { inputs, attributes } = outputs[0]!;
  const { turns, index, states, results } = attributes.body as LoopBody;
  if (typeof turns !== "number")
    throw new UnsupportedOpError(
      "vjp: a loop whose number of turns is a tensor has no gradient. Give the number when building the graph.",
    );
  const captured = inputs.slice(states.length);
  const differentiable = (tensor: Tensor) => tensor.dtype === "float32";
  // Weights and other constants that the body uses get no cotangent: each would be carried through every turn.
  const sources = captured.filter((tensor) => differentiable(tensor) && isWanted(tensor));
  const initial = inputs.slice(0, states.length);
  const replay = (at: Tensor, values: readonly Tensor[]) =>
    substitute(results, new Map([[index, at], ...states.map((s, k) => [s, values[k]!] as const)]));
  const { stacked } = scan(turns, initial, (at, values) => ({
    states: replay(at, values).slice(0, states.length),
    stacked: values,
  }));

  const zeros = (like: Tensor) => expand(scalar(0), like.shape);
  const isState = (_: unknown, k: number) => k < states.length;
  const start = [
    ...outputs.filter(isState).map((output, k) => cotangents[k] ?? zeros(output)),
    ...sources.map(zeros),
  ];
  const final = loop(turns, start, (turn, carried) => {
    const at = sub(reshape(integers([turns - 1]), []), turn);
    const values = stacked.map((all) => gather(all, at));
    const next = replay(at, values);
    const pulled = next.flatMap((value, k) => {
      if (!differentiable(value)) return [];
      if (k < states.length) return [[value, carried[k]!] as const];
      const cotangent = cotangents[k];
      return cotangent ? [[value, gather(cotangent, at)] as const] : [];
    });
    const wanted = [...values.filter(differentiable), ...sources];
    const found = vjp(
      pulled.map(([value]) => value),
      wanted,
      pulled.map(([, cotangent]) => cotangent),
    );
    const gradients = new Map(wanted.map((tensor, k) => [tensor, found[k]!]));
    return [
      ...values.map((value, k) => gradients.get(value) ?? carried[k]!),
      ...sources.map((c, k) => add(carried[states.length + k]!, gradients.get(c)!)),
    ];
  });
  const ofSource = new Map(sources.map((tensor, k) => [tensor, final[states.length + k]]));
  return [
    ...initial.map((state, k) => (differentiable(state) ? final[k] : undefined)),
    ...captured.map((tensor) => ofSource.get(tensor)),
  ];
}
