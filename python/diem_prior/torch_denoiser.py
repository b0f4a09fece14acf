"""The denoiser of a run as a PyTorch module.

Modules that mirror src/nn/ and src/diffusion/, and no executor of exported ONNX files: an exported file holds parameters as
nameless constants, some folded into others, and convolutions of signals and volumes rewritten as such of images. These modules have
diem's names, so that weights can be trained on and compared, and PyTorch's own kernels on any device.
"""

import numpy as np
import torch
from torch import nn

from .networks import make_network
from .run import read_run

# Constants of src/diffusion/: columns count as orthogonal up to float32 rounding; directions of less than this share of the mean
# variance cannot be told apart; limit of a correction, in deviations that the Gaussian makes possible.
ORTHOGONAL, LEAST_SHARE, MOST_DEVIATIONS = 1e-5, 1e-6, 4


def torch_denoiser(run, iteration="best"):
    """E[x_0 | x] of a run as an `nn.Module`, with the run's averaged weights, in evaluation mode.

    denoiser = torch_denoiser("runs/digits").to("cuda")
    mean = denoiser(x, sigma)

    run: folder of a run
    iteration: "best", the one that held-out observations chose; or a number, 0 for the start
    Raises ValueError if there is no such prior, its files are damaged, or its network is code of the run's own.
    """
    return Denoiser(read_run(run, iteration)).eval()


class Denoiser(nn.Module):
    """E[x_0 | x] for x = x_0 + sigma noise_scale z, without the limits of the data's range, which samplers apply.

    With x = shift + scale u, it is in the coordinates u and noise levels s = sigma / unit
      d(u, s) = E[u_0 | u] + V[u_0 | u]^(1/2) h(input, ln s)
    with E and V of the base: the Gaussian start, or N(0, I) [Rozet24, eq. 26] (src/diffusion/precondition.ts).

    network: the trained network h, or None where the Gaussian is the prior. Names in its `state_dict` are those of weights.safetensors.
    about: what the metadata of an exported file say, too (docs/python.md)
    noise_scale: [C, 1, ...]
    """

    def __init__(self, run):
        super().__init__()
        self.shape, self.unit = run.latent_shape, run.unit
        noise_scale = (run.scale / run.unit).reshape(self.shape[0], -1)[:, 0].astype("float32")
        self.about = {
            **{"run": run.name, "iteration": run.iteration, "latentShape": list(self.shape)},
            **{"schedule": run.schedule, "noiseScale": noise_scale.tolist()},
            **({} if run.range is None else {"range": list(run.range)}),
        }
        _keep(self, shift=run.shift, scale=run.scale)
        _keep(self, noise_scale=noise_scale.reshape(-1, *[1] * (len(self.shape) - 1)))
        self.gaussian = Gaussian(run.mean, run.diagonal, run.factor)
        self.network = None
        if run.weights is not None:
            self.network = make_network(run.network, self.shape)
            self.network.load_state_dict({name: torch.tensor(array) for name, array in run.weights.items()})
            is_normal = run.network["base"] == "normal"
            self.base = NormalBase() if is_normal else GaussianBase(self.gaussian, self.shape)

    def forward(self, x, sigma):
        """x: [n, ...latent], in the units of the data; sigma: one level, or [n] -> [n, ...latent]"""
        s = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1).expand(len(x))[:, None] / self.unit
        u = (x.flatten(1) - self.shift) / self.scale
        mean = self.gaussian.denoise(u, s) if self.network is None else self._corrected(u, s)
        return (self.shift + self.scale * mean).reshape(x.shape)

    def _corrected(self, u, s):
        h = self.network(self.base.input(u, s).reshape(-1, *self.shape), s[:, 0].log())
        return self.base.mean(u, s) + self.base.correction(h.flatten(1), s)


class NormalBase(nn.Module):
    """The base N(0, I) on rows u [n, N] at levels s [n, 1]."""

    def mean(self, u, s):
        return u / (s.square() + 1)

    def input(self, u, s):
        return u * torch.rsqrt(s.square() + 1)

    def correction(self, h, s):
        return h * s * torch.rsqrt(s.square() + 1)


