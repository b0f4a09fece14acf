"""The networks of src/nn in PyTorch. Parameters have the names of ours."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def embed(log_sigma, features):
    half = features // 2
    frequencies = torch.tensor([1e-4 ** (i / (half - 1)) for i in range(half)])
    angles = log_sigma[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class MlpBlock(nn.Module):
    def __init__(self, width, embedding):
        super().__init__()
        self.modulation = nn.ModuleList([nn.Linear(embedding, embedding), nn.Linear(embedding, 3 * width)])
        self.linear = nn.Linear(width, width)

    def forward(self, h, e):
        a, b, c = self.modulation[1](F.silu(self.modulation[0](e))).chunk(3, dim=-1)
        y = self.linear(F.silu((a + 1) * F.layer_norm(h, h.shape[-1:], eps=1e-5) + b))
        scale = torch.rsqrt(1 + (c + 1) ** 2)
        return h * scale + y * ((c + 1) * scale)


class Mlp(nn.Module):
    def __init__(self, features, width, blocks, embedding):
        super().__init__()
        self.embedding = embedding
        self.input = nn.Linear(features + 1, width)
        self.block = nn.ModuleList(MlpBlock(width, embedding) for _ in range(blocks))
        self.output = nn.Linear(width, features)

    def forward(self, x, log_sigma):
        h = self.input(torch.cat([x, torch.ones_like(x[:, :1])], dim=1))
        e = embed(log_sigma, self.embedding)
        for block in self.block:
            h = block(h, e)
        return self.output(F.layer_norm(h, h.shape[-1:], eps=1e-5))


def norm(x):
    """LayerNorm over channels; where they are last in memory, by PyTorch's own kernel."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=1e-5).permute(0, 3, 1, 2)
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5)


class Block(nn.Module):
    def __init__(self, channels, embedding):
        super().__init__()
        self.modulation = nn.ModuleList(
            [nn.Linear(embedding, embedding), nn.Linear(embedding, 3 * channels)]
        )
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, e):
        modulation = self.modulation[1](F.silu(self.modulation[0](e)))
        a, b, c = modulation[:, :, None, None].chunk(3, dim=1)
        y = norm((a + 1) * x + b)
        y = self.second(F.silu(self.first(y)))
        scale = torch.rsqrt(1 + c * c)
        return x * scale + y * (c * scale)


class Level(nn.Module):
    def __init__(self, channels, blocks, embedding, **convolution):
        super().__init__()
        for name, layer in convolution.items():
            self.add_module(name, layer)
        self.block = nn.ModuleList(Block(channels, embedding) for _ in range(blocks))

    def forward(self, x, e):
        for block in self.block:
            x = block(x, e)
        return x


class Unet(nn.Module):
    def __init__(self, shape, channels, blocks, embedding, patch):
        super().__init__()
        self.patch, self.embedding = patch, embedding
        pixels = shape[0] * patch**2
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i, (n, count) in enumerate(zip(channels, blocks)):
            head = nn.Conv2d(channels[i - 1] if i else pixels, n, 3, stride=2 if i else 1, padding=1)
            merge = {"merge": nn.Conv2d(channels[i + 1] + n, n, 3, padding=1)} if i + 1 < len(channels) else {}
            self.down.append(Level(n, count, embedding, head=head))
            self.up.append(Level(n, count, embedding, **merge))
        self.output = nn.Conv2d(channels[0], pixels, 1)

    def forward(self, x, log_sigma):
        e = embed(log_sigma, self.embedding)
        p = self.patch
        B, C, H, W = x.shape
        if p > 1:
            x = x.reshape(B, C, H // p, p, W // p, p).permute(0, 3, 5, 1, 2, 4)
            x = x.reshape(B, p * p * C, H // p, W // p)
        if next(self.parameters()).is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for i, level in enumerate(self.down):
            x = level.head(x)
            x = level(x if i == 0 else norm(x), e)
            skips.append(x)
        for i in reversed(range(len(self.up))):
            level = self.up[i]
            if hasattr(level, "merge"):
                x = level.merge(torch.cat([x, skips[i]], dim=1))
            x = level(x, e)
            if i > 0:
                x = F.interpolate(norm(x), scale_factor=2, mode="nearest")
        x = self.output(x)
        if p > 1:
            x = x.reshape(B, p, p, C, H // p, W // p).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(B, C, H, W)


def build(job, inputs):
    """The network of a job with its weights."""
    settings = job["settings"]
    config = settings["network"]
    if config["type"] == "mlp":
        network = Mlp(math.prod(settings["shape"]), config["width"], config["blocks"], config["embedding"])
    else:
        network = Unet(
            settings["shape"], config["channels"], config["blocks"], config["embedding"], config["patch"]
        )
    named = dict(network.named_parameters())
    assert list(sorted(named)) == sorted(settings["parameters"]), "the networks' parameters differ"
    with torch.no_grad():
        for name in named:
            named[name].copy_(inputs[f"weights.{name}"])
    return network


class Preconditioned(nn.Module):
    """d(x_t, sigma) of src/diffusion/denoiser.ts."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x_t, sigma_t):
        sigma = sigma_t.reshape(-1, *[1] * (x_t.ndim - 1))
        inverse = torch.rsqrt(sigma**2 + 1)
        h = self.network(x_t * inverse, sigma_t.log())
        return x_t / (sigma**2 + 1) + sigma * inverse * h
