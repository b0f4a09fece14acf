"""azula's own MMPSDenoiser, KarrasDenoiser and DDPMSampler around our network. Started by the bench, see serve.py."""

from serve import fastest, read_job, serve

job = read_job()

import azula.denoise
import azula.guidance
import azula.linalg.covariance
import azula.noise
import azula.sample
import torch
import torch._functorch.config
from safetensors.torch import load_file

from torch_networks import build

torch.set_num_threads(job["threads"])
torch._functorch.config.donated_buffer = False


class Levels(azula.noise.Schedule):
    """Given noise levels, visited at equidistant times from 1 to 0."""

    def __init__(self, levels):
        self.levels = torch.tensor(levels)

    def __call__(self, t):
        sigma = self.levels[((1 - t) * (len(self.levels) - 1)).round().long()]
        return torch.ones_like(sigma), sigma


class Backbone(torch.nn.Module):
    """azula gives times of shape () to a whole batch."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, log_sigma):
        return self.network(x, log_sigma.reshape(-1))


def drawing(job):
    inputs, settings = load_file(job["input"]), job["settings"]
    levels, shape = settings["levels"], inputs["start"].shape
    network = build(job, inputs).requires_grad_(False).eval()
    mask = inputs["mask"]

    def draw(network, layout):
        network.to(memory_format=layout)
        denoiser = azula.denoise.KarrasDenoiser(Backbone(network), Levels(levels))
        if job["task"] == "eStep":
            denoiser = azula.guidance.MMPSDenoiser(
                denoiser,
                y=inputs["y"].flatten(1),
                A=lambda x: (mask * x).flatten(1),
                cov_y=azula.linalg.covariance.IsotropicCovariance(torch.tensor(settings["variance"])),
                solver="cg",
                iterations=settings["cgSteps"],
            )
        sampler = azula.sample.DDPMSampler(denoiser, steps=len(levels) - 1, silent=True)
        # The sampler's noise is ours, so that the samples can be compared.
        noise, draw_noise = iter(inputs["noise"]), torch.randn_like
        torch.randn_like = lambda x: next(noise).reshape(x.shape)
        try:
            return sampler(levels[0] * inputs["start"])
        finally:
            torch.randn_like = draw_noise

    compiled = torch.compile(network)
    ways = [("channels first", lambda: draw(network, torch.contiguous_format))]
    if settings["network"]["type"] == "unet":
        ways.append(("channels last", lambda: draw(network, torch.channels_last)))
        ways.append(("channels last, compiled", lambda: draw(compiled, torch.channels_last)))
    else:
        ways.append(("compiled", lambda: draw(compiled, torch.contiguous_format)))
    variant, run = fastest(ways)
    return {"samples": run().reshape(shape).contiguous().numpy()}, run, variant


serve(job, drawing)
