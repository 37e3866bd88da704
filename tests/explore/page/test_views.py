"""Parts of the page: whole for corpora of any kind, and a sentence in place of what cannot be said."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.corpora import Corpus
from kwsbench.explore.material import Material
from kwsbench.explore.page.resampling import resampling_part
from kwsbench.explore.page.views import shown_words, views_part
from kwsbench.recordings import read_recordings
from kwsbench.sound import Places, Sound, read_sound


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def material_of(folder, clips):
    """A corpus of (word, int16 samples, rate), nobody known."""
    rows = []
    for i, (word, samples, rate) in enumerate(clips):
        path = folder / f"{i}.wav"
        soundfile.write(path, samples, rate)
        rows.append((path.name, str(path), word, ""))
    corpus = Corpus("made", pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"]))
    return Material(Sound(corpus, read_recordings(corpus, folder / "cache"), []), workers=1)


def test_a_corpus_is_shown_with_and_without_players(tone_tree, tmp_path):
    material = Material(read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path)), workers=1)
    part, heard = views_part(material, audio=False), views_part(material, audio=True)
    assert "<audio" not in part.body and heard.body.count("<audio") == 3 * 5
    assert part.body.count("<svg") == 3 * (6 + 4) and len(part.findings) == 3
    assert all(f.startswith("“") and " ms" in f for f in part.findings)
    assert part.findings == heard.findings
    assert len(part.tables["states"]) == 9 and len(part.tables["alignment"]) == 3 * 20 * 3
    assert len(part.body) < 1_000_000 and "nan" not in re.sub(r"base64,[^\"]*", "", part.body)
    eight = resampling_part(material)
    assert eight.body.count("<svg") == 2 and len(eight.findings) == 2 and "energy_above_4khz" in eight.tables
    assert "50.0 % less" in eight.findings[1] and resampling_part(material, audio=True).body.count("<audio") == 4


def test_what_cannot_be_shown_is_said(tmp_path):
    silent = np.zeros(4000, np.int16)
    material = material_of(tmp_path, [("a", silent, 16000), ("b", silent[:5], 16000)])
    assert "No clip can be shown" in views_part(material, audio=True).body
    assert "Nothing sounds" in resampling_part(material).body


def test_one_clip_at_another_rate_is_enough(tmp_path):
    wave = (2000 * np.random.default_rng(0).standard_normal(3000)).astype(np.int16)
    material = material_of(tmp_path, [("a", wave, 11025)])
    part = views_part(material, audio=True)
    assert part.body.count("<svg") == 7 and "11,025 Hz" in part.body
    assert resampling_part(material).body.count("<svg") == 1


def test_recordings_at_8_khz_have_nothing_to_lose(tmp_path):
    wave = (2000 * np.random.default_rng(0).standard_normal(3000)).astype(np.int16)
    part = resampling_part(material_of(tmp_path, [("a", wave, 8000)]))
    assert "nothing to save" in part.body and not part.findings and not part.tables


def test_wanted_words_come_first_where_they_have_clips_then_the_most_frequent():
    words = pd.Series(["cat"] * 30 + ["yes"] * 25 + ["no"] * 3 + ["dog"] * 40)
    assert shown_words(words) == ["yes", "dog", "cat"]
    assert shown_words(words[:0]) == []
