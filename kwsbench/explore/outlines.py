"""What one pass takes of every recording to find unusual ones, duplicates and voices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kwsbench.explore.bands import cepstra, common_rate, log_bands
from kwsbench.explore.material import Material

BANDS, PARTS = 24, 8  # of an outline: mel bands up to 7.6 kHz, and equal parts of the clip's length
CEPSTRA = 13
LOW_BANDS = 17  # those below 3.9 kHz, which are left when a recording has been through 8 kHz
HEARD = np.log(10.0) * 3  # nats below a clip's loudest band, 30 dB: what is below is not compared
SPAN, LAGS = 128, 16  # frames that a fingerprint's spectrum goes over, and its lowest frequencies that are kept
VOICE = 20  # cepstra, less the first, that tell voices and microphones apart


@dataclass(frozen=True)
class Outlines:
    """What is known of each clip, in the corpus's order.

    Attributes
    ----------
    outlines : float32 (n_clips, 192): mean log power in nats of 24 mel bands in each eighth of the clip's length.
    frames : of each clip, cepstra float16 (n_frames, 13), a frame every 16 ms.
    fingerprints : float16 (n_clips, 272), of length 1: magnitudes of the spectrum, over time, of 17 mel bands of
        what is within 30 dB of the loudest: they do not change with level or place in the clip, and little with noise
        and codec. All 0 for a silent clip.
    voices : float32 (n_clips, 62): mean and deviation of cepstra 1 to 19 in the louder half of the frames, and the log
        power of all bands in the quietest tenth.
    """

    outlines: np.ndarray
    frames: list[np.ndarray]
    fingerprints: np.ndarray
    voices: np.ndarray


def clip_features(material: Material) -> Outlines:
    """One pass over all recordings, at 16 kHz or the lowest rate among them."""
    rates = material.sound.recordings.table["rate"].reindex(material.clips["clip"]).to_numpy()
    found = material.measure("outlines of clips", _of_clip, rate=common_rate(rates))
    sizes = (BANDS * PARTS, 0, LOW_BANDS * LAGS, 2 * (VOICE - 1) + BANDS)
    outlines, prints, voices = (
        np.array([one[k] for one in found], kind).reshape(len(found), sizes[k])
        for k, kind in ((0, np.float32), (2, np.float16), (3, np.float32))
    )
    return Outlines(outlines, [one[1] for one in found], prints, voices)


def _of_clip(signal: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    bands = log_bands(signal, rate, BANDS)
    coefficients = cepstra(bands, VOICE)
    frames = coefficients[:, :CEPSTRA].astype(np.float16)
    return outline(bands), frames, fingerprint(bands).astype(np.float16), _voice(bands, coefficients)


def outline(bands: np.ndarray) -> np.ndarray:
    """float32 (192,): means of log bands (n_frames, 24) over eight equal parts, band by band within each part."""
    upto = np.concatenate([np.zeros((1, bands.shape[1])), np.cumsum(bands, axis=0, dtype=np.float64)])
    # a clip of few frames has parts that begin and end within a frame: sums are read off between frames
    edges = np.linspace(0, len(bands), PARTS + 1)
    whole = np.minimum(edges.astype(int), len(bands) - 1)
    sums = upto[whole] + (edges - whole)[:, None] * bands[whole]
    return (np.diff(sums, axis=0) * PARTS / len(bands)).astype(np.float32).ravel()


def fingerprint(bands: np.ndarray) -> np.ndarray:
    """float64 (272,) of length 1, or 0 for silence, of log bands (n_frames, 24); see ``Outlines``.

    The magnitudes of a spectrum over time do not move when the sound does (the Fourier shift theorem), as long as what
    lies around it is zero. Clips longer than two seconds are compared by their first two.
    """
    low = bands[:SPAN, :LOW_BANDS].astype(np.float64)
    loudest = low.max()
    heard = np.maximum(low - (loudest - HEARD), 0)
    if np.ptp(low) < 1e-6:
        return np.zeros(LOW_BANDS * LAGS)
    spectrum = np.abs(np.fft.rfft(heard, SPAN, axis=0)[:LAGS]).ravel()
    length = np.linalg.norm(spectrum)
    found: np.ndarray = spectrum / length
    return found


def _voice(bands: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    level = bands.mean(axis=1)
    order = np.argsort(level, kind="stable")
    loud = coefficients[order[len(order) // 2 :], 1:]
    floor = bands[order[: max(len(order) // 10, 1)]].mean(axis=0)
    return np.concatenate([loud.mean(axis=0), loud.std(axis=0), floor]).astype(np.float32)
