import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { type Denoiser, normalDenoiser, perSample } from "../../src/diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants, gaussianDenoiser, shrink } from "../../src/diffusion/gaussian.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import { SAMPLERS, type SamplerName } from "../../src/diffusion/samplers.ts";
import { noiseLevels, SPACINGS } from "../../src/diffusion/schedule.ts";
import { add, constant, div, matmul, mul, sin, square, sub, type Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { adjoint, type OperatorFamily } from "../../src/operators/operator.ts";
import { OPERATORS, operatorFamily } from "../../src/operators/registry.ts";
import {
  COVARIANCES,
  POSTERIOR_NAMES,
  POSTERIORS,
  type PosteriorName,
  posteriorMethod,
} from "../../src/posterior/methods.ts";
import type { Measurement, SolverStatus } from "../../src/posterior/posterior.ts";
import { randomGaussian } from "../diffusion/dense.ts";
import { streams } from "../diffusion/moments.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

/** Both ends of the paper's schedule, and between: each sample of a batch at its own level. */
const LEVELS = [1e-3, 0.1, 1, 1e2];
const B = LEVELS.length;
const sigma = float32(LEVELS);
/** Steps after which float32 has nothing left to solve with so much noise. */
const ENOUGH = 12;
const VARIANCE = 25;
// A fixed point x_hat + V A' (y - A m) / Sigma_y amplifies rounding of m by |V A' A| / Sigma_y, up to 100 here.
const FIXED_POINT = 1e-3;

type Tensors = Record<string, Tensor>;
const allFinite = ({ data }: HostArray) => Array.from(data, Number).every(Number.isFinite);

const CASES = OPERATORS.map(({ name, examples }) => {
  const { spec, latentShape } = examples[0]!;
  return { name, family: operatorFamily(spec, latentShape) };
});

/** Data of one operator per sample, noisy latents at each level and observations. */
function scene(family: OperatorFamily) {
  const rng = new Rng(31);
  const data = Object.entries(family.data).map(([name, shape]) => {
    const values = normals(rng.split(name), [B, ...shape]);
    return [
      name,
      name in family.masks
        ? float32(
            values.data.map((z) => Number(z > 0)),
            values.shape,
          )
        : values,
    ];
  });
  const x = normals(rng.split("x"), [B, ...family.latentShape]);
  const each = x.data.length / B;
  x.data.forEach((z, i) => {
    x.data[i] = z * Math.hypot(1, LEVELS[Math.floor(i / each)]!);
  });
  const y = normals(rng.split("y"), [B, ...family.observationShape]);
  return { ...(Object.fromEntries(data) as Record<string, HostArray<"float32">>), x, y, sigma };
}

/** x_hat + V A' (y - A m) / Sigma_y, which is m if and only if m is the posterior mean for the covariance V. */
function fixedPoint(
  { operator, y }: Measurement,
  x_hat: Tensor,
  V: (v: Tensor) => Tensor,
  m: Tensor,
): Tensor {
  return add(x_hat, V(adjoint(operator, m, div(sub(y, operator(m)), VARIANCE))));
}

describe.each(CASES)("with the operator $name", ({ name, family }) => {
  const { latentShape } = family;
  const N = sizeOf(latentShape);
  const feeds = scene(family);
  const gaussian = randomGaussian(new Rng(32), N, 2, 10);
  const bind = ({ y, ...data }: Tensors): Measurement => ({
    operator: family.bind(data),
    y: y!,
    variance: VARIANCE,
  });

  test("every method is finite at both ends of the schedule, with noise and without", async () => {
    const statuses: Partial<Record<string, SolverStatus>> = {};
    const found = await evaluate(feeds, ({ x, sigma, ...rest }) => {
      const results: Tensors = {};
      for (const name of POSTERIOR_NAMES)
        for (const variance of [0, 1e-6]) {
          const key = `${name} ${variance}`;
          const observe = (status: SolverStatus) => {
            statuses[key] = status;
          };
          const posterior = POSTERIORS[name].make(
            gaussianDenoiser(gaussian),
            { ...bind(rest), variance },
            { observe, cgSteps: 2 },
          );
          results[key] = posterior(x!, sigma!);
          for (const [figure, value] of Object.entries(statuses[key] ?? {}))
            results[`${key} ${figure}`] = value;
        }
      return results;
    });
    for (const [key, value] of Object.entries(found)) {
      expect(allFinite(value), key).toBe(true);
      const isFigure = key.split(" ").length === 3;
      expect(value.shape).toEqual(isFigure ? [B] : feeds.x.shape);
    }
    const reporting = POSTERIOR_NAMES.filter((name) => POSTERIORS[name].solves);
    expect(Object.keys(statuses).sort()).toEqual(
      reporting.flatMap((name) => [`${name} 0`, `${name} 0.000001`]).sort(),
    );
  });

  test("methods give the exact mean of the posteriors that they assume", async () => {
    const diagonal: Gaussian = { ...gaussian, factor: float32(new Float32Array(N), [N, 1]) };
    const found = await evaluate(feeds, ({ x, sigma, ...rest }) => {
      const measurement = bind(rest);
      const variance_t = square(perSample(sigma!, x!));
      const results: Tensors = {};
      const check = (
        key: string,
        method: PosteriorName,
        prior: Denoiser,
        options: object,
        covariance: (v: Tensor) => Tensor,
      ) => {
        const m = POSTERIORS[method].make(prior, measurement, { cgSteps: ENOUGH, ...options })(x!, sigma!);
        results[key] = m;
        results[`${key}, fixed point`] = fixedPoint(measurement, prior(x!, sigma!), covariance, m);
      };
      const tweedie = (prior: Gaussian) => (v: Tensor) =>
        mul(variance_t, shrink(gaussianConstants(prior), sigma!)(v));
      const normal = (v: Tensor) => mul(div(variance_t, add(variance_t, 1)), v);
      const prior = gaussianDenoiser(gaussian);
      check("tweedie", "mmps", prior, {}, tweedie(gaussian));
      check("sigma-x", "mmps", prior, { covariance: "sigma-x", gaussian }, tweedie(gaussian));
      check("identity", "mmps", normalDenoiser, { covariance: "identity" }, normal);
      check("pigdm", "pigdm", normalDenoiser, {}, normal);
      // V = 1 at the largest level: more, and the fixed point would amplify rounding beyond any bound.
      check("diffpir", "diffpir", prior, { lambda: 1e4 }, (v) => div(mul(variance_t, v), 1e4));
      // Rows that each read one latent: A V A' is diagonal where V is.
      if (["mask", "crop", "subsample"].includes(name))
        check("tmpd", "tmpd", gaussianDenoiser(diagonal), {}, tweedie(diagonal));
      return results;
    });
    for (const key of Object.keys(found).filter((key) => !key.endsWith("fixed point")))
      expectAllClose(found[`${key}, fixed point`]!, found[key]!, { relative: FIXED_POINT });
  });
});

describe.each(POSTERIOR_NAMES)("the method %s", (name) => {
  const N = 4;
  const matrices = normals(new Rng(33), [1, 2, N]);
  const prior = gaussianDenoiser(randomGaussian(new Rng(34), N, 1, 10));
  test.each(Object.keys(SAMPLERS) as SamplerName[])(
    "draws finite samples with the sampler %s on every schedule",
    async (sampler) => {
      const drawer = await compileSampler({
        sampler,
        shape: [N],
        batch: 3,
        conditions: { A: [2, N], y: [2] },
        denoiser: ({ A, y }, observe) =>
          POSTERIORS[name].make(
            prior,
            { operator: matrix(A!), y: y!, variance: 0.01 },
            { observe, cgSteps: 2 },
          ),
      });
      for (const spacing of SPACINGS) {
        const { samples, status } = await drawer.draw({
          streams: streams(35, 3),
          levels: noiseLevels({ sigmaMin: 1e-3, sigmaMax: 1e2, spacing }, 3),
          conditions: {
            A: float32(
              [0, 1, 2].flatMap(() => Array.from(matrices.data)),
              [3, 2, N],
            ),
            y: normals(new Rng(36), [3, 2]),
          },
        });
        expect(samples.shape).toEqual([3, N]);
        expect(allFinite(samples)).toBe(true);
        expect(status !== undefined).toBe(POSTERIORS[name].solves);
      }
      await drawer.release();
    },
  );

  test("is finite with redundant rows, no noise, and a Jacobian neither symmetric nor positive", async () => {
    const mixing = constant(normals(new Rng(37), [N, N]));
    const crooked: Denoiser = (x_t) => sin(matmul(x_t, mixing));
    const twice = float32(
      [0, 1, 2, 3].flatMap(() => [1, 2, 0, -1, 1, 2, 0, -1, 0, 0, 0, 0]),
      [B, 3, N],
    );
    const feeds = { x: normals(new Rng(38), [B, N]), y: normals(new Rng(39), [B, 3]), A: twice, sigma };
    const found = await evaluate(feeds, ({ x, y, A, sigma }) => ({
      once: POSTERIORS[name].make(crooked, { operator: matrix(A), y, variance: 0 })(x, sigma),
      often: POSTERIORS[name].make(
        crooked,
        { operator: matrix(A), y, variance: 0 },
        { cgSteps: 6 },
      )(x, sigma),
    }));
    expect(allFinite(found.once) && allFinite(found.often)).toBe(true);
  });

  test("leaves the denoised mean alone where the residual is zero", async () => {
    const feeds = { x: normals(new Rng(40), [B, N]), y: float32(new Float32Array(2 * B), [B, 2]), sigma };
    const zero: Denoiser = (x_t) => mul(x_t, 0);
    const found = await evaluate(feeds, ({ x, y, sigma }) => {
      const operator = matrix(constant(float32(new Float32Array(8 * B).fill(1), [B, 2, N])));
      return { mean: POSTERIORS[name].make(zero, { operator, y, variance: 0.1 })(x, sigma) };
    });
    expect(found.mean.data.every((value) => value === 0)).toBe(true);
  });

  test("takes a differentiable operator by its linearization at the denoised mean", async () => {
    const rng = new Rng(41);
    const feeds = { x: normals(rng, [B, N]), y: normals(rng, [B, N]), sigma };
    const curved = (x: Tensor) => add(x, div(mul(x, square(x)), 3)); // derivative 1 + x^2
    // The linear problem that a Gauss-Newton step solves, as data, so that it is no function of x_t.
    const local = await evaluate(feeds, ({ x, y, sigma }) => {
      const x_hat = prior(x, sigma);
      const H = add(square(x_hat), 1);
      return { H, shifted: add(sub(y, curved(x_hat)), mul(H, x_hat)) };
    });
    const found = await evaluate({ ...feeds, ...local }, ({ x, y, sigma, H, shifted }) => {
      const make = (measurement: Measurement) =>
        POSTERIORS[name].make(prior, measurement, { cgSteps: 2 })(x, sigma);
      return {
        curved: make({ operator: curved, y, variance: 0.01, linear: false }),
        linear: make({ operator: (u) => mul(H, u), y: shifted, variance: 0.01 }),
      };
    });
    expectAllClose(found.curved, found.linear, { relative: 1e-5 });
  });
});

describe("the registry of posterior methods", () => {
  test("finds each method by its name", () => {
    for (const name of POSTERIOR_NAMES) expect(posteriorMethod(name).name).toBe(name);
  });

  test("refuses what it does not know, with the remedy", () => {
    expect(() => posteriorMethod("mpms")).toThrow(
      'posterior: method must be one of mmps, dps, pigdm, tmpd, diffpir, got "mpms". Did you mean "mmps"?',
    );
    expect(() => posteriorMethod("tds")).toThrow("its particles depend on one another. Use compileTwisted");
    const measurement = { operator: (x: Tensor) => x, y: constant(float32([0], [1, 1])), variance: 1 };
    expect(() => POSTERIORS.mmps.make(normalDenoiser, measurement, { covariance: "sigma-x" })).toThrow(
      'mmps: the covariance "sigma-x" needs a Gaussian, got none.',
    );
    expect(() =>
      // What a configuration that was not checked may hold.
      POSTERIORS.mmps.make(normalDenoiser, measurement, { covariance: "sigma" as (typeof COVARIANCES)[0] }),
    ).toThrow(`mmps: covariance must be one of ${COVARIANCES.join(", ")}, got "sigma".`);
    expect(() => POSTERIORS.diffpir.make(normalDenoiser, measurement, { lambda: 0 })).toThrow(
      "diffpir: lambda must be > 0, got 0.",
    );
  });
});
