"""Anybody's own recordings, with a manifest."""

import pandas as pd
import pytest

from kwsbench.corpora import load_corpus
from kwsbench.errors import UserError
from kwsbench.splits import make_splits

ROWS = [("a/1.wav", "yes", "ann", "train"), ("a/2.wav", "nan", "ann", "train"), ("b/3.wav", "no", "007", "test")]
COLUMNS = ["path", "word", "speaker", "side"]


def write(path, rows=ROWS, columns=COLUMNS):
    table = pd.DataFrame(rows, columns=columns)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",", encoding="utf-8-sig")


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.tsv", "list.parquet"])
def test_each_kind_of_manifest(tmp_path, name):
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / name)
    clips = load_corpus("folder", tmp_path, path="mine", manifest=name).clips
    assert clips[["clip", "word", "speaker", "side"]].to_numpy().tolist() == [list(row) for row in ROWS]
    assert clips["path"].iloc[0] == str(tmp_path / "mine/a/1.wav")


@pytest.mark.parametrize("name", ["manifest.tsv", "manifest.parquet"])
def test_a_manifest_of_any_kind_is_found(tmp_path, name):
    write(tmp_path / name)
    assert len(load_corpus("folder", tmp_path).clips) == 3
    write(tmp_path / "manifest.csv")
    with pytest.raises(UserError, match="more than one manifest"):
        load_corpus("folder", tmp_path)


def test_blanks_around_a_word_make_no_other_word(tmp_path):
    write(tmp_path / "manifest.csv", [("1.wav", " yes ", "ann ", ""), ("2.wav", "yes", "ann", " test")])
    clips = load_corpus("folder", tmp_path).clips
    assert clips[["word", "speaker", "side"]].to_numpy().tolist() == [["yes", "ann", ""], ["yes", "ann", "test"]]


def test_absolute_paths_folds_and_noise(tmp_path):
    elsewhere = tmp_path / "elsewhere" / "1.wav"
    write(tmp_path / "manifest.csv", [(str(elsewhere), "yes", "ann", 3)], ["path", "word", "speaker", "fold"])
    (tmp_path / "hum").mkdir()
    (tmp_path / "hum/mains.flac").touch()
    corpus = load_corpus("folder", tmp_path, path=str(tmp_path), noise="hum")
    assert corpus.clips["path"].iloc[0] == str(elsewhere)
    assert corpus.clips["fold"].to_list() == [3]
    assert corpus.noise == (tmp_path / "hum/mains.flac",)


def test_no_speakers_no_speaker_disjoint_split(tmp_path):
    write(tmp_path / "manifest.csv", [row[:2] for row in ROWS], COLUMNS[:2])
    corpus = load_corpus("folder", tmp_path)
    assert set(corpus.clips["speaker"]) == {""}
    hashes = pd.Series(["x", "y", "z"], index=corpus.clips["clip"])
    with pytest.raises(UserError) as caught:
        make_splits(corpus, hashes, scheme="speakers", folds=2, seed=0)
    assert "speaker" in caught.value.todo


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        (ROWS, ["path", "Words", "speaker", "side"], "rename 'Words' to 'word'"),
        ([("a.wav", "", "ann", "")], COLUMNS, r"manifest\.csv:2"),
        ([*ROWS, ("c.wav", "no", "bob", "dev")], COLUMNS, r"(?s)manifest\.csv:5.*did you mean validation"),
        ([("a.wav", "yes", "ann", "1st")], ["path", "word", "speaker", "fold"], "whole number"),
        ([], COLUMNS, "no clips in it"),
        ([*ROWS, ROWS[0]], COLUMNS, r"manifest\.csv:5: path a/1\.wav is named twice"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, rows, columns, said):
    write(tmp_path / "manifest.csv", rows, columns)
    with pytest.raises(UserError, match=said):
        load_corpus("folder", tmp_path)


@pytest.mark.parametrize("settings", [{"path": "nowhere"}, {"manifest": "other.csv"}, {"noise": "none"}])
def test_what_is_not_there(tmp_path, settings):
    write(tmp_path / "manifest.csv")
    with pytest.raises(UserError):
        load_corpus("folder", tmp_path, **settings)
