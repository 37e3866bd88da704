"""Labels as graphemes."""

import pytest

from kwsbench.errors import UserError
from kwsbench.networks.graphemes import LETTERS, Spelling, beginnings, spell


def read(spelling) -> list[list[str]]:
    return [[spelling.symbols[i] for i in word] for word in spelling.words]


def test_words_are_rows_of_letters_silence_is_none_and_unknown_one_of_its_own():
    spelling = spell(["yes", "No", "unknown", "silence"])
    assert read(spelling) == [["y", "e", "s"], ["n", "o"], ["unknown"], []]
    assert spelling.words[0] == (24, 4, 18)
    assert spelling.symbols == (*LETTERS, "unknown") and len(spelling.symbols) == 27


def test_an_unknown_word_that_is_a_target_is_spelled():
    assert read(spell(["yes", "unknown:bed"])) == [list("yes"), list("bed")]


def test_other_letters_stand_behind_the_alphabet():
    spelling = spell(["über", "can't"])
    assert spelling.symbols == (*LETTERS, "'", "ü", "unknown")
    assert read(spelling) == [list("über"), list("can't")]


def test_the_alphabet_does_not_depend_on_which_words_of_it_are_labels():
    assert spell(["yes"]).symbols == spell(["stop", "go", "unknown"]).symbols


@pytest.mark.parametrize("labels", [["yes", "Yes"], ["go", "unknown:go"]])
def test_two_labels_that_are_spelled_alike_are_the_users_mistake(labels):
    with pytest.raises(UserError, match="spelled"):
        spell(labels)


def test_words_that_begin_alike_share_their_beginnings():
    spelling = Spelling(("a", "b"), ((0, 1), (), (0, 0), (1,)))
    nothing, one, two = beginnings(spelling)
    assert (nothing.parents, nothing.last) == ((0,), (2,))
    assert (nothing.labels, nothing.places, nothing.nexts) == ((0, 1, 2, 3), (0, 0, 0, 0), (0, 2, 0, 1))
    assert (one.parents, one.last) == ((0, 0), (0, 1))
    assert (one.labels, one.places, one.nexts) == ((0, 2, 3), (0, 0, 1), (1, 0, 2))
    assert (two.parents, two.last) == ((0, 0), (0, 1))
    assert (two.labels, two.places, two.nexts) == ((0, 2), (1, 0), (2, 2))


def test_beginnings_followed_to_the_end_spell_every_word():
    spelling = spell(["three", "two", "no", "silence", "unknown", "not"])
    texts, found = [()], {}
    for level in beginnings(spelling):
        texts = [
            (*texts[parent], last) if found else () for parent, last in zip(level.parents, level.last, strict=True)
        ]
        for label, place, after in zip(level.labels, level.places, level.nexts, strict=True):
            found[label] = (*texts[place], after)
    assert [found[label] for label in range(6)] == [(*word, len(spelling.symbols)) for word in spelling.words]
