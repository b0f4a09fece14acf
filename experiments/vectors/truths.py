"""Truths of the table in README.md, as arrays for `diem import`: python truths.py NAME FOLDER (NumPy)."""

import sys
from pathlib import Path

import numpy as np

D, M, N = 16, 2, 20_000


def gaussian(C):
    L = np.linalg.cholesky(C + 1e-12 * np.eye(D))
    return C, lambda rng, n: rng.normal(size=(n, D)) @ L.T


def low_rank(r):
    def truth(rng):
        W = rng.normal(size=(D, r)) / np.sqrt(r)
        return gaussian(W @ W.T + 0.01 * np.eye(D))

    return truth


def spectrum(values):
    def truth(rng):
        Q = np.linalg.qr(rng.normal(size=(D, D)))[0]
        return gaussian(Q * values @ Q.T)

    return truth


def wishart(rng):
    W = rng.normal(size=(D, D)) / np.sqrt(D)
    return gaussian(W @ W.T)


def sampled(draw):
    return np.cov(draw(np.random.default_rng(99), 400_000).T), draw


def mixture(rng):
    mean, W = rng.normal(size=(5, D)), rng.normal(size=(5, D, 2)) * 0.4

    def draw(rng, n):
        c = rng.integers(5, size=n)
        return mean[c] + np.einsum("ndk,nk->nd", W[c], rng.normal(size=(n, 2))) + 0.1 * rng.normal(size=(n, D))

    return sampled(draw)


def curve(rng):
    a, b, k = rng.normal(size=(D, 4)), rng.normal(size=(D, 4)), np.arange(1, 5)

    def draw(rng, n):
        t = rng.uniform(0, 2 * np.pi, size=(n, 1, 1))
        return ((a * np.cos(k * t) + b * np.sin(k * t)) / k).sum(-1) * 0.7 + 0.02 * rng.normal(size=(n, D))

    return sampled(draw)


k = np.arange(1, D + 1)
TRUTHS = {
    "rank2": low_rank(2),
    "rank3": low_rank(3),
    "rank4": low_rank(4),
    "power1": spectrum(1 / k),
    "power2": spectrum(1 / k**2),
    "exp5": spectrum(4 * 0.5**k),
    "exp7": spectrum(2 * 0.7**k),
    "toeplitz9": lambda rng: gaussian(0.9 ** np.abs(k[:, None] - k)),
    "toeplitz5": lambda rng: gaussian(0.5 ** np.abs(k[:, None] - k)),
    "mixture5": mixture,
    "curve": curve,
    "wishart": wishart,
    "identity": lambda rng: gaussian(np.eye(D)),
}

if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1000)
    C, draw = TRUTHS[name](rng)
    x = draw(rng, N)
    A = rng.normal(size=(N, M, D))
    A /= np.linalg.norm(A, axis=-1, keepdims=True)
    np.save(folder / "y.npy", np.einsum("nmd,nd->nm", A, x) + 1e-2 * rng.normal(size=(N, M)))
    np.save(folder / "A.npy", A)
    np.save(folder / "covariance.npy", C)
