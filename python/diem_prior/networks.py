"""The networks that diem trains, as PyTorch modules: src/nn/ again, with the same names of parameters."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def make_network(config, latent_shape):
    """The network of a run's configuration: (x [B, ...latent], log_sigma [B]) -> [B, ...latent]."""
    if config["type"] == "mlp":
        return Mlp(math.prod(latent_shape), config["width"], config["blocks"], config["embedding"])
    sizes = (config[key] for key in ("channels", "blocks", "heads", "embedding", "patch"))
    return Unet(latent_shape, *sizes)


def layer_norm(x):
    """(x - mean) / sqrt(variance + 1e-5) over the channels (axis 1), without learned scale or shift [Ba16]."""
    centred = x - x.mean(1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)


class NoiseEmbedding(nn.Module):
    """[sin(f_i ln sigma), cos(f_i ln sigma)], f_i = 1e-4^(i / (F/2 - 1)): [B] -> [B, F]."""

    def __init__(self, features):
        super().__init__()
        half = features // 2
        frequencies = torch.tensor([1e-4 ** (i / (half - 1)) for i in range(half)])
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, log_sigma):
        phases = log_sigma[:, None] * self.frequencies
        return torch.cat([phases.sin(), phases.cos()], 1)


class Modulation(nn.ModuleList):
    """(a, b, c) of a block from the embedding of the noise level, each [B, C, 1, ...] for x [B, C, ...] [Peebles23]."""

    def __init__(self, channels, embedding):
        super().__init__([nn.Linear(embedding, embedding), nn.Linear(embedding, 3 * channels)])

    def forward(self, embedded, x):
        numbers = self[1](F.silu(self[0](embedded)))
        return numbers.reshape(*numbers.shape, *[1] * (x.ndim - 2)).chunk(3, 1)


def join(x, y, c):
    """(x + c y) / sqrt(1 + c^2)"""
    return (x + c * y) * torch.rsqrt(1 + c.square())


class MlpBlock(nn.Module):
    """y = Linear SiLU ((a + 1) LN(h) + b), joined with share c + 1."""

    def __init__(self, width, embedding):
        super().__init__()
        self.modulation = Modulation(width, embedding)
        self.linear = nn.Linear(width, width)

    def forward(self, h, embedded):
        a, b, c = self.modulation(embedded, h)
        return join(h, self.linear(F.silu((a + 1) * layer_norm(h) + b)), c + 1)


class Mlp(nn.Module):
    """Residual blocks on vectors; the first layer also takes a constant one (src/nn/mlp.ts). Latents of any shape are flattened."""

    def __init__(self, features, width, blocks, embedding):
        super().__init__()
        self.embed = NoiseEmbedding(embedding)
        self.input = nn.Linear(features + 1, width)
        self.block = nn.ModuleList(MlpBlock(width, embedding) for _ in range(blocks))
        self.output = nn.Linear(width, features)

    def forward(self, x, log_sigma):
        flat, embedded = x.flatten(1), self.embed(log_sigma)
        h = self.input(torch.cat([flat, torch.ones_like(flat[:, :1])], 1))
        for block in self.block:
            h = block(h, embedded)
        return self.output(layer_norm(h)).reshape(x.shape)


class Attention(nn.Module):
    """A block of multi-head attention among the places of a sample [Vaswani17], without positional code."""

    def __init__(self, channels, heads, embedding, axes):
        super().__init__()
        self.heads = heads
        self.modulation = Modulation(channels, embedding)
        self.query, self.key, self.value = (CONVOLUTIONS[axes](channels, channels, 1) for _ in range(3))
        self.output = CONVOLUTIONS[axes](channels, channels, 1, bias=False)

    def forward(self, x, embedded):
        a, b, c = self.modulation(embedded, x)
        y = layer_norm((a + 1) * x + b)
        B, C, d = len(x), x.shape[1], x.shape[1] // self.heads
        q, k, v = (part(y).reshape(B, self.heads, d, -1) for part in (self.query, self.key, self.value))
        shares = torch.softmax(q.transpose(2, 3) @ k / math.sqrt(d), -1)
        return join(x, self.output((v @ shares.transpose(2, 3)).reshape(x.shape)), c)


