"""JAX: the networks, MMPS, DDPM and optimizer steps of src/, jitted. Started by the bench, see serve.py."""

from serve import fastest, read_job, serve

job = read_job()

import os

if job["threads"] < os.cpu_count():  # XLA takes as many threads as it has cores
    os.sched_setaffinity(0, range(job["threads"]))

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def convolve(weights, name, x, stride=1):
    kernel = weights[f"{name}.weight"]
    padding = [(kernel.shape[0] // 2,) * 2] * 2
    y = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=DIMENSIONS)
    return y + weights[f"{name}.bias"]


def norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def embed(log_sigma, features):
    half = features // 2
    frequencies = jnp.array([1e-4 ** (i / (half - 1)) for i in range(half)], jnp.float32)
    angles = log_sigma[:, None] * frequencies
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)


def mlp_block(weights, name, h, e):
    modulation = linear(weights, f"{name}.modulation.1", jax.nn.silu(linear(weights, f"{name}.modulation.0", e)))
    a, b, c = jnp.split(modulation, 3, axis=-1)
    y = linear(weights, f"{name}.linear", jax.nn.silu((a + 1) * norm(h) + b))
    scale = jax.lax.rsqrt(1 + (c + 1) ** 2)
    return h * scale + y * ((c + 1) * scale)


def mlp(config, weights, x, log_sigma):
    e = embed(log_sigma, config["embedding"])
    h = linear(weights, "input", jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1))
    for i in range(config["blocks"]):
        h = mlp_block(weights, f"block.{i}", h, e)
    return linear(weights, "output", norm(h))


def block(weights, name, x, e):
    modulation = linear(weights, f"{name}.modulation.1", jax.nn.silu(linear(weights, f"{name}.modulation.0", e)))
    a, b, c = jnp.split(modulation[:, None, None, :], 3, axis=-1)
    y = norm((a + 1) * x + b)
    y = convolve(weights, f"{name}.second", jax.nn.silu(convolve(weights, f"{name}.first", y)))
    scale = jax.lax.rsqrt(1 + c * c)
    return x * scale + y * (c * scale)


