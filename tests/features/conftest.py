"""Clips that every frontend is tried on."""

import numpy as np
import pytest


def make_waves(rate: int = 16000, n: int = 3, seconds: float = 1.0) -> np.ndarray:
    """int16 (n, samples): chirps of different pitch in noise, the last one noise alone."""
    rng = np.random.default_rng(rate)
    t = np.arange(int(seconds * rate)) / rate
    tones = np.stack([np.sin(2 * np.pi * (200 * (i + 1) * t + 900 * t * t)) for i in range(n)])
    tones[-1] = 0
    return (8000 * tones + 400 * rng.standard_normal(tones.shape)).astype(np.int16)


@pytest.fixture(scope="session")
def waves():
    """``waves(rate=16000, n=3, seconds=1.0)``: int16 (n, samples)."""
    return make_waves