class GaussianBase(nn.Module):
    """The Gaussian start as a base (src/diffusion/base.ts): input (u - c) / sqrt(v + s^2), v = tr(Sigma) / N.

    Vectors have c = the mean, and V of Sigma if its factor has orthogonal columns. On grids c is the mean of each channel, and V is that
    of v I.
    """

    def __init__(self, gaussian, shape):
        super().__init__()
        self.gaussian = gaussian
        mean, is_grid = gaussian.mean, 2 <= len(shape) <= 4
        centre = mean.reshape(shape[0], -1).mean(1, keepdim=True).expand(shape[0], len(mean) // shape[0])
        _keep(self, centre=(centre if is_grid else mean).reshape(-1))
        N = len(mean)
        self.average = float(gaussian.diagonal.double().sum() + gaussian.factor.double().square().sum()) / N
        self.has_directions = len(shape) == 1 and gaussian.is_principal
        least = max(float(gaussian.diagonal[0]), LEAST_SHARE * self.average)
        self.variance = least if self.has_directions else self.average

    def mean(self, u, s):
        return self.gaussian.denoise(u, s)

    def input(self, u, s):
        return (u - self.centre) * torch.rsqrt(s.square() + self.average)

    def correction(self, h, s):
        """V^(1/2) h, with h limited to a root mean square of `MOST_DEVIATIONS`; V = (Sigma^-1 + s^-2 I)^-1.

        With E = D + s^2 it is p h + U diag(c) U' h, c = (s^2 / E) (s^2 / (E + l)) / (p + q),
        p = s (D / E)^(1/2), q = s ((D + l) / (E + l))^(1/2).
        """
        m = h.square().mean(1, keepdim=True) / MOST_DEVIATIONS**2
        h = h / (1 + m.square()) ** 0.25
        D, noise = self.variance, s.square()
        E = D + noise
        p = s * (D / E).sqrt()
        if not self.has_directions:
            return p * h
        U, lengths = self.gaussian.factor, self.gaussian.lengths
        q = s * ((D + lengths) / (E + lengths)).sqrt()
        c = noise / E * (noise / (E + lengths)) / (p + q)
        return p * h + (h @ U * c) @ U.T


class Gaussian(nn.Module):
    """N(mean, Sigma), Sigma = diag(D) + U U', on rows u [n, N]."""

    def __init__(self, mean, diagonal, factor):
        super().__init__()
        U = factor.astype("float64")
        products = U.T @ U
        lengths = np.diag(products)
        crossed = np.abs(products - np.diag(lengths)) > ORTHOGONAL * np.sqrt(np.outer(lengths, lengths))
        self.is_principal = bool(np.all(diagonal == diagonal[0]) and not crossed.any())
        _keep(self, mean=mean, diagonal=diagonal, factor=factor, lengths=lengths)

    def denoise(self, u, s):
        """mean + Sigma (Sigma + s^2 I)^-1 (u - mean), without a difference that cancels (src/diffusion/gaussian.ts)."""
        v = u - self.mean
        return self.mean + (self._principal(v, s) if self.is_principal else self._general(v, s))

    def _principal(self, v, s):
        """With orthogonal U of squared lengths l: D / E v + s^2 / E U diag(1 / (l + E)) U' v, E = D + s^2."""
        U, D, noise = self.factor, self.diagonal[0], s.square()
        E = D + noise
        return v * (D / E) + (v @ U / (self.lengths + E)) @ U.T * (noise / E)

    def _general(self, v, s):
        """D w + U C^-1 U' E^-1 v, C = I + U' E^-1 U, w = E^-1 (v - U C^-1 U' E^-1 v)  [Woodbury]."""
        U, D = self.factor, self.diagonal
        E = D + s.square()
        C = torch.eye(U.shape[1], dtype=v.dtype, device=v.device) + (U.T / E[:, None]) @ U
        inside = torch.linalg.solve(C, (v / E) @ U) @ U.T
        return D * (v - inside) / E + inside


def _keep(module, **arrays):
    """Constants that move with the module, and are no part of its `state_dict`."""
    for name, array in arrays.items():
        module.register_buffer(name, torch.as_tensor(np.array(array), dtype=torch.float32), persistent=False)
