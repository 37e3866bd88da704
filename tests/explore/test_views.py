"""Views of a clip: known tones at known places, the seed's spectrogram by scipy, the borders of speech."""

import warnings

import numpy as np
import pytest
from scipy import signal

from kwsbench.explore.views import clip_views, log_spectrogram, mel_db
from kwsbench.features.vad import borders, trim


def tone(hz, rate, start=0.3, stop=0.7, seconds=1.0):
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * t) * ((t >= start) & (t < stop))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_log_spectrogram_is_the_one_of_the_kernels(rate):
    wave = tone(1000, rate) + 0.01 * np.random.default_rng(0).standard_normal(rate).astype(np.float32)
    hz, times, power = signal.spectrogram(
        wave * 32768, rate, window="hann", nperseg=rate // 50, noverlap=rate // 100, detrend=False
    )
    view = log_spectrogram(wave, rate)
    assert np.allclose(view.rows, hz) and np.allclose(view.times, times) and view.step == pytest.approx(0.01)
    assert view.values.shape == (rate // 100 + 1, 99)
    assert np.allclose(view.values, np.log(power.astype(np.float32) + 1e-10), atol=2e-3)


def test_a_tone_lies_at_its_time_and_frequency_in_every_view():
    views = clip_views(tone(1000, 16000), 16000)
    assert views.seconds == 1 and views.rate == 16000
    for view, near in ((views.log_spectrogram, 50), (views.mel, 60)):
        row, column = np.unravel_index(view.values.argmax(), view.values.shape)
        assert abs(view.rows[row] - 1000) <= near and 0.3 <= view.times[column] <= 0.7
        assert view.values.shape == (len(view.rows), len(view.times))
    assert views.mel.values.max() == 0 and views.mel.values.min() == -80
    assert views.mfcc.values.shape == views.deltas.values.shape == views.deltas2.values.shape == (13, 98)
    # halfway through the tone nothing changes
    middle = np.abs(views.mfcc.times - 0.5) < 0.1
    assert np.abs(views.deltas.values[:, middle]).max() < 0.05 * np.abs(views.deltas.values).max()
    energy = views.mfcc.values[0]
    assert energy[middle].min() > energy[views.mfcc.times < 0.25].max()


def test_a_level_of_half_is_six_decibels_below():
    loud, rate = tone(1000, 16000, 0, 1), 16000
    wave = np.concatenate([loud[:8000], loud[8000:] / 2])
    mel = mel_db(wave, rate)
    first, second = mel.values[:, mel.times < 0.45].max(), mel.values[:, mel.times > 0.55].max()
    assert first - second == pytest.approx(20 * np.log10(2), abs=0.01)


def test_the_borders_of_speech_are_those_of_the_trim():
    wave = tone(500, 16000)
    views = clip_views(wave, 16000)
    assert views.speech["energy"] == (pytest.approx(0.25), pytest.approx(0.75))
    samples = (wave * 32768).astype(np.int16)
    for method in views.speech:
        start, stop = borders(samples, 16000, method)
        assert np.array_equal(trim(samples, 16000, method), samples[start:stop])
        assert views.speech[method] == (start / 16000, stop / 16000)
    assert borders(samples, 16000, "none") == (0, 16000)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("n", [1, 100, 5000])
def test_short_and_silent_clips_have_views_at_any_rate(rate, n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for wave in (np.zeros(n, np.float32), np.full(n, 0.1, np.float32)):
            views = clip_views(wave, rate)
            for view in (views.log_spectrogram, views.mel, views.mfcc, views.deltas, views.deltas2):
                assert np.isfinite(view.values).all() and view.values.shape[1] >= 1
            assert views.speech["energy"][1] == pytest.approx(n / rate)
