import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import spectrogram, welch

from kwsbench.corpora import Corpus
from kwsbench.explore.material import Material
from kwsbench.explore.spectra import common_rate, commonest, density, energy_at, explained, mean_spectra
from kwsbench.recordings import read_recordings
from kwsbench.sound import Sound


def material_of(folder, recordings, rate=16000):
    """A corpus of (word, speaker, int16 samples)."""
    rows = []
    for number, (word, speaker, samples) in enumerate(recordings):
        path = folder / f"{number}.wav"
        soundfile.write(path, samples, rate)
        rows.append((path.name, str(path), word, speaker))
    corpus = Corpus("folder", pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"]))
    return Material(Sound(corpus, read_recordings(corpus, folder / "cache", workers=1), []), workers=1)


def tone(hz, amplitude=0.5, seconds=1.0, rate=16000):
    return np.rint(amplitude * 32767 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def noise(seed, level=1000, n=16000):
    return np.rint(level * np.random.default_rng(seed).standard_normal(n)).astype(np.int16)


def test_density_is_scipys_spectrogram_of_the_int16_samples():
    samples = noise(1)
    hz, found = density(samples.astype(np.float32) / 32768, 16000)
    f, _, expected = spectrogram(samples.astype(float), 16000, "hann", 320, 160, detrend=False)
    assert found.shape == (161, 99) and np.array_equal(hz, f)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_clip_shorter_than_a_frame_is_padded_to_one():
    assert density(np.ones(7, np.float32), 16000)[1].shape == (161, 1)
    assert density(np.ones(7, np.float32), 8000, 25, 10)[1].shape == (101, 1)


def test_means_are_over_clips_in_decibels(tmp_path):
    clips = [("a", "", noise(1)), ("a", "", noise(2, 100)), ("b", "", tone(1000))]
    means = mean_spectra(material_of(tmp_path, clips))
    one = [welch(x / 32768, 16000, "hann", 320, 160, detrend=False)[1] for _, _, x in clips]
    np.testing.assert_allclose(means.spectra.loc["a"], 10 * np.log10(one[0] * one[1]) / 2, atol=0.01)
    assert list(means.n_clips) == [2, 1] and means.rate == 16000 and means.n_silent == 0
    frames = [spectrogram(x / 32768, 16000, "hann", 320, 160, detrend=False)[2] for _, _, x in clips[:2]]
    np.testing.assert_allclose(means.spectrograms[0], 5 * np.log10(frames[0] * frames[1]), atol=0.1)
    assert means.seconds[0] == pytest.approx(0.01) and means.seconds[-1] == pytest.approx(0.99)
    assert means.spectra.loc["b"].idxmax() == 1000


def test_the_density_of_a_tone_adds_up_to_its_power(tmp_path):
    means = mean_spectra(material_of(tmp_path, [("a", "", tone(1000, 0.5))]))
    power = (10 ** (means.spectra.loc["a"] / 10)).sum() * 50  # bins of 50 Hz
    assert power == pytest.approx(0.125, rel=0.01)


def test_silent_and_short_clips_count_where_they_can(tmp_path):
    clips = [("a", "", tone(500)), ("a", "", tone(500, seconds=0.3)), ("a", "", np.zeros(16000, np.int16))]
    clips += [("b", "", np.zeros(8000, np.int16)), ("c", "", tone(500, seconds=0.2)), ("c", "", noise(3, 50, 5))]
    means = mean_spectra(material_of(tmp_path, clips))
    assert means.n_silent == 2 and dict(means.n_clips) == {"a": 2, "c": 2}
    ends = np.isfinite(means.spectrograms).all(axis=1).sum(axis=1)
    assert list(ends) == [99, 19]  # of two clips one is half of them


def test_energy_is_that_of_the_nearest_bin_in_every_clip(tmp_path):
    clips = [("a", "x", tone(1000, 0.5)), ("a", "y", tone(1000, 0.05)), ("b", "x", noise(1))]
    clips += [("b", "x", np.zeros(100, np.int16))]
    found = energy_at(material_of(tmp_path, clips), (1010, 3000, 9000))
    assert list(found.columns) == ["clip", "word", "speaker", "hz", "db"] and len(found) == 6
    assert set(found["hz"]) == {1000.0, 3000.0}
    at = found[found["hz"] == 1000].set_index("clip")["db"]
    assert at["0.wav"] - at["1.wav"] == pytest.approx(20, abs=0.02)
    # a Hann window holds 2/3 of a tone's power in its own bin
    assert at["0.wav"] == pytest.approx(10 * np.log10(0.125 * 2 / 3 / 50), abs=0.02)


def test_the_share_that_words_explain():
    rng = np.random.default_rng(5)
    effect = rng.standard_normal(40)
    word = np.repeat(np.arange(40), 200)
    table = pd.DataFrame({"word": word.astype(str), "hz": 100.0, "db": effect[word] + rng.standard_normal(8000)})
    truth = effect.var() / (effect.var() + 1)
    assert explained(table)[100.0] == pytest.approx(truth, abs=0.02)
    nothing = table.assign(db=rng.standard_normal(8000))
    assert explained(nothing)[100.0] < 0.01
    assert np.isnan(explained(table[table["word"] == "0"])[100.0])


def test_the_share_that_words_explain_by_hand():
    table = pd.DataFrame({"word": list("aabb"), "hz": 1.0, "db": [0.0, 2.0, 4.0, 6.0]})
    assert explained(table)[1.0] == pytest.approx(1 - (4 / 2) / (20 / 3))


def test_words_and_rates(tmp_path):
    clips = [("b", "", tone(500)), ("b", "", tone(600)), ("c", "", tone(500)), ("a", "", tone(500))]
    material = material_of(tmp_path, clips, 16000)
    assert commonest(material, 2) == ["a", "b"] and commonest(material, 9) == ["a", "b", "c"]
    assert list(mean_spectra(material, words=["c"]).spectra.index) == ["c"]
    (tmp_path / "high").mkdir()
    assert common_rate(material_of(tmp_path / "high", clips[:1], 44100)) == 16000
    (tmp_path / "low").mkdir()
    low = material_of(tmp_path / "low", [("a", "", tone(500, rate=8000))], 8000)
    means = mean_spectra(low)
    assert common_rate(low) == means.rate == 8000 and means.spectra.shape == (1, 81)
