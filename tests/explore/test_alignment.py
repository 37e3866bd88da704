"""States follow sounds: words of known sounds at known places are found again, whoever speaks and whenever."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.explore.alignment import align_word, common_rate
from kwsbench.explore.material import Material
from kwsbench.recordings import read_recordings
from kwsbench.sound import Sound

SOUNDS = (400, 1500, 3000)  # Hz of the three sounds of "abc"


def spoken(rng, rate, before):
    """int16, a second: three tones after ``before`` seconds, in noise; and the four borders in seconds."""
    lengths = rng.uniform(0.1, 0.2, 3)
    borders = before + np.concatenate([[0], np.cumsum(lengths)])
    t = np.arange(rate) / rate
    wave = 30 * rng.standard_normal(rate)
    for hz, start, stop in zip(SOUNDS, borders, borders[1:], strict=False):
        inside = (t >= start) & (t < stop)
        wave += 6000 * inside * np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * t)
    return wave.astype(np.int16), borders


def material_of(folder, clips, speakers=None, word="abc"):
    """A corpus of (int16 samples, rate), one word."""
    rows = []
    for i, (samples, rate) in enumerate(clips):
        path = folder / f"{i:03d}.wav"
        soundfile.write(path, samples, rate)
        rows.append((path.name, str(path), word, "" if speakers is None else speakers[i]))
    corpus = Corpus("made", pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"]))
    return Material(Sound(corpus, read_recordings(corpus, folder / "cache"), []), workers=1)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    rng = np.random.default_rng(0)
    made = [spoken(rng, 16000, rng.uniform(0.1, 0.4)) for _ in range(30)]
    speakers = [f"s{i % 5}" for i in range(30)]
    material = material_of(tmp_path_factory.mktemp("abc"), [(wave, 16000) for wave, _ in made], speakers)
    return material, np.array([borders for _, borders in made])


def test_the_states_of_a_word_begin_where_its_sounds_do(known):
    material, truth = known
    found = align_word(material, "abc")
    assert found.n_states == 3 and found.rate == 16000 and found.step == pytest.approx(0.01)
    assert len(found.clips) == 30 and found.borders.shape == truth.shape
    off = found.borders - truth
    assert np.abs(off[:, 1:3]).max() < 0.025 and np.median(np.abs(off[:, 1:3])) < 0.012  # a frame
    # differences look 40 ms around: the change from and to silence belongs to the word
    assert (off[:, 0] < 0.01).all() and (off[:, 0] > -0.045).all() and (np.abs(off[:, 3]) < 0.045).all()
    assert (np.diff(found.borders, axis=1) >= found.step - 1e-9).all()
    assert np.allclose(found.clips["start_s"], found.borders[:, 0])
    states = found.states()
    assert np.allclose(states["centroid_hz"], SOUNDS, rtol=0.06)
    assert np.allclose(states["seconds_median"], np.median(np.diff(truth, axis=1), axis=0), atol=0.045)
    assert (states["seconds_q1"] <= states["seconds_median"]).all()


def test_the_same_is_found_again_and_asked_for_clips_alone(known):
    material, _ = known
    first, again = align_word(material, "abc"), align_word(material, "abc")
    assert np.array_equal(first.borders, again.borders)
    some = list(material.clips["clip"][:8])
    assert list(align_word(material, "abc", some, n_states=4).clips["clip"]) == some


def test_the_best_clips_are_typical_likeliest_first_and_of_different_speakers(known):
    found = align_word(known[0], "abc")
    best = found.clips.loc[found.best(4)]
    assert len(best) == 4 and best["speaker"].is_unique and best["typical"].all()
    assert best["log_likelihood"].is_monotonic_decreasing
    assert best["log_likelihood"].iloc[0] == found.clips.loc[found.clips["typical"], "log_likelihood"].max()


def test_words_cut_close_are_aligned_without_silence(tmp_path):
    rng = np.random.default_rng(1)
    clips, truth = [], []
    for _ in range(20):
        wave, borders = spoken(rng, 8000, 0.1)
        cut = slice(round(8000 * borders[0]), round(8000 * borders[-1]))
        clips.append((wave[cut], 8000))
        truth.append(borders - borders[0])
    found = align_word(material_of(tmp_path, clips), "abc")
    assert found.rate == 8000
    assert np.median(np.abs(found.borders[:, 1:3] - np.array(truth)[:, 1:3])) < 0.012
    assert np.allclose(found.borders[:, 0], 0.0075)  # the first frame
    assert len(found.best(50)) > 1  # nobody is known: clips as they come


def test_silent_and_short_clips_are_left_out(tmp_path):
    rng = np.random.default_rng(2)
    clips = [(spoken(rng, 16000, 0.2)[0], 16000) for _ in range(4)]
    odd = [np.zeros(16000, np.int16), np.ones(3, np.int16), np.full(700, 9, np.int16)]
    material = material_of(tmp_path, [*clips, *((wave, 16000) for wave in odd)])
    assert list(align_word(material, "abc").clips["clip"]) == [f"00{i}.wav" for i in range(4)]
    assert len(align_word(material, "abc", ["000.wav"]).clips) == 1
    with pytest.raises(UserError, match="loud and long enough"):
        align_word(material, "abc", ["004.wav", "005.wav", "006.wav"])
    with pytest.raises(UserError, match="no clip of 'xyz'"):
        align_word(material, "xyz")


def test_clips_are_aligned_at_the_rate_of_most_of_them(tmp_path):
    wave = np.random.default_rng(3).integers(-99, 99, 48000).astype(np.int16)
    material = material_of(tmp_path, [(wave, 8000), (wave, 8000), (wave, 48000)])
    assert common_rate(material, ["000.wav", "001.wav", "002.wav"]) == 8000
    assert common_rate(material, ["002.wav"]) == 16000
