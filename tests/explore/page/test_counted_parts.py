"""Counts, conditions and splits on the page: for a usual corpus, and for those of which little can be said."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.explore.material import Material
from kwsbench.explore.page.conditions import conditions_part, in_words
from kwsbench.explore.page.counts import counts_part
from kwsbench.explore.page.split_check import split_check_part
from kwsbench.pages.shell import self_contained
from kwsbench.pages.standalone import figures_of
from kwsbench.sound import Places, read_sound

PARTS = (counts_part, conditions_part, split_check_part)


@pytest.fixture(scope="module")
def material(tone_tree, tmp_path_factory):
    places = Places(tone_tree.parent, tmp_path_factory.mktemp("cache"))
    return Material(read_sound("speech_commands_v0.01", places), workers=1)


def folder_of(root, rows):
    """A corpus from rows of word, speaker, samples and rate."""
    for i, (_, _, samples, rate) in enumerate(rows):
        soundfile.write(root / f"{i}.wav", samples, rate)
    table = [(f"{i}.wav", word, speaker) for i, (word, speaker, _, _) in enumerate(rows)]
    pd.DataFrame(table, columns=["path", "word", "speaker"]).to_csv(root / "manifest.csv", index=False)
    sound = read_sound("folder", Places(root, root / "cache"), {"path": str(root)})
    return Material(sound, workers=1)


@pytest.mark.parametrize("part_of", PARTS)
def test_each_part_has_findings_tables_and_figures(material, part_of):
    part = part_of(material)
    page = self_contained(part.title, [part.body], part.scripts)
    assert part.title and part.findings and all(text.endswith(".") for text in part.findings)
    assert list(figures_of(page)) and len(page) < 300_000
    assert "nan" not in " ".join(part.findings) and ">nan" not in part.body
    for table in part.tables.values():
        assert len(table) and not table.index.name


def test_counts_are_told_with_their_numbers(material):
    said = " ".join(counts_part(material).findings)
    assert "80 clips of 4 words by 10 speakers, 80 s in all." in said
    assert "Every word has 20 clips." in said and "No clip is shorter than one second" in said


LOUD = (np.random.default_rng(0).standard_normal(16000) * 3000).astype(np.int16)
ODD = {
    "one silent clip of nobody": [("yes", "", np.zeros(16000, np.int16), 16000)],
    "clips shorter than a frame": [("yes", "ann", LOUD[:3], 16000), ("no", "bob", LOUD[:1], 16000)],
    "one word of one speaker": [("yes", "ann", LOUD, 16000)] * 3,
    "other rates": [("yes", "ann", LOUD, 8000), ("no", "bob", LOUD, 44100), ("no", "cid", LOUD[:900], 4000)],
}


@pytest.mark.parametrize("part_of", PARTS)
@pytest.mark.parametrize("name", ODD)
def test_little_material_gives_sentences_and_no_faults(tmp_path, recwarn, name, part_of):
    part = part_of(folder_of(tmp_path, ODD[name]))
    assert part.body and all("nan" not in text for text in part.findings)
    assert not [w for w in recwarn if "kwsbench" in w.filename]


def test_many_words_are_a_histogram(tmp_path):
    part = counts_part(folder_of(tmp_path, [(f"word{i}", "ann", LOUD[:1600], 16000) for i in range(70)]))
    assert "Clips of each of the 70 words" in part.body


def row(**values):
    usual = {"what": "word", "by": "the lead-in", "clips": 900, "classes": 3, "accuracy": 0.6, "low": 0.5, "high": 0.7,
             "chance": 1 / 3, "why_not": ""}  # fmt: skip
    return usual | values


def test_a_leak_is_called_one_and_chance_is_not():
    said = in_words(
        pd.DataFrame(
            [
                row(), row(low=0.3), row(low=np.nan, high=np.nan), row(by="the quietest frames"),
                row(what="side"), row(what="speaker"), row(why_not="fewer than two words have 20 clips"),
            ]
        )
    )  # fmt: skip
    starts = (
        "A leak",
        "No leak is seen",
        "How surely",
        "From the quietest frames the word can be told, which is no leak",
        "The sides were recorded otherwise",
        "The condition of a clip gives its speaker away",
        "Whether the word",
    )
    assert all(text.startswith(start) for text, start in zip(said, starts, strict=True))
    assert "60.0 [50.0, 70.0] % right, by chance 33.3 %" in said[0]
