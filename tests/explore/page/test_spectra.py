from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.corpora import Corpus
from kwsbench.explore.material import Material
from kwsbench.explore.page.confusability import confusability_part, errors
from kwsbench.explore.page.spectra import spectra_part
from kwsbench.pages.standalone import figures_of
from kwsbench.recordings import read_recordings
from kwsbench.sound import Places, Sound, read_sound


@pytest.fixture(scope="module")
def tones(tone_tree, tmp_path_factory):
    sound = read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path_factory.mktemp("cache")))
    return Material(sound, workers=1)


def only(material, clips):
    return Material(replace(material.sound, corpus=replace(material.sound.corpus, clips=clips)), workers=1)


def test_every_word_has_its_line_and_picture_and_every_frequency_its_violins(tones):
    part = spectra_part(tones)
    assert len(list(figures_of(part.body))) == 4 + 4 + 5
    assert list(part.tables["mean_spectra"]["word"]) == ["cat", "no", "up", "yes"]
    assert len(part.tables["energy_at_frequencies"]) == 80 and len(part.findings) == 2
    assert (
        "80 clips, at most 200 a word" in part.body
        and "4 words with 20 clips or more lie furthest apart at" in part.findings[0]
    )


def test_one_word_has_no_findings(tones):
    part = spectra_part(only(tones, tones.clips[tones.clips["word"] == "up"].reset_index(drop=True)))
    assert not part.findings and len(list(figures_of(part.body))) == 1 + 1 + 5


def test_no_clips_is_said(tones):
    none = only(tones, tones.clips.iloc[:0])
    assert "No clip has any sound" in spectra_part(none).body
    assert "Fewer than two words" in confusability_part(none).body


def test_confusability_is_drawn_and_told(tones):
    part = confusability_part(tones)
    assert [name.split("-")[1] for name, _ in figures_of(part.body)] == ["matrix", "dendrogram"]
    assert "cat and up" in part.findings[0] and "(by chance: 75.0 %)" in part.findings[1]
    assert len(part.tables["confusability_pairs"]) == 6 and len(part.tables["confusability_errors"]) == 4


def test_two_words_of_one_speaker_are_compared_all_the_same(tones):
    few = tones.clips[tones.clips["word"].isin(["up", "yes"])].assign(speaker="one").reset_index(drop=True)
    part = confusability_part(only(tones, few))
    assert "too few pairs" in part.body and "Fewer than two speakers are known" in part.body


@pytest.mark.filterwarnings("error")
def test_clips_that_are_all_alike_are_drawn_without_a_warning(tmp_path):
    tone = np.sin(2 * np.pi * 500 * np.arange(8000) / 16000)
    rows = [(f"{i}.wav", str(tmp_path / f"{i}.wav"), ("no", "yes")[i % 2], f"s{i // 2 % 4}") for i in range(48)]
    for _, path, _, _ in rows:
        soundfile.write(path, tone, 16000)
    corpus = Corpus("folder", pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"]))
    alike = Material(Sound(corpus, read_recordings(corpus, tmp_path / "cache", workers=1), []), workers=1)
    assert spectra_part(alike).findings[0] == "No two words' mean spectra are a decibel apart."
    assert "(0 nats a frame apart)" in confusability_part(alike).findings[0]


def test_errors_are_counted_by_word():
    class Found:
        answers = pd.DataFrame({"word": list("aaabb"), "answer": list("abbbb")})

    table = errors(Found())  # type: ignore[arg-type]
    assert table.to_dict("records")[0] == pytest.approx(
        {"word": "a", "clips": 3, "error": 2 / 3, "taken_for": "b", "taken_share": 2 / 3}
    )
    assert list(table["taken_for"]) == ["b", ""]
