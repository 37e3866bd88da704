"""Shares of energy in closed form; bytes counted by hand; spectra before and after."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.audio import resample
from kwsbench.corpora import Corpus
from kwsbench.explore.material import Material
from kwsbench.explore.resampling import (
    clip_resampled,
    energy_above,
    representative_clip,
    share_above,
    size_saved,
    spectrum_db,
)
from kwsbench.recordings import read_recordings
from kwsbench.sound import Sound


def tones(parts, rate=16000, n=16000):
    """float32 (n,): a sum of sines, each (Hz, amplitude)."""
    t = np.arange(n) / rate
    return sum(a * np.sin(2 * np.pi * hz * t) for hz, a in parts).astype(np.float32)


def material_of(folder, clips):
    """A corpus of word → list of (float samples, rate)."""
    rows = []
    for word, members in clips.items():
        for i, (samples, rate) in enumerate(members):
            path = folder / f"{word}{i}.wav"
            soundfile.write(path, samples, rate, subtype="PCM_16")
            rows.append((path.name, str(path), word, ""))
    corpus = Corpus("made", pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"]))
    return Material(Sound(corpus, read_recordings(corpus, folder / "cache"), []), workers=1)


@pytest.mark.parametrize("n", [16000, 15999])
def test_the_energy_of_all_frequencies_is_that_of_the_samples(n):
    wave = np.random.default_rng(0).standard_normal(n).astype(np.float32) + 3
    above, whole = share_above(wave, 16000, 0)
    assert whole == pytest.approx(np.square(wave - wave.mean(dtype=float), dtype=float).sum())
    assert above == pytest.approx(whole)
    assert share_above(wave, 16000, 4000)[0] == pytest.approx(whole / 2, rel=0.05)  # white noise


def test_the_share_above_of_two_tones_is_that_of_their_powers():
    above, whole = share_above(tones([(1000, 0.3), (5000, 0.1)]), 16000)
    assert above / whole == pytest.approx(0.01 / 0.10, rel=1e-4)
    assert share_above(np.zeros(0), 16000) == (0, 0) and share_above(np.full(9, 0.5), 16000)[1] == 0


def test_words_are_sorted_by_the_median_share_of_their_clips(tmp_path):
    low, half = tones([(500, 0.4)]), tones([(500, 0.3), (6000, 0.3)])
    quiet = 0.1 * half
    material = material_of(
        tmp_path,
        {
            "hum": [(low, 16000), (low, 16000)],
            "hiss": [(low, 16000), (half, 16000), (quiet, 16000)],
            "mute": [(np.zeros(1000), 16000)],
            "slow": [(low[:8000], 8000)],
        },
    )
    table = energy_above(material).set_index("word")
    assert list(table.index) == ["hiss", "hum"] and list(table["clips"]) == [3, 2]
    assert table.loc["hiss", "median"] == pytest.approx(0.5, abs=0.001)
    assert table.loc["hiss", "q1"] == pytest.approx(0.25, abs=0.001)
    # energies: 0.16, 0.18 with half above, and a hundredth of the latter
    assert table.loc["hiss", "share"] == pytest.approx(0.0909 / (0.16 + 0.18 + 0.0018), abs=0.001)
    assert table.loc["hum", "median"] < 1e-4
    assert representative_clip(material, "hiss") in ("hiss1.wav", "hiss2.wav")
    with pytest.raises(ValueError, match="no clip of 'mute' sounds"):
        representative_clip(material, "mute")


def test_bytes_are_counted_by_hand(tmp_path):
    wave = tones([(500, 0.4)])
    saved = size_saved(material_of(tmp_path, {"a": [(wave, 16000), (wave[:100], 16000)], "b": [(wave[:8000], 8000)]}))
    assert (saved.clips, saved.changed) == (3, 2)
    assert saved.before == 2 * (16000 + 100 + 8000)
    assert saved.after == 2 * (len(resample(wave, 16000, 8000)) + len(resample(wave[:100], 16000, 8000)) + 8000)
    assert saved.frames_before == 4 * (99 * 161 + 0 + 99 * 81) and saved.frames_after == 4 * (2 * 99 * 81)


@pytest.mark.parametrize(("n", "rate"), [(44100, 44100), (12345, 44100), (1001, 11025), (7, 48000)])
def test_lengths_after_are_those_of_the_filter(tmp_path, n, rate):
    wave = tones([(500, 0.4)], rate, n)
    assert size_saved(material_of(tmp_path, {"a": [(wave, rate)]})).after == 2 * len(resample(wave, rate, 8000))


def test_a_clip_loses_what_lies_above_and_keeps_the_rest():
    found = clip_resampled(tones([(1000, 0.3), (6000, 0.3)]), 16000)
    assert found.above == pytest.approx(0.5, rel=1e-3) and len(found.after) == 8000
    assert found.hz[-1] == 8000 and found.hz_after[-1] == 4000
    for hz, db in ((found.hz_after, found.db_after), (found.hz_fft, found.db_fft)):
        assert np.interp(1000, hz, db) == pytest.approx(np.interp(1000, found.hz, found.db), abs=0.1)
        # 6 kHz would come back as 2 kHz
        assert np.interp(2000, hz, db) < np.interp(6000, found.hz, found.db) - 50


def test_a_full_scale_sine_has_a_power_of_zero_decibels_over_all_frequencies():
    hz, db = spectrum_db(tones([(1000, 1.0)]), 16000)
    assert 10 * np.log10(np.sum(10 ** (db / 10)) * (hz[1] - hz[0])) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("n", [1, 10])
def test_short_and_silent_clips_are_resampled_too(n):
    found = clip_resampled(np.zeros(n, np.float32), 16000)
    assert np.isnan(found.above) and (found.db == -160).all()
