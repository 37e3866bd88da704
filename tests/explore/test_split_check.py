"""Sides counted by hand, distances against scipy's, and chance against a simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kwsbench.corpora import Corpus
from kwsbench.explore.material import Material
from kwsbench.explore.split_check import (
    side_counts,
    side_distances,
    side_overlaps,
    splits_to_check,
    word_sides,
)
from kwsbench.recordings import Recordings
from kwsbench.sound import Places, Sound, read_sound
from kwsbench.splits import Split


def split_of(rows, name="hash") -> Split:
    """Rows of word, speaker and side."""
    clips = pd.DataFrame(rows, columns=["word", "speaker", "side"])
    clips["clip"] = clips["path"] = [f"{i:05d}.wav" for i in range(len(clips))]
    return Split(Corpus("made up", clips), name, clips.set_index("clip")["side"], pd.DataFrame())


def material_of(clips, hashes=None) -> Material:
    clips = clips.assign(clip=[f"{i}.wav" for i in range(len(clips))], path="")
    content = [str(i) for i in range(len(clips))] if hashes is None else hashes
    table = pd.DataFrame({"sha256": content}, pd.Index(clips["clip"]))
    return Material(Sound(Corpus("made up", clips), Recordings(table, None), []), workers=1)


ROWS = [
    *[("yes", "ann", "train")] * 3, ("no", "ann", "train"), ("no", "bob", "train"),
    ("yes", "cid", "validation"), ("no", "cid", "validation"), ("yes", "dan", "test"), ("yes", "", "test"),
]  # fmt: skip


def test_sides_are_counted():
    found = side_counts(split_of(ROWS))
    assert found.index.tolist() == ["train", "validation", "test"]
    assert found["clips"].tolist() == [5, 2, 2] and found["speakers"].tolist() == [2, 1, 1]
    assert found["words"].tolist() == [2, 2, 1]
    assert found.loc["test", ["least_word", "least_clips"]].tolist() == ["no", 0]
    assert found["share"].sum() == pytest.approx(1)
    assert word_sides(split_of(ROWS)).loc["yes"].tolist() == [3, 1, 2]


def test_speakers_and_recordings_on_two_sides_are_found():
    split = split_of([*ROWS, ("no", "ann", "test")])
    hashes = pd.Series([*"abcdefghi", "a"], split.sides.index)
    found = side_overlaps(split, hashes).set_index(["a", "b"])
    assert found.loc[("train", "test")].tolist() == [1, 1]
    assert found.loc[("train", "validation")].tolist() == [0, 0] == found.loc[("validation", "test")].tolist()
    assert side_overlaps(split_of(ROWS), hashes)["speakers"].sum() == 0


def test_distances_are_those_of_scipy():
    rng = np.random.default_rng(0)
    side = rng.choice(["train", "validation", "test"], 600, p=[0.7, 0.2, 0.1])
    split = split_of([(rng.choice(["a", "b"]), f"s{i % 60}", s) for i, s in enumerate(side)], "leaky_random")
    values = pd.DataFrame(
        {"seconds": rng.exponential(size=600), "noise_dbfs": np.round(rng.normal(-50, 3, 600))}, split.sides.index
    )
    values.iloc[::7, 0] = np.nan
    found = side_distances(split, values, draws=20).set_index(["a", "b", "quantity"])
    for (a, b, quantity), row in found.iterrows():
        if quantity == "word":
            continue
        x, y = (values.loc[split.sides == s, quantity].dropna() for s in (a, b))
        assert row["distance"] == pytest.approx(stats.ks_2samp(x, y).statistic)
        assert row["moved"] == pytest.approx(stats.wasserstein_distance(x, y))
    shares = word_sides(split) / word_sides(split).sum()
    told = found.loc[("train", "test", "word"), "distance"]
    assert told == pytest.approx((shares["train"] - shares["test"]).abs().sum() / 2)


def test_chance_is_passed_by_few_of_the_splits_that_chance_made_and_by_a_shift():
    rng = np.random.default_rng(1)
    passed = []
    for _ in range(40):
        level = rng.normal(-50, 5, 60)  # of each speaker, whose clips are alike
        values = np.repeat(level, 20) + rng.standard_normal(1200)
        side = np.repeat(rng.permutation(["train"] * 30 + ["test"] * 30), 20)
        split = split_of([("yes", f"s{i // 20}", s) for i, s in enumerate(side)])
        row = side_distances(split, pd.DataFrame({"rms_dbfs": values}, split.sides.index), draws=60).iloc[1]
        passed.append(row["distance"] > row["by_chance"])
    assert np.mean(passed) <= 0.15
    # were clips drawn instead of speakers, nearly every split would pass
    assert row["by_chance"] > 0.2
    shifted = pd.DataFrame({"rms_dbfs": values + 10 * (side == "test")}, split.sides.index)
    row = side_distances(split, shifted, draws=60).iloc[1]
    assert row["distance"] > row["by_chance"] and row["moved"] == pytest.approx(10, abs=4) and row["unit"] == "dB"


def test_few_speakers_leave_chance_open():
    found = side_distances(split_of(ROWS), pd.DataFrame(index=split_of(ROWS).sides.index))
    assert found["by_chance"].isna().all() and found["quantity"].eq("word").all()


def test_the_lists_of_the_corpus_are_checked_and_a_disjoint_split_where_they_share_speakers():
    clips = pd.DataFrame(
        [("yes", f"s{i % 30}", ("train", "validation", "test")[i % 3 if i % 30 else 0]) for i in range(90)],
        columns=["word", "speaker", "side"],
    )
    assert [split.name for split in splits_to_check(material_of(clips)).splits] == ["official"]
    leaky = clips.assign(side=["train", "validation", "test"] * 30, speaker=[f"s{i // 9}" for i in range(90)])
    found = splits_to_check(material_of(leaky))
    assert [split.name for split in found.splits] == ["leaky_official", "hash"]
    assert found.main.name == "hash" and "official: 10 speakers are on two sides" in found.refused[0]


def test_no_speakers_make_no_split():
    found = splits_to_check(material_of(pd.DataFrame({"word": ["yes"] * 5, "speaker": [""] * 5})))
    assert not found.splits and found.main is None
    assert [text.split(":")[0] for text in found.refused] == ["hash", "speakers"]


def test_speech_commands_go_by_the_hash(tone_tree, tmp_path):
    material = Material(read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path)), workers=1)
    assert splits_to_check(material).main.name in ("hash", "speakers/1-of-5")
