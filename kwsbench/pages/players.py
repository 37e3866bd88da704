"""Recordings to listen to, within a page."""

import base64
from io import BytesIO

import numpy as np

from kwsbench.pages.markup import Markup, tag

RATES = (8000, 12000, 16000, 24000, 48000)  # what Opus knows


def player(samples: np.ndarray, rate: int, name: str) -> Markup:
    """A player of one recording, coded as Opus (about 4 kB a second).

    Parameters
    ----------
    samples : int16 (n,) at ``rate`` Hz.
    name : of the recording, told to who cannot see it.
    """
    import soundfile

    from kwsbench.audio import resample

    if rate not in RATES:
        nearest = next((r for r in RATES if r >= rate), RATES[-1])
        samples, rate = resample(samples, rate, nearest), nearest
    kept = BytesIO()
    soundfile.write(kept, samples, rate, format="OGG", subtype="OPUS")
    coded = base64.b64encode(kept.getvalue()).decode()
    return tag("audio", controls="", preload="none", src=f"data:audio/ogg;base64,{coded}", aria_label=name)