class Block(nn.Module):
    """LN((a + 1) x + b) -> convolution -> SiLU -> convolution, joined; then attention, where there are heads."""

    def __init__(self, channels, heads, embedding, axes):
        super().__init__()
        self.modulation = Modulation(channels, embedding)
        self.first = CONVOLUTIONS[axes](channels, channels, 3, padding=1)
        self.second = CONVOLUTIONS[axes](channels, channels, 3, padding=1)
        self.attention = Attention(channels, heads, embedding, axes) if heads > 0 else None

    def forward(self, x, embedded):
        a, b, c = self.modulation(embedded, x)
        y = self.second(F.silu(self.first(layer_norm((a + 1) * x + b))))
        x = join(x, y, c)
        return x if self.attention is None else self.attention(x, embedded)


class Level(nn.Module):
    """The blocks of a level on one way, behind a convolution called `head` (down) or `merge` (up; not on the deepest level)."""

    def __init__(self, width, blocks, heads, embedding, axes, **convolution):
        super().__init__()
        for name, layer in convolution.items():
            self.add_module(name, layer)
        self.block = nn.ModuleList(Block(width, heads, embedding, axes) for _ in range(blocks))

    def forward(self, x, embedded):
        for block in self.block:
            x = block(x, embedded)
        return x


class Unet(nn.Module):
    """U-Net of signals [B, C, L], images [B, C, H, W] and volumes [B, C, D, H, W] [Rozet24, appendix C] (src/nn/unet.ts).

    Levels halve the size by strided convolution and double it by nearest up-sampling. The last place along each axis is
    repeated until every level divides.
    """

    def __init__(self, shape, channels, blocks, heads, embedding, patch):
        super().__init__()
        axes, last = len(shape) - 1, len(channels) - 1
        convolution = CONVOLUTIONS[axes]
        places = shape[0] * patch**axes
        self.patch, self.step = patch, patch * 2**last
        self.embed = NoiseEmbedding(embedding)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(channels):
            sizes = (width, blocks[i], heads[i], embedding, axes)
            before, stride = (channels[i - 1], 2) if i > 0 else (places, 1)
            self.down.append(Level(*sizes, head=convolution(before, width, 3, stride, padding=1)))
            merge = {} if i == last else {"merge": convolution(channels[i + 1] + width, width, 3, padding=1)}
            self.up.append(Level(*sizes, **merge))
        self.output = convolution(channels[0], places, 1)

    def forward(self, latents, log_sigma):
        embedded = self.embed(log_sigma)
        lengths = latents.shape[2:]
        missing = [-length % self.step for length in lengths]
        padding = [side for more in reversed(missing) for side in (0, more)]
        x = patchify(F.pad(latents, padding, mode="replicate"), self.patch)
        skips = []
        for i, level in enumerate(self.down):
            x = level.head(x)
            x = level(x if i == 0 else layer_norm(x), embedded)
            skips.append(x)
        for i, level in reversed(list(enumerate(self.up))):
            x = level(level.merge(torch.cat([x, skips[i]], 1)) if hasattr(level, "merge") else x, embedded)
            if i > 0:
                x = F.interpolate(layer_norm(x), scale_factor=2, mode="nearest")
        y = unpatchify(self.output(x), self.patch)
        return y[(..., *(slice(length) for length in lengths))]


def patchify(x, p):
    """[B, C, H, W] -> [B, p p C, H / p, W / p], channels in the order (row, column, C); likewise along 1 and 3 axes."""
    B, C, *lengths = x.shape
    n = len(lengths)
    blocks = x.reshape(B, C, *(size for length in lengths for size in (length // p, p)))
    ordered = blocks.permute(0, *range(3, 3 + 2 * n, 2), 1, *range(2, 2 + 2 * n, 2))
    return ordered.reshape(B, C * p**n, *(length // p for length in lengths))


def unpatchify(x, p):
    """The inverse of `patchify`."""
    B, channels, *lengths = x.shape
    n = len(lengths)
    blocks = x.reshape(B, *[p] * n, channels // p**n, *lengths)
    ordered = blocks.permute(0, n + 1, *(axis for k in range(n) for axis in (n + 2 + k, 1 + k)))
    return ordered.reshape(B, channels // p**n, *(length * p for length in lengths))
