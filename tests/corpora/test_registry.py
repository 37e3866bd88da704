"""What every corpus has in common."""

import pandas as pd
import pytest

from kwsbench.corpora import COLUMNS, CORPORA, Corpus, load_corpus
from kwsbench.errors import UserError


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "synthetic"])
def test_an_empty_root_says_what_is_missing(name, tmp_path):
    settings = {"path": "nowhere"} if name == "folder" else {}
    with pytest.raises(UserError) as caught:
        load_corpus(name, tmp_path, **settings)
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean fsdd"):
        load_corpus("fsd", tmp_path)


def corpus(rows) -> Corpus:
    return Corpus("mine", pd.DataFrame(rows, columns=list(COLUMNS)))


def test_clips_have_names_of_their_own():
    with pytest.raises(UserError, match=r"two clips are named 'a\.wav'"):
        corpus([("a.wav", "/x/a.wav", "yes", "ann"), ("a.wav", "/y/a.wav", "no", "bob")])


def test_the_fingerprint_is_of_clips_words_and_speakers_only():
    one = corpus([("a", "/x/a", "yes", "ann"), ("b", "/x/b", "no", "bob")])
    assert corpus([("b", "/y/b", "no", "bob"), ("a", "/y/a", "yes", "ann")]).fingerprint == one.fingerprint
    assert corpus([("a", "/x/a", "yes", "ann"), ("b", "/x/b", "no", "ann")]).fingerprint != one.fingerprint
    assert list(one.without(["a"]).clips["clip"]) == ["b"]