def unet(config, weights, x, log_sigma):
    """Images [B, C, H, W] as ours; channels are last inside, which XLA's convolutions read."""
    e = embed(log_sigma, config["embedding"])
    p, (B, C, H, W) = config["patch"], x.shape
    x = x.reshape(B, C, H // p, p, W // p, p).transpose(0, 2, 4, 3, 5, 1)
    x = x.reshape(B, H // p, W // p, p * p * C)

    def level(way, i, x):
        for b in range(config["blocks"][i]):
            x = block(weights, f"{way}.{i}.block.{b}", x, e)
        return x

    skips = []
    for i in range(len(config["channels"])):
        x = convolve(weights, f"down.{i}.head", x, stride=2 if i else 1)
        x = level("down", i, norm(x) if i else x)
        skips.append(x)
    for i in reversed(range(len(skips))):
        if i + 1 < len(skips):
            x = convolve(weights, f"up.{i}.merge", jnp.concatenate([x, skips[i]], axis=-1))
        x = level("up", i, x)
        if i:
            x = norm(x).repeat(2, axis=1).repeat(2, axis=2)
    x = convolve(weights, "output", x).reshape(B, H // p, W // p, p, p, C)
    return x.transpose(0, 5, 1, 3, 2, 4).reshape(B, C, H, W)


def per_sample(values, x):
    return values.reshape(-1, *[1] * (x.ndim - 1))


def denoise(network, weights, x_t, sigma_t):
    sigma = per_sample(sigma_t, x_t)
    inverse = jax.lax.rsqrt(sigma**2 + 1)
    h = network(weights, x_t * inverse, jnp.log(sigma_t))
    return x_t / (sigma**2 + 1) + sigma * inverse * h


def mmps(denoiser, x_t, sigma, y, mask, variance, steps, reuse):
    """Posterior denoiser by conjugate gradients; `reuse` as in pytorch_peer.py."""

    def dot(a, b):
        return per_sample((a * b).reshape(len(a), -1).sum(1), a)

    def share(part, whole):  # a sample without a visible entry has nothing to solve
        return jnp.where(whole > 0, part / whole, 0)

    x_hat, vjp = jax.vjp(lambda x: denoiser(x, sigma), x_t)

    def pull(v):
        return sigma**2 * vjp(mask * v)[0]

    r = y - mask * x_hat
    p, v, companion, rho = r, jnp.zeros_like(r), jnp.zeros_like(r), dot(r, r)
    for _ in range(steps):
        pulled = pull(p)
        product = variance * p + mask * pulled
        alpha = share(rho, dot(p, product))
        v = v + alpha * p
        companion = companion + alpha * pulled
        r = r - alpha * product
        rho, old = dot(r, r), rho
        p = r + share(rho, old) * p
    return x_hat + (companion if reuse else pull(v))


def network_of(settings):
    config = settings["network"]
    return partial(mlp if config["type"] == "mlp" else unet, config)


def weights_of(inputs):
    """Kernels as HWIO; everything else as ours."""
    found = {name[len("weights.") :]: value for name, value in inputs.items() if name.startswith("weights.")}
    return {name: jnp.array(w.transpose(2, 3, 1, 0) if w.ndim == 4 else w) for name, w in found.items()}


def drawing(job):
    inputs, settings = load_file(job["input"]), job["settings"]
    weights, network = weights_of(inputs), network_of(settings)
    levels = jnp.array(settings["levels"], jnp.float32)[:, None]
    y, mask, start, noise = (jnp.array(inputs[name]) for name in ("y", "mask", "start", "noise"))

    def step(weights, x, t, s, z):
        denoiser = partial(denoise, network, weights)
        if job["task"] == "eStep":
            x_hat = mmps(denoiser, x, t, y, mask, settings["variance"], settings["cgSteps"], job["reuse"])
        else:
            x_hat = denoiser(x, t)
        kept = (s / t) ** 2
        return x_hat + kept * (x - x_hat) + s * jnp.sqrt(1 - kept) * z

    def by_steps(step):
        def draw():
            x = levels[0] * start
            for t, s, z in zip(levels[:-1], levels[1:], noise):
                x = step(x, t, s, z)
            return x.block_until_ready()

        return draw

    def scanned(weights):
        def turn(x, inputs):
            return step(weights, x, *inputs), None

        return jax.lax.scan(turn, levels[0] * start, (levels[:-1], levels[1:], noise))[0]

    ways = [
        ("jitted steps, weights as arguments", by_steps(partial(jax.jit(step), weights))),
        ("jitted steps, constant weights", by_steps(jax.jit(partial(step, weights)))),
    ]
    if settings["network"]["type"] == "mlp":  # inside a loop, XLA's convolutions take fifteen times as long
        whole = jax.jit(scanned)
        ways.append(("jitted scan", lambda: whole(weights).block_until_ready()))
    variant, run = fastest(ways)
    return {"samples": np.array(run())}, run, variant


def optimizing(job):
    inputs, settings = load_file(job["input"]), job["settings"]
    weights, network = weights_of(inputs), network_of(settings)
    data = [jnp.array(inputs[f"training.{name}"]) for name in ("x", "noise", "sigma")]
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def loss_of(weights, x, noise, sigma):
        error = denoise(network, weights, x + per_sample(sigma, x) * noise, sigma) - x
        return ((1 / sigma**2 + 1) * (error**2).reshape(len(x), -1).mean(1)).mean()

    @partial(jax.jit, donate_argnums=0)
    def step(state, x, noise, sigma):
        weights, first, second, average, time = state
        loss, gradient = jax.value_and_grad(loss_of)(weights, x, noise, sigma)
        size = jnp.sqrt(sum((g**2).sum() for g in gradient.values()))
        scale = jnp.minimum(settings["clipNorm"] / (size + 1e-12), 1)
        time = time + 1
        each = partial(jax.tree.map)
        gradient = each(lambda g: g * scale, gradient)
        first = each(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradient)
        second = each(lambda v, g: beta2 * v + (1 - beta2) * g**2, second, gradient)
        rates = (1 - beta1**time, 1 - beta2**time)
        weights = each(
            lambda p, m, v: p - settings["learningRate"] * (m / rates[0]) / (jnp.sqrt(v / rates[1]) + epsilon),
            weights,
            first,
            second,
        )
        average = each(lambda a, p: a + (1 - settings["emaDecay"]) * (p - a), average, weights)
        return (weights, first, second, average, time), loss

    def begin():
        zeros = jax.tree.map(jnp.zeros_like, weights)
        copies = [jax.tree.map(jnp.copy, tree) for tree in (weights, zeros, zeros, weights)]
        return (*copies, jnp.float32(0))

    state, loss = step(begin(), *(array[0] for array in data))

    def flat(tree):
        """In our order and layout."""
        arrays = (np.array(tree[name]) for name in settings["parameters"])
        return np.concatenate([(a.transpose(3, 2, 0, 1) if a.ndim == 4 else a).ravel() for a in arrays])

    results = {
        "loss": np.array([loss], np.float32),
        "gradient": flat(state[1]),
        "parameters": flat(state[0]),
        "average": flat(state[3]),
    }

    def run():
        nonlocal state
        for k in range(settings["optimizerSteps"]):
            state, _ = step(state, *(array[k] for array in data))
        jax.block_until_ready(state)

    return results, run, "jitted step, donated state"


serve(job, {"eStep": drawing, "prior": drawing, "mStep": optimizing}[job["task"]])
