"""Priors, and posteriors of them, that `diem export` wrote."""

import base64
import json

import numpy as np
import onnxruntime

FORMAT, VERSION = "diem-onnx", 1


def _vp_time(sigma):
    """The u with int_0^u beta = ln(1 + sigma^2), beta = 0.1 + 19.9 u [Ho20; Song21b, eq. 33]."""
    total = np.log1p(sigma**2)
    return 2 * total / (0.1 + np.sqrt(0.01 + 39.8 * total))


# Scales on which noise levels are equidistant, and the level of a value, as src/diffusion/schedule.ts has them.
_SPACINGS = {
    "geometric": (np.log, np.exp),
    "vp": (_vp_time, lambda u: np.sqrt(np.expm1(0.1 * u + 9.95 * u**2))),
    "cosine": (np.arctan, np.tan),
    "edm": (lambda sigma: sigma ** (1 / 7), lambda value: value**7),
}


class _Exported:
    """A file of `diem export`, with what it says of itself in `about`."""

    what = ""

    def __init__(self, path, providers=("CPUExecutionProvider",)):
        self.session = onnxruntime.InferenceSession(str(path), providers=list(providers))
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map.get("diem", "{}"))
        found = tuple(self.about.get(key) for key in ("format", "version", "what"))
        if found != (FORMAT, VERSION, self.what):
            raise ValueError(f"{path}: expected {FORMAT}, version {VERSION}, a {self.what}; found {found}.")
        self.shape = tuple(self.about["latentShape"])
        self.noise_scale = np.reshape(self.about["noiseScale"], [-1] + [1] * (len(self.shape) - 1))

    def _run(self, x, sigma, **data):
        x = np.asarray(x, "float32")
        feeds = {name: np.asarray(array, "float32") for name, array in data.items()}
        feeds.update(x=x, sigma=np.broadcast_to(np.asarray(sigma, "float32"), len(x)))
        return self.session.run(["mean"], feeds)[0]

    def _levels(self, steps):
        """From the largest noise level to the smallest, spaced as the run spaces them, and 0: one more evaluation than steps."""
        schedule = self.about["schedule"]
        scale, level = _SPACINGS[schedule["spacing"]]
        t = np.arange(steps, -1, -1) / steps
        return np.append(level((1 - t) * scale(schedule["sigmaMin"]) + t * scale(schedule["sigmaMax"])), 0)

    def _begin(self, rng, n):
        """x_1 = x_0 + sigma_1 noise_scale z, x_0 a draw of the Gaussian start, or its mean."""
        start, size = self.about["start"], int(np.prod(self.shape))
        numbers = np.frombuffer(base64.b64decode(start["base64"]), "<f4").astype("float64")
        mean, diagonal, factor = np.split(numbers, [size, 2 * size])
        x = np.broadcast_to(mean, (n, size))
        if start["base"] == "gaussian":
            rank = start["rank"]
            x = x + rng.normal(size=(n, rank)) @ factor.reshape(size, rank).T
            x = x + np.sqrt(diagonal) * rng.normal(size=(n, size))
        sigma = self.about["schedule"]["sigmaMax"]
        return x.reshape(n, *self.shape) + sigma * self.noise_scale * rng.normal(size=(n, *self.shape))

    def _draw(self, denoise, n, steps, seed):
        """SDE-DPM-Solver++(2M) [Lu22, section 5], diem's own sampler: the mean is extrapolated from this level and the last."""
        rng = np.random.default_rng(seed)
        levels = self._levels(steps)
        x, before = self._begin(rng, n), None
        for k, (sigma, lower) in enumerate(zip(levels, levels[1:])):
            mean = denoise(x, sigma)
            target = mean
            if before is not None and lower > 0:
                share = np.log(sigma / lower) / np.log(levels[k - 1] / sigma) / 2
                target = mean + share * (mean - before)
            ratio = (lower / sigma) ** 2
            noise = lower * np.sqrt(1 - ratio) * self.noise_scale * rng.normal(size=x.shape)
            x, before = target + ratio * (x - target) + noise, mean
        return x.astype("float32")


class Prior(_Exported):
    """A prior q(x), from `diem export RUN --out prior.onnx`.

    prior = Prior("prior.onnx")
    x = prior.sample(16)
    """

    what = "denoiser"

    def denoise(self, x, sigma):
        """E[x_0 | x] for x = x_0 + sigma noise_scale z.

        x: [n, ...latent], in the units of the data
        sigma: one level, or [n]
        """
        return self._run(x, sigma)

    def sample(self, n, steps=64, seed=0):
        """n samples, [n, ...latent]; means are kept inside the range of the data, if the run does so."""
        return self._draw(lambda x, sigma: self._limit(self.denoise(x, sigma), sigma), n, steps, seed)

    def _limit(self, mean, sigma):
        """Inside the range, give or take min(sigma - sigma_0, a quarter of its width)."""
        if "range" not in self.about:
            return mean
        low, high = self.about["range"]
        above = max(sigma - self.about["schedule"]["sigmaMin"], 0)
        margin = np.minimum(above * self.noise_scale, (high - low) / 4)
        return np.clip(mean, low - margin, high + margin)


class Posterior(_Exported):
    """Posteriors q(x | y) of one kind of observations, from `diem export RUN --what posterior OBS --out posterior.onnx`.

    posterior = Posterior("posterior.onnx")
    x = posterior.reconstruct(y, mask=mask, samples=8)
    """

    what = "posterior"

    def denoise(self, x, sigma, y, **data):
        """E[x_0 | x, y]. data: the operator's arrays by name, and noise_variance if it differs between observations."""
        return self._run(x, sigma, y=y, **data)

    def reconstruct(self, y, *, samples=1, steps=64, seed=0, **data):
        """Posterior draws, [n, samples, ...latent]. y: [n, ...observation]; data: as in `denoise`, [n or 1, ...]."""
        n = len(y)
        each = {name: np.repeat(np.broadcast_to(a, (n, *np.shape(a)[1:])), samples, 0) for name, a in data.items()}
        given = {"y": np.repeat(np.asarray(y), samples, 0), **each}
        drawn = self._draw(lambda x, sigma: self.denoise(x, sigma, **given), n * samples, steps, seed)
        return drawn.reshape(n, samples, *self.shape)
