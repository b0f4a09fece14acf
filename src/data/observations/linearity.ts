import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { Rng } from "../../core/random.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { input } from "../../graph/index.ts";
import type { OperatorFamily } from "../../operators/operator.ts";
import { compile } from "../../runtime/compile.ts";
import { inputsOf } from "../../runtime/inputs.ts";

/** Zero, and for each probe x, x' and a x + b x'. */
const PROBES = 2;
const ROWS = 1 + 3 * PROBES;
const [A, B] = [0.7, -1.6];
/** Relative to the largest entry: float32 sums of many terms, in convolutions and products, agree to about 1e-5. */
const TOLERANCE = 1e-3;

/**
 * Probes a map of code with random latents: A(0) = 0 and A(a x + b x') = a A(x) + b A(x'), all in one batch with the same
 * data, so that a map across samples shows as well.
 * @throws DataError if it is affine or not linear
 */
export async function checkLinear(family: OperatorFamily, where: string): Promise<void> {
  expectBearable([ROWS, ...family.latentShape], `${where}: probes of the operator`);
  const rng = new Rng(0).split("linearity");
  const x = input([ROWS, ...family.latentShape]);
  const data = inputsOf(family.data, ROWS);
  const program = await compile({ inputs: { x, data }, outputs: { y: family.bind(data)(x) } });
  const own = Object.fromEntries(
    Object.entries(family.data).map(([name, shape]) => [
      name,
      repeated(shape, () => (name in family.masks ? Number(rng.uniform() < 0.5) : rng.normal())),
    ]),
  );
  const { y } = await program
    .run({ x: probes(family.latentShape, rng), data: own })
    .finally(() => program.release());
  const values = y.data as Float32Array;
  const size = sizeOf(family.observationShape);
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const isOff = (error: number) => !(Math.abs(error) <= TOLERANCE * scale);
  const at = (row: number, entry: number) => values[row * size + entry]!;
  for (let entry = 0; entry < size; entry++)
    if (isOff(at(0, entry)))
      throw new DataError(
        `${where}: expected a linear operator, found one that maps 0 to ${at(0, entry)} in entry ${entry}. Leave the constant out, and subtract it from y.`,
      );
  for (let k = 0; k < PROBES; k++)
    for (let entry = 0; entry < size; entry++) {
      const [first, second, both] = [1, 2, 3].map((i) => at(3 * k + i, entry)) as [number, number, number];
      if (isOff(both - A * first - B * second))
        throw new DataError(
          `${where}: expected a linear operator, found A(${A} x ${B} x') = ${both} where ${A} A(x) ${B} A(x') = ${A * first + B * second} in entry ${entry}. State linear: false if it is only differentiable.`,
        );
    }
}

function probes(shape: Shape, rng: Rng): HostArray<"float32"> {
  const size = sizeOf(shape);
  const x = new Float32Array(ROWS * size);
  for (let k = 0; k < PROBES; k++) {
    const start = (1 + 3 * k) * size;
    rng.fillNormal(x.subarray(start, start + 2 * size));
    for (let i = start; i < start + size; i++) x[i + 2 * size] = A * x[i]! + B * x[i + size]!;
  }
  return float32(x, [ROWS, ...shape]);
}

/** The same values for each row. */
function repeated(shape: Shape, draw: () => number): HostArray<"float32"> {
  const one = Float32Array.from({ length: sizeOf(shape) }, draw);
  const all = new Float32Array(ROWS * one.length);
  for (let row = 0; row < ROWS; row++) all.set(one, row * one.length);
  return float32(all, [ROWS, ...shape]);
}
