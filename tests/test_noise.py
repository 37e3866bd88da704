"""Coloured noise has the slopes that its names stand for, unit power, and mixes at the ratio that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from kwsbench.noise import COLORS, EXPONENTS, SLOPES, add_noise, colored_noise, rms


def slope(wave: np.ndarray) -> float:
    """dB per octave: a line through the mean powers of seven octaves of Welch's spectrum."""
    _, power = signal.welch(wave.astype(np.float64), nperseg=4096)
    octaves = [(2**k, 2 ** (k + 1)) for k in range(3, 10)]
    # a power law f^k keeps its shape from octave to octave, so means over them fall as the spectrum does
    levels = [10 * np.log10(power[low:high].mean()) for low, high in octaves]
    return float(np.polyfit(np.arange(len(levels)), levels, 1)[0])


def test_colours_have_slopes():
    assert SLOPES == {"white": 0, "pink": -3, "blue": 3, "brown": -6, "violet": 6}
    assert set(COLORS) == set(EXPONENTS) == set(SLOPES)


@pytest.mark.parametrize(("color", "want"), SLOPES.items())
def test_measured_slope_in_db_per_octave(color, want):
    assert abs(slope(colored_noise(color, 2**18, np.random.default_rng(1))) - want) < 0.3


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("n", [999, 16000])
def test_colour_is_white_noise_weighed_by_a_power_of_frequency(color, n):
    own, white = (np.fft.rfft(colored_noise(name, n, np.random.default_rng(3))) for name in (color, "white"))
    inner = slice(1, (n + 1) // 2)  # the last bin of an even length is real
    f = np.arange(len(own))[inner]
    weight = np.abs(own[inner]) / np.abs(white[inner]) / f ** (EXPONENTS[color] / 2)
    assert np.abs(weight / np.median(weight) - 1).max() < 1e-2


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(COLORS), st.integers(2, 5000), st.integers(0, 2**32))
def test_noise_has_unit_rms_no_mean_and_the_length(color, n, seed):
    wave = colored_noise(color, n, np.random.default_rng(seed))
    assert wave.shape == (n,) and wave.dtype == np.float32
    assert abs(rms(wave) - 1) < 1e-5 and abs(wave.mean(dtype=np.float64)) < 1e-5


def test_noise_is_the_generators():
    for color in COLORS:
        one, same, other = (colored_noise(color, 1000, np.random.default_rng(seed)) for seed in (5, 5, 6))
        assert np.array_equal(one, same) and not np.array_equal(one, other)
    rng = np.random.default_rng(5)
    assert not np.array_equal(colored_noise("pink", 1000, rng), colored_noise("pink", 1000, rng))


def test_a_colour_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no colour named 'green'; there are white, pink, blue, brown, violet"):
        colored_noise("green", 100, np.random.default_rng(0))


@settings(deadline=None, max_examples=60)
@given(st.floats(-20, 40), st.sampled_from([0.01, 1.0, 3000.0]), st.sampled_from(COLORS))
def test_noise_is_added_at_the_ratio_asked_for(snr_db, loudness, color):
    wave = np.sin(np.arange(4000) * 0.1)
    noise = loudness * colored_noise(color, 4000, np.random.default_rng(0))
    mixed = add_noise(wave, noise, snr_db)
    assert mixed.dtype == np.float32 and mixed.shape == wave.shape
    added = mixed.astype(np.float64) - wave
    assert abs(20 * np.log10(rms(wave) / rms(added)) - snr_db) < 0.01
    assert np.corrcoef(added, noise)[0, 1] > 0.999


def test_silent_noise_and_noise_on_silence_add_nothing():
    wave = np.sin(np.arange(100)).astype(np.float32)
    assert np.array_equal(add_noise(wave, np.zeros(100), 0), wave)
    assert not add_noise(np.zeros(100), wave, 0).any()


def test_rms_does_not_overflow():
    assert rms(np.array([3, -4, 0, 0], np.int16)) == 2.5
    assert rms(np.full(1000, -32768, np.int16)) == 32768
