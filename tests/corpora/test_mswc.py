"""The Multilingual Spoken Words Corpus: Opus clips and a table of sides."""

import pytest

from kwsbench.corpora import load_corpus
from kwsbench.errors import UserError

HEAD = "SET,LINK,WORD,VALID,SPEAKER,GENDER"
ROWS = [
    "TRAIN,yes/c1.opus,yes,True,s1,FEMALE",
    "TRAIN,yes/c2.opus,yes,True,s2,MALE",
    "DEV,null/c3.opus,null,True,s3,NAN",
    "TEST,nan/c4.opus,nan,True,s4,NAN",
]


def put(tree, rows=ROWS, head=HEAD, table="mswc/en/en_splits.csv"):
    root = tree(f"mswc/en/clips/{name}" for name in ("yes/c1.opus", "yes/c2.opus", "null/c3.opus", "nan/c4.opus"))
    (root / table).write_text("\n".join([head, *rows]) + "\n")
    return root


@pytest.mark.parametrize("table", ["mswc/en/en_splits.csv", "mswc/en_splits.csv"])
def test_clips_words_speakers_and_sides(tree, table):
    root = put(tree, table=table)
    corpus = load_corpus("mswc", root)
    assert corpus.clips[["clip", "word", "speaker", "side"]].to_numpy().tolist() == [
        ["nan/c4.opus", "nan", "s4", "test"],
        ["null/c3.opus", "null", "s3", "validation"],
        ["yes/c1.opus", "yes", "s1", "train"],
        ["yes/c2.opus", "yes", "s2", "train"],
    ]
    assert corpus.clips["path"].iloc[2] == str(root / "mswc/en/clips/yes/c1.opus")
    assert "Opus-coded" in corpus.notes[0]


def test_a_choice_of_words(tree):
    root = put(tree)
    assert set(load_corpus("mswc", root, words=("yes", "nan")).clips["word"]) == {"yes", "nan"}
    assert set(load_corpus("mswc", root, min_clips=2).clips["word"]) == {"yes"}
    with pytest.raises(UserError, match="did you mean yes"):
        load_corpus("mswc", root, words=("yess",))
    with pytest.raises(UserError, match="no word has 3 clips"):
        load_corpus("mswc", root, min_clips=3)


def test_words_without_a_folder_are_left_out_and_counted(tree):
    root = put(tree, [*ROWS, "TRAIN,gone/c5.opus,gone,True,s1,MALE"])
    corpus = load_corpus("mswc", root)
    assert len(corpus.clips) == 4
    assert any("1 words" in note and "no folder" in note for note in corpus.notes)
    with pytest.raises(UserError, match="the clips of 'gone' are not there"):
        load_corpus("mswc", root, words=("gone",))


def test_a_table_that_is_not_the_published_one(tree):
    root = put(tree, [*ROWS, "HELDOUT,yes/c1.opus,yes,True,s1,MALE"])
    with pytest.raises(UserError, match=r"en_splits\.csv:6"):
        load_corpus("mswc", root)
    put(tree, head=HEAD.replace("SPEAKER", "CLIENT"))
    with pytest.raises(UserError, match="no column SPEAKER"):
        load_corpus("mswc", root)


def test_another_language(tree):
    with pytest.raises(UserError, match="no clips of language 'de'"):
        load_corpus("mswc", put(tree), language="de")
