"""A word is cut out of silence with 50 ms around it; where nobody speaks, all is kept."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.errors import UserError
from kwsbench.features.vad import trim

RATES = (8000, 16000, 32000, 48000)


def word(rate: int, start: float = 0.4, stop: float = 0.6, noise: float = 0) -> np.ndarray:
    """int16, a second: a buzz of 120 Hz with 24 harmonics from ``start`` to ``stop``, silence or noise around it."""
    t = np.arange(rate) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
    around = noise * np.random.default_rng(0).standard_normal(rate)
    return (4000 * buzz * ((t >= start) & (t < stop)) + around).astype(np.int16)


@pytest.mark.parametrize("rate", [*RATES, 11025, 22050, 44100])
@pytest.mark.parametrize("noise", [0, 10])
def test_energy_keeps_the_word_and_50_ms_around_it(rate, noise):
    wave = word(rate, noise=noise)
    frame = rate // 100
    first, last = int(0.4 * rate) // frame, (int(np.ceil(0.6 * rate)) - 1) // frame
    assert np.array_equal(trim(wave, rate, "energy"), wave[(first - 5) * frame : (last + 6) * frame])


@pytest.mark.parametrize("rate", RATES)
def test_webrtc_keeps_the_word_and_cuts_the_silence(rate):
    pytest.importorskip("webrtcvad")
    wave = word(rate, noise=5)
    kept = trim(wave, rate, "webrtc")
    (start,) = [i for i in range(0, rate, rate // 100) if np.array_equal(wave[i : i + 200], kept[:200])]
    stop = start + len(kept)
    assert np.array_equal(wave[start:stop], kept)
    assert 0.3 <= start / rate <= 0.4 and 0.6 <= stop / rate <= 0.85  # it holds on for a while after a word


@pytest.mark.parametrize("method", ["energy", "webrtc"])
@pytest.mark.parametrize("samples", [16000, 100, 1, 0])
def test_where_nobody_speaks_all_is_kept(method, samples):
    if method == "webrtc":
        pytest.importorskip("webrtcvad")
    silence = np.zeros(samples, np.int16)
    assert np.array_equal(trim(silence, 16000, method), silence)


def test_steady_noise_is_kept_whole_by_energy():
    noise = (300 * np.random.default_rng(0).standard_normal(16000)).astype(np.int16)
    assert np.array_equal(trim(noise, 16000, "energy"), noise)


def test_a_word_at_the_edges_is_not_cut():
    begins, ends, fills = (word(16000, *at) for at in ((0, 0.2), (0.8, 1), (0, 1)))
    assert np.array_equal(trim(begins, 16000, "energy"), begins[:4000])
    assert np.array_equal(trim(ends, 16000, "energy"), ends[12000:])
    assert np.array_equal(trim(fills, 16000, "energy"), fills)


def test_none_is_none():
    wave = word(16000)
    assert trim(wave, 16000, "none") is wave


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 2000), st.sampled_from([8000, 16000, 44100]))
def test_what_is_cut_off_is_weaker_than_30_db_below_the_loudest(before, after, during, rate):
    rng = np.random.default_rng(before)
    parts = [4 * rng.standard_normal(before), 5000 * rng.standard_normal(during), 4 * rng.standard_normal(after)]
    wave = np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)
    kept = trim(wave, rate, "energy")
    assert 0 < len(kept) <= len(wave)
    frame = rate // 100
    powers = [float((wave[i : i + frame].astype(float) ** 2).mean()) for i in range(0, len(wave) - frame + 1, frame)]
    strong = sum(power >= max(powers) / 1000 for power in powers) if powers else 0
    assert len(kept) >= strong * frame


def test_an_absent_detector_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(UserError, match=r"pip install 'kwsbench\[vad\]'"):
        trim(word(16000), 16000, "webrtc")
    assert len(trim(word(16000), 16000, "energy")) < 16000
