"""Is a split free of leaks? No speaker and no recording may be on two sides, and what is there twice is listed."""

import numpy as np
import pandas as pd

from kwsbench.errors import LeakError

SIDES = ("train", "validation", "test")
NAMED = 10  # speakers or recordings that a message names one by one


def assert_disjoint(sides: pd.Series, speakers: pd.Series, hashes: pd.Series | None) -> None:
    """Prove that no speaker and no recording is on two sides.

    Parameters
    ----------
    sides : clip → side.
    speakers : clip → speaker, at least of these clips; where nobody ("") speaks only the recording is compared.
    hashes : clip → SHA-256 of the decoded samples, at least of these clips; None: recordings are not compared.

    Raises
    ------
    LeakError : names the speakers or the clips. ValueError : a clip without speaker or hash proves nothing.
    """
    speaker = _known(sides, speakers, "speaker")
    somebody = (speaker != "").to_numpy()
    _assert_one_side(sides[somebody], speaker[somebody], "speaker")
    if hashes is not None:
        _assert_one_side(sides, content(sides, hashes), "recording")


def _known(sides: pd.Series, values: pd.Series, what: str) -> pd.Series:
    found = values.reindex(sides.index)
    if found.isna().any():
        raise ValueError(f"no {what} is known of clip {found.index[found.isna()][0]!r}")
    return found


def content(sides: pd.Series, hashes: pd.Series) -> pd.Series:
    """The hash of every clip; an empty one belongs to a recording that should have been set aside."""
    return _known(sides, hashes.where(hashes != ""), "content hash")


def _assert_one_side(sides: pd.Series, values: pd.Series, what: str) -> None:
    side, _ = pd.factorize(sides)
    group, names = pd.factorize(values)
    first, last = np.full(len(names), len(SIDES)), np.full(len(names), -1)
    np.minimum.at(first, group, side)
    np.maximum.at(last, group, side)
    leaked = sorted(np.flatnonzero(first < last).tolist(), key=lambda number: str(names[number]))
    if not leaked:
        return
    shown = []
    for number in leaked[:NAMED]:
        members = sides[group == number]
        one_a_side = [f"{members.index[members == name][0]} ({name})" for name in SIDES if (members == name).any()]
        shown.append(f"{names[number] if what == 'speaker' else 'the same samples'}: {', '.join(one_a_side)}")
    more = f"; and {len(leaked) - NAMED} more" if len(leaked) > NAMED else ""
    raise LeakError(
        f"{len(leaked)} {what}{'s are' if len(leaked) > 1 else ' is'} on two sides: {'; '.join(shown)}{more}",
        todo="correct the speaker ids or the sides in the corpus, or choose another split scheme",
    )


def duplicates(sides: pd.Series, rows: pd.DataFrame, hashes: pd.Series | None) -> pd.DataFrame:
    """Clips whose samples are those of another clip: ``sha256, clip, word, speaker, side``; ``rows`` has the words."""
    columns = ["sha256", "clip", "word", "speaker", "side"]
    if hashes is None:
        return pd.DataFrame({column: [] for column in columns}, dtype=str)
    hashed = content(sides, hashes)
    twice = hashed.duplicated(keep=False)
    found = rows.loc[twice, ["word", "speaker"]].assign(sha256=hashed[twice], side=sides[twice])
    return found.rename_axis("clip").reset_index()[columns].sort_values(["sha256", "clip"], ignore_index=True)
