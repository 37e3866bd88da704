"""eSpeak NG by ctypes: a word and a voice → samples, the same ones every time.

The library and its voices come with the ``espeakng-loader`` wheel. It keeps state between words and draws random
numbers for some voices, so every word is rendered by a library that was started afresh and given its seed.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

RETRIEVAL = 1  # espeak_AUDIO_OUTPUT: hand the samples over, play nothing
UTF8 = 1  # espeakCHARS_UTF8
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-us-nyc", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-scotland", "en-029")
ODD = ("Demonic", "croak", "whisper", "whisperf", "Robo", "robo", "Tweaky", "fast", "klatt", "Annie")  # no human voices


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker: a variant (throat) with an accent, pitch and range 0 to 99, rate in words a minute."""

    variant: str
    accent: str
    pitch: int
    range: int
    rate: int


def variants() -> list[str]:
    """Voice variants that sound like a person, sorted."""
    import espeakng_loader

    names = os.listdir(os.path.join(espeakng_loader.get_data_path(), "voices", "!v"))
    return sorted(name for name in names if not any(odd in name for odd in ODD))


def render(word: str, voice: Voice, seed: int) -> tuple[np.ndarray, int]:
    """int16 (n,) and the rate in Hz: the word, without the silence around it."""
    with _started() as (library, rate):
        chunks: list[np.ndarray] = []

        def collect(samples: "ctypes._Pointer[ctypes.c_short]", n: int, _: int) -> int:
            if samples and n > 0:
                chunks.append(np.ctypeslib.as_array(samples, (n,)).copy())
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        callback = kind(collect)  # has to live as long as the library may call it
        library.espeak_SetSynthCallback(callback)
        name = f"{voice.accent}+{voice.variant}"
        if library.espeak_SetVoiceByName(name.encode()):
            raise RuntimeError(f"eSpeak NG has no voice {name}")
        for parameter, value in ((RATE, voice.rate), (PITCH, voice.pitch), (RANGE, voice.range)):
            library.espeak_SetParameter(parameter, value, 0)
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        ctypes.CDLL(None).srand(ctypes.c_uint(seed & 0xFFFFFFFF))  # breathy voices draw from the C library instead
        text = word.encode()
        library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 0, 0, UTF8, None, None)
        library.espeak_Synchronize()
    samples = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
    return _trimmed(samples), rate


@contextlib.contextmanager
def _started() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library, loaded and started; unloaded on the way out: only a fresh image has no trace of the last word."""
    import _ctypes

    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(RETRIEVAL, 0, os.fsencode(espeakng_loader.get_data_path()), 0)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG did not start ({rate}); is the espeakng-loader wheel whole?")
    try:
        yield library, rate
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the quiet (a hundredth of the peak) at both ends."""
    level = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(level > max(1, level.max(initial=0) // 100))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples
