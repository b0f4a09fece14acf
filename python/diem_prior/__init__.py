"""Observations for diem, and the priors that diem learned from them."""

from .observations import Observations, read_observations, write_observations
from .prior import Posterior, Prior

__all__ = ["Observations", "Posterior", "Prior", "read_observations", "write_observations"]
