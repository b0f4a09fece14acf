"""PyTorch: MMPS and DDPM written out as azula has them, and optimizer steps. Started by the bench, see serve.py."""

from serve import fastest, read_job, serve

job = read_job()

import torch
import torch._functorch.config
import torch.nn.functional as F
from safetensors.torch import load_file

from torch_networks import Preconditioned, build

torch.set_num_threads(job["threads"])
# CG asks for several products with the same Jacobian, so a compiled backward pass must keep what it reads.
torch._functorch.config.donated_buffer = False


def mmps(denoiser, y, mask, variance, steps, reuse):
    """Posterior denoiser by conjugate gradients. With `reuse`, the last product is gathered from those of the steps,
    as we do; without, it is computed anew, as azula and the paper's code do."""

    def dot(a, b):
        return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))

    def share(part, whole):  # a sample without a visible entry has nothing to solve
        return torch.where(whole > 0, part / whole, 0)

    def posterior(x_t, sigma):
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            x_hat = denoiser(x, sigma)
        products = 0

        def pull(v):
            nonlocal products
            products += 1
            last = products == steps + (not reuse)
            return sigma**2 * torch.autograd.grad(x_hat, x, mask * v, retain_graph=not last)[0]

        r = y - mask * x_hat.detach()
        p, v, companion, rho = r, torch.zeros_like(r), torch.zeros_like(r), dot(r, r)
        for step in range(steps):
            pulled = pull(p)
            product = variance * p + mask * pulled
            alpha = share(rho, dot(p, product))
            v = v + alpha * p
            companion = companion + alpha * pulled
            if step + 1 < steps:
                r = r - alpha * product
                rho, old = dot(r, r), rho
                p = r + share(rho, old) * p
        return x_hat.detach() + (companion if reuse else pull(v))

    return posterior


@torch.no_grad()
def sample(denoiser, start, noise, levels):
    x = levels[0] * start
    for t, s, z in zip(levels[:-1], levels[1:], noise):
        x_hat = denoiser(x, t)
        kept = (s / t) ** 2
        x = x_hat + kept * (x - x_hat) + s * torch.sqrt(1 - kept) * z
    return x


def variants(network):
    """(name, network) of the layouts and ways to run that PyTorch has."""
    compiled = torch.compile(network)
    return [("channels first", network, torch.contiguous_format)] + (
        [
            ("channels last", network, torch.channels_last),
            ("channels last, compiled", compiled, torch.channels_last),
        ]
        if job["settings"]["network"]["type"] == "unet"
        else [("compiled", compiled, torch.contiguous_format)]
    )


def drawing(job):
    inputs, settings = load_file(job["input"]), job["settings"]
    levels = torch.tensor(settings["levels"])[:, None]
    network = Preconditioned(build(job, inputs)).requires_grad_(False).eval()

    def draw(denoiser, layout):
        network.to(memory_format=layout)
        if job["task"] == "eStep":
            y, mask, variance = inputs["y"], inputs["mask"], settings["variance"]
            denoiser = mmps(denoiser, y, mask, variance, settings["cgSteps"], job["reuse"])
        return sample(denoiser, inputs["start"], inputs["noise"], levels)

    ways = [(name, lambda d=d, layout=layout: draw(d, layout)) for name, d, layout in variants(network)]
    variant, run = fastest(ways)
    return {"samples": run().contiguous().numpy()}, run, variant


def optimizing(job):
    inputs, settings = load_file(job["input"]), job["settings"]
    x, noise, sigma = (inputs[f"training.{name}"] for name in ("x", "noise", "sigma"))

    def trainer(compiled, layout):
        module = build(job, inputs).to(memory_format=layout)
        parameters = [dict(module.named_parameters())[name] for name in settings["parameters"]]
        average = [p.detach().clone() for p in parameters]
        adam = torch.optim.Adam(parameters, lr=settings["learningRate"], fused=True)

        def loss_of(x, noise, sigma):
            level = sigma.reshape(-1, *[1] * (x.ndim - 1))
            error = Preconditioned(module)(x + level * noise, sigma) - x
            return ((1 / sigma**2 + 1) * error.square().flatten(1).mean(1)).mean()

        loss_of = torch.compile(loss_of) if compiled else loss_of

        def step(k):
            adam.zero_grad()
            loss = loss_of(x[k], noise[k], sigma[k])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings["clipNorm"], foreach=True)
            adam.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, parameters, 1 - settings["emaDecay"])
            return loss.item()

        def results(loss):
            def flat(tensors):
                return torch.cat([t.detach().contiguous().flatten() for t in tensors]).numpy()

            first = flat([adam.state[p]["exp_avg"] for p in parameters])
            losses = torch.tensor([loss]).numpy()
            return {"loss": losses, "gradient": first, "parameters": flat(parameters), "average": flat(average)}

        def run():
            for k in range(settings["optimizerSteps"]):
                step(k)

        return step, results, run

    plain, last = torch.contiguous_format, torch.channels_last
    if settings["network"]["type"] == "unet":
        ways = {"channels first": (False, plain), "channels last": (False, last), "channels last, compiled": (True, last)}
    else:
        ways = {"plain": (False, plain), "compiled": (True, plain)}
    variant, _ = fastest([(name, trainer(*way)[2]) for name, way in ways.items()])
    step, results, run = trainer(*ways[variant])
    return results(step(0)), run, variant


def operation(job):
    """Single operations of bench/tasks/operations.ts."""
    inputs = load_file(job["input"])
    x, w, a, b, image = (inputs[name] for name in ("x", "w", "a", "b", "image"))
    last = torch.channels_last

    def fourier():
        k = torch.fft.fftshift(
            torch.fft.fft2(torch.fft.ifftshift(image, dim=(2, 3)), norm="ortho"), dim=(2, 3)
        )
        return torch.cat([k.real, k.imag], dim=1)

    x_last, w_last = x.to(memory_format=last), w.to(memory_format=last)
    ways = {
        "convolution": [
            ("channels first", lambda: F.conv2d(x, w, padding=1)),
            ("channels last", lambda: F.conv2d(x_last, w_last, padding=1)),
        ],
        "matrixProduct": [("", lambda: a @ b)],
        "elementwise": [("", lambda: F.silu(x))],
        "fourier": [("", fourier)],
    }
    variant, run = fastest(ways[job["task"]])

    def repeated():
        for _ in range(job["repeats"]):
            run()

    return {"result": run().contiguous().numpy()}, repeated, variant


TASKS = {"eStep": drawing, "prior": drawing, "mStep": optimizing}
with torch.no_grad() if job["task"] not in TASKS else torch.enable_grad():
    serve(job, TASKS.get(job["task"], operation))
