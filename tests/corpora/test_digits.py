"""The two corpora of spoken digits, FSDD and AudioMNIST, in their published layouts."""

import pandas as pd
import pytest

from kwsbench.corpora import load_corpus
from kwsbench.corpora.audiomnist import FOLDS
from kwsbench.errors import UserError
from kwsbench.splits import make_splits


def test_fsdd(tree):
    root = tree(["fsdd/recordings/7_jackson_32.wav", "fsdd/recordings/0_yweweler_0.flac", "fsdd/recordings/README.md"])
    clips = load_corpus("fsdd", root).clips
    assert clips[["clip", "word", "speaker", "side"]].to_numpy().tolist() == [
        ["0_yweweler_0.flac", "zero", "yweweler", "test"],
        ["7_jackson_32.wav", "seven", "jackson", "train"],
    ]


def whole_audiomnist(tree):
    names = [
        f"{speaker:02d}/{digit}_{speaker:02d}_{n}.wav" for speaker in range(1, 61) for digit in (0, 9) for n in (0, 49)
    ]
    return load_corpus("audiomnist", tree(f"data/{name}" for name in names))


def test_audiomnist(tree):
    clips = whole_audiomnist(tree).clips.set_index("clip")
    assert len(clips) == 240 and clips["speaker"].nunique() == 60
    assert clips.loc["05/9_05_49.wav", ["word", "speaker", "fold"]].to_list() == ["nine", "05", 0]


def test_audiomnists_published_folds(tree):
    assert sorted(speaker for fold in FOLDS for speaker in fold) == list(range(1, 61))
    assert {len(fold) for fold in FOLDS} == {12}
    corpus = whole_audiomnist(tree)
    hashes = pd.Series(corpus.clips["clip"].to_numpy(), index=corpus.clips["clip"])
    splits = make_splits(corpus, hashes, scheme="published", seed=0)
    assert len(splits) == 5
    speaker = corpus.clips.set_index("clip")["speaker"].astype(int)
    for n, split in enumerate(splits):
        heard = {side: set(speaker[split.sides.index[split.sides == side]]) for side in ("train", "validation", "test")}
        assert heard["test"] == set(FOLDS[n])
        assert heard["validation"] == set(FOLDS[n - 1])
        assert heard["train"] == set(range(1, 61)) - set(FOLDS[n]) - set(FOLDS[n - 1])


def test_a_speaker_of_no_fold(tree):
    root = tree(["audiomnist/data/61/0_61_0.wav"])
    with pytest.raises(UserError, match="speaker 61 is in no published fold"):
        load_corpus("audiomnist", root)
