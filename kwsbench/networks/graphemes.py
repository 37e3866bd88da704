"""How labels are spelled, for recognisers that learn graphemes: a word never heard can be spelled, and so answered."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kwsbench.errors import UserError
from kwsbench.labels import UNKNOWN
from kwsbench.silence import SILENCE

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Spelling:
    """Labels as rows of graphemes.

    Attributes
    ----------
    symbols : the letters a to z, whatever else the labels are written with, and at the end one that stands for
        ``unknown``, of which no spelling is known. A network's output that is none of them (a blank, the end of a
        word) has the index ``len(symbols)``.
    words : for each label indices into ``symbols``; none for ``silence``, in which nothing is said.
    """

    symbols: tuple[str, ...]
    words: tuple[tuple[int, ...], ...]


def spell(labels: Sequence[str]) -> Spelling:
    """The spelling of all labels; a target such as "unknown:bed" is spelled as its own word.

    Raises
    ------
    UserError : two labels are spelled alike.
    """
    texts = ["" if label == SILENCE else label.removeprefix(f"{UNKNOWN}:").casefold() for label in labels]
    spelled = [text for text, label in zip(texts, labels, strict=True) if label != UNKNOWN]
    alike = [text for text, n in Counter(spelled).items() if n > 1]
    if alike:
        raise UserError(f"two labels are spelled {alike[0]!r}", todo="nothing could tell them apart: leave one out")
    others = sorted(set("".join(spelled)) - set(LETTERS))
    symbols = (*LETTERS, *others, UNKNOWN)
    rank = {symbol: i for i, symbol in enumerate(symbols)}
    words = [
        (rank[UNKNOWN],) if label == UNKNOWN else tuple(rank[letter] for letter in text)
        for text, label in zip(texts, labels, strict=True)
    ]
    return Spelling(symbols, tuple(words))


@dataclass(frozen=True)
class Beginnings:
    """All beginnings of words of one length; words that begin alike share them.

    Attributes
    ----------
    parents : of each beginning, its place among those that are a grapheme shorter. last : its last grapheme.
    labels : those that begin so, in order. places : the beginning of each. nexts : what follows it there: a grapheme,
        or the end, which has the index behind all of them.
    """

    parents: tuple[int, ...]
    last: tuple[int, ...]
    labels: tuple[int, ...]
    places: tuple[int, ...]
    nexts: tuple[int, ...]


def beginnings(spelling: Spelling) -> list[Beginnings]:
    """The beginnings of all words by length; the first is nothing at all, and the end stands for its last grapheme."""
    end, words = len(spelling.symbols), spelling.words
    levels: list[Beginnings] = []
    before: dict[tuple[int, ...], int] = {(): 0}
    for length in range(max(map(len, words)) + 1):
        own = sorted({word[:length] for word in words if len(word) >= length})
        rank = {text: place for place, text in enumerate(own)}
        labels = tuple(label for label, word in enumerate(words) if len(word) >= length)
        levels.append(
            Beginnings(
                parents=tuple(before[text[:-1]] for text in own),
                last=tuple(text[-1] if text else end for text in own),
                labels=labels,
                places=tuple(rank[words[label][:length]] for label in labels),
                nexts=tuple((*words[label], end)[length] for label in labels),
            )
        )
        before = rank
    return levels
