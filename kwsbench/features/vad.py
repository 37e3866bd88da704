"""Voice activity: where in a recording somebody speaks."""

import numpy as np

from kwsbench.errors import UserError

FRAME_MS = 10
MARGIN_FRAMES = 5  # kept before the first and after the last frame of speech
RANGE_DB = 30.0  # a frame of speech is at most so much weaker than the loudest
AGGRESSIVENESS = 2  # of WebRTC's detector, 0 to 3


def trim(samples: np.ndarray, rate: int, method: str) -> np.ndarray:
    """int16 (n,) → the stretch from the first to the last frame of speech, with 50 ms around it.

    All of it where there is no speech. "energy": frames within 30 dB of the loudest. "webrtc": WebRTC's detector, which
    knows 8, 16, 32 and 48 kHz.
    """
    if method == "none":
        return samples
    start, stop = borders(samples, rate, method)
    return samples[start:stop]


def borders(samples: np.ndarray, rate: int, method: str) -> tuple[int, int]:
    """Where ``trim`` cuts int16 (n,): first sample kept, and the one after the last."""
    if method == "none":
        return 0, len(samples)
    where = np.flatnonzero(speech_frames(samples, rate, method))
    if not len(where):
        return 0, len(samples)
    frame = rate * FRAME_MS // 1000
    start = max(0, where[0] - MARGIN_FRAMES) * frame
    return int(start), int(min((where[-1] + 1 + MARGIN_FRAMES) * frame, len(samples)))


def speech_frames(samples: np.ndarray, rate: int, method: str) -> np.ndarray:
    """int16 (n,) → bool (n // 10 ms,): is there speech in the frame? Methods are those of ``trim``."""
    return (_energy if method == "energy" else _webrtc)(samples, rate)


def _energy(samples: np.ndarray, rate: int) -> np.ndarray:
    """bool (frames,): is the frame within RANGE_DB of the loudest?"""
    frame = rate * FRAME_MS // 1000
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(np.float64)
    power = (whole * whole).mean(1)
    if not len(power) or power.max() == 0:
        return np.zeros(len(power), bool)
    return power >= power.max() * 10 ** (-RANGE_DB / 10)


def _webrtc(samples: np.ndarray, rate: int) -> np.ndarray:
    """bool (frames,): does WebRTC's detector hear speech?"""
    try:
        import webrtcvad
    except ImportError as e:
        raise UserError("vad: webrtc needs a package that is absent", "frontend", "pip install 'kwsbench[vad]'") from e
    detector = webrtcvad.Vad(AGGRESSIVENESS)
    frame = rate * FRAME_MS // 1000
    content = samples.tobytes()
    size = 2 * frame
    return np.array(
        [detector.is_speech(content[i : i + size], rate) for i in range(0, len(content) - size + 1, size)], bool
    )
