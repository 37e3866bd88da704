"""A corpus ready for use: found, decoded once, less the recordings that cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsbench import corpora
from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent
from kwsbench.recordings import Recordings, read_recordings


@dataclass(frozen=True)
class Places:
    """Where things lie: ``data`` holds corpora as they came, ``cache`` what can be made again from them."""

    data: Path
    cache: Path


@dataclass(frozen=True)
class Sound:
    """A corpus less its bad recordings, and what is known of every file."""

    corpus: Corpus
    recordings: Recordings
    quarantined: list[dict[str, str]]


def read_sound(
    name: str,
    places: Places,
    settings: Mapping[str, Any] | None = None,
    *,
    official_test: bool = False,
    bad_share: float = 0.01,
    progress: Progress = silent,
) -> Sound:
    """The corpus with bad recordings set aside.

    Parameters
    ----------
    name : as a recipe names it, see ``corpora.load_corpus``; ``settings`` are the corpus's own.
    official_test : with the official test set that belongs to it.
    bad_share : of the recordings, that may be bad.

    Raises
    ------
    UserError : more than ``bad_share`` of the recordings are bad.
    """
    root = places.cache / "corpora" if name in corpora.MADE_HERE else places.data
    corpus = corpora.load_corpus(name, root, progress=progress, **(settings or {}))
    if official_test:
        corpus = corpora.add_official_test(corpus, root)
    recordings = read_recordings(corpus, places.cache / "recordings", progress=progress)
    bad = recordings.bad
    if len(bad) > bad_share * len(corpus.clips):
        first = "; ".join(f"{path}: {reason}" for _, path, reason in bad[:3])
        raise UserError(
            f"{len(bad)} of {len(corpus.clips)} recordings cannot be used, more than the stated share of "
            f"{bad_share:.1%} ({first})",
            name,
            "mend or remove them, or raise limits.bad_share in the recipe",
        )
    quarantined = [{"clip": clip, "path": str(path), "reason": reason} for clip, path, reason in bad]
    return Sound(corpus.without([clip for clip, _, _ in bad]) if bad else corpus, recordings, quarantined)
