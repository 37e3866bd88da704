"""Is anything to be heard? How loud the loudest moment of a clip is."""

import numpy as np

from kwsbench.explore.material import Material

FRAME_S = 0.025
FLOOR_DBFS = -60.0  # of the loudest frame: speech is 20 dB and more above it


def loudest_dbfs(signal: np.ndarray, rate: int, frame_s: float = FRAME_S) -> float:
    """Level of the loudest frame less its mean, in dB, 0 at the RMS of a full-scale square wave; −inf: digital silence.

    Parameters
    ----------
    signal : float (n_samples,) in [−1, 1); what is shorter than a frame is one.
    """
    size = max(1, round(frame_s * rate))
    whole = len(signal) // size * size
    frames = np.reshape(signal[:whole], (-1, size)) if whole else np.reshape(signal, (1, -1))
    power = float(frames.var(axis=1).max()) if frames.size else 0.0
    return float(10 * np.log10(power)) if power > 0 else float("-inf")


def silent_clips(material: Material, floor_dbfs: float = FLOOR_DBFS) -> set[str]:
    """Clips whose loudest frame stays below ``floor_dbfs``."""
    levels = material.measure("looking for silence", loudest_dbfs, rate=None)
    return {clip for clip, level in zip(material.clips["clip"], levels, strict=True) if level < floor_dbfs}
