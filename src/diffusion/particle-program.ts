import { float32 } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import { mapTree, type Tree } from "../core/tree.ts";
import {
  add,
  and,
  cast,
  constant,
  div,
  expand,
  gather,
  greater,
  greaterOrEqual,
  input,
  lessOrEqual,
  loop,
  matmul,
  minimum,
  mul,
  not,
  reciprocal,
  reshape,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "../graph/index.ts";
import { perSample } from "./denoiser.ts";
import { columns, conditionInputs, type ParticleSpec, type SamplerProgram } from "./sampler-program.ts";
import { SAMPLERS } from "./samplers.ts";

/** Resample below this effective share of the particles: the customary compromise. */
const THRESHOLD = 0.5;

/**
 * The graph of `turns` steps of twisted diffusion sampling [Wu23, algorithm 1], as `samplerProgram` is that of plain sampling. Each
 * sample has K particles, which begin at draws of an approximate posterior and take the sampler's steps with the guided mean:
 *   proposal   x_s ~ q = N(m(E[x | x_t, y]), d^2),  the prior's step p = N(m(E[x | x_t]), d^2)
 *   weight     w *= p(x_s | x_t) psi_s(x_s) / (q(x_s | x_t) psi_t(x_t))
 * When the weights grow uneven, systematic resampling [Kitagawa96] copies the heavy ones. At the last step one particle takes
 * the place of all, by its weight. The more particles, the closer to the exact posterior of the prior's own steps, whatever
 * the approximations that guide them.
 * @throws ConfigError for a sampler whose steps have no density
 */
export function particleProgram<Conditions extends object>(spec: ParticleSpec<Conditions>): SamplerProgram {
  const { sampler, shape, batch, turns = 1, particles: K, guidance } = spec;
  const method = typeof sampler === "string" ? SAMPLERS[sampler]() : sampler;
  const { deviation } = method;
  if (!deviation)
    throw new ConfigError(
      `sampler: particles weigh steps by their density, which a step of "${method.name}" lacks. Use "multistep" or "ddpm" with noise, or one particle.`,
    );
  const B = batch * K;
  const x = input([B, ...shape]);
  const memories = (name: string) =>
    Object.fromEntries(Array.from({ length: method.memory }, (_, k) => [`${name}.${k}`, input(x.shape)]));
  const carried = { x, ...memories("memory"), ...memories("prior"), logWeight: input([B]) };
  const levels = input([turns, 3]);
  const noise = input([turns, method.noises, ...x.shape]);
  const choices = input([turns, batch]);
  const count = input([], "int64");
  const conditions = conditionInputs(spec);
  const guide = guidance(
    mapTree<Tensor, Tensor>(conditions as Tree<Tensor>, (tensor) =>
      repeatRows(tensor, K),
    ) as typeof conditions,
  );

  const step = (turn: Tensor, [x_t, ...rest]: readonly Tensor[]): Tensor[] => {
    const [sigma_r, sigma_t, sigma_s] = columns(gather(levels, turn)) as [Tensor, Tensor, Tensor];
    const around = { sigma_r, sigma_t, sigma_s };
    const isLast = not(greater(sigma_s, 0));
    const found = guide(x_t!, sigma_t);
    // Particles begin as if drawn from p(x_1) psi_1(x_1): no weight then.
    const logWeight = mul(add(rest.at(-1)!, found.logTwist), cast(greater(sigma_r, sigma_t), "float32"));
    const u = reshape(gather(choices, turn), [batch, 1]);
    const { rows, kept } = choose(reshape(logWeight, [batch, K]), u, isLast);
    const pick = (tensor: Tensor) => gather(tensor, rows);
    const noises = columns(gather(noise, turn)).map((z) => reshape(z, x.shape));
    const take = (mean: Tensor, memory: readonly Tensor[]) =>
      method.step(() => pick(mean), pick(x_t!), around, noises, memory.map(pick));
    const own = take(found.mean, rest.slice(0, method.memory));
    const prior = take(found.prior, rest.slice(method.memory, -1));
    // ln q(x_s) - ln p(x_s) of x_s = m_q + d z: |a|^2 / 2 + a' z, a = (m_q - m_p) / d. The last step has no noise.
    const a = where(
      isLast,
      0,
      div(sub(own.x_s, prior.x_s), perSample(where(isLast, 1, deviation(around)), x_t!)),
    );
    const ratio = sum(
      mul(a, add(mul(a, 0.5), noises[0]!)),
      shape.map((_, axis) => axis + 1),
    );
    // A weight that is not finite stays so, for 0 times it is not 0.
    const left = mul(logWeight, reshape(expand(kept, [batch, K]), [B]));
    return [own.x_s, ...own.memory, ...prior.memory, sub(sub(left, pick(found.logTwist)), ratio)];
  };
  const states = Object.values(carried);
  const ended = loop(count, states, step);
  return {
    method,
    turns,
    carried,
    observed: false,
    inputs: {
      now: carried,
      levels,
      noise,
      choices,
      count,
      conditions: conditions as Tree<Tensor>,
    },
    outputs: { next: Object.fromEntries(Object.keys(carried).map((name, k) => [name, ended[k]!])) },
  };
}

/** Each row K times, one after the other. */
function repeatRows(tensor: Tensor, K: number): Tensor {
  const [n, ...rest] = tensor.shape as [number, ...number[]];
  return reshape(expand(reshape(tensor, [n, 1, ...rest]), [n, K, ...rest]), [n * K, ...rest]);
}

/**
 * Which particles go on.
 * @param logWeight [n, K] @param u uniform in [0, 1), [n, 1]
 * @returns their row numbers, [n K], and 1 where all keep their weights, 0 where they were resampled, [n, 1]
 */
function choose(logWeight: Tensor, u: Tensor, isLast: Tensor): { rows: Tensor; kept: Tensor } {
  const [n, K] = logWeight.shape as [number, number];
  const weight = softmax(logWeight);
  const places = scalars(K, (k) => k);
  const upTo = constant(
    float32(
      Float32Array.from({ length: K * K }, (_, at) => Number(Math.floor(at / K) <= at % K)),
      [K, K],
    ),
  );
  const reached = reshape(matmul(weight, upTo), [n, 1, K]);
  // At the last step one point picks for all.
  const points = where(isLast, expand(u, [n, K]), div(add(u, places), K));
  const below = cast(lessOrEqual(reached, reshape(points, [n, K, 1])), "float32");
  const picked = minimum(sum(below, [2]), K - 1);
  const isEven = greaterOrEqual(reciprocal(sum(square(weight), [1], true)), THRESHOLD * K);
  const keeps = and(isEven, not(isLast));
  const index = add(
    where(keeps, places, picked),
    mul(
      reshape(
        scalars(n, (i) => i),
        [n, 1],
      ),
      K,
    ),
  );
  return { rows: cast(reshape(index, [n * K]), "int64"), kept: cast(keeps, "float32") };
}

const scalars = (count: number, of: (i: number) => number) =>
  constant(float32(Float32Array.from({ length: count }, (_, i) => of(i))));
