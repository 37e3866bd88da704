import numpy as np
import pytest

from kwsbench.explore.material import Material
from kwsbench.sound import Places, read_sound


def loudness(signal, rate):
    return rate, len(signal), float(np.abs(signal).max())


@pytest.fixture(scope="module")
def sound(tone_tree, tmp_path_factory):
    return read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path_factory.mktemp("cache")))


def test_a_pass_measures_every_clip_in_order_in_one_process_or_several(sound):
    alone, together = Material(sound, workers=1), Material(sound, workers=2)
    found = alone.measure("loudness", loudness, rate=8000)
    assert [rate for rate, _, _ in found] == [8000] * len(alone.clips)
    assert together.measure("loudness", loudness, rate=8000) == found
    clip = alone.clips["clip"].iloc[3]
    assert found[3][2] == pytest.approx(np.abs(alone.signal(clip, 8000)).max())
    assert alone.measure("loudness", loudness, [clip], rate=None)[0][1] == len(sound.recordings.samples(clip))


def test_a_sample_is_drawn_once_and_for_all_and_says_no_word_more_often_than_asked(sound):
    material = Material(sound)
    sample = material.sample("views", 2)
    assert sample.groupby("word").size().eq(2).all() and set(sample["word"]) == set(material.clips["word"])
    assert material.sample("views", 2).equals(sample)
    assert material.sample("views", 10**6).equals(material.clips)
    assert sample.index.is_monotonic_increasing
