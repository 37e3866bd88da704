"""Scales of hearing: mel and Bark."""

import math

import numpy as np


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """2595 log10(1 + f / 700), O'Shaughnessy's formula as HTK uses it."""
    return 2595 * np.log10(1 + np.asarray(hz) / 700)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of ``hz_to_mel``."""
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)


def hz_to_bark(hz: np.ndarray | float) -> np.ndarray:
    """6 asinh(f / 600): equation 3 of H. Hermansky, JASA 87 (1990)."""
    return 6 * np.arcsinh(np.asarray(hz) / 600)


def barks(rate: int) -> int:
    """Bands at most one Bark apart from 0 Hz to half the rate, both ends included."""
    return math.ceil(float(hz_to_bark(rate / 2))) + 1
