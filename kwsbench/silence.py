"""What is silence made of? Stretches of noise recordings, coloured noise or zeros, no recording on two sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.noise import COLORS
from kwsbench.proof import SIDES
from kwsbench.seeds import derive_seed

SILENCE = "silence"
GAIN = (0.1, 1.0)  # of a stretch of silence, drawn evenly
FEWEST_RECORDINGS = 3  # of noise, for each side to have one of its own

Noise = Mapping[str, tuple[int, int]]
"""Noise recordings: path → (samples, rate in Hz)."""


@dataclass(frozen=True)
class Silence:
    """How silence is made: the settings, and the recordings of each side (none where there are too few)."""

    way: str
    share: float
    seconds: float
    seed: int
    noise: Noise
    by_side: Mapping[str, tuple[str, ...]]

    @property
    def held_out(self) -> bool:
        """Every side has recordings of its own."""
        return all(self.by_side[side] for side in SIDES)


def noise_sides(noise: Noise, seed: int) -> dict[str, tuple[str, ...]]:
    """Whole noise recordings for each side: one in six (at least one) for validation and for test, the rest trains.

    Recordings that lie in folders named after the sides stay on them. Where there are fewer than three, validation and
    test have none, and silence is generated; the training side may still be augmented with them.
    """
    names = sorted((path for path, (samples, _) in noise.items() if samples), key=lambda path: (file_name(path), path))
    given = {side: tuple(path for path in names if Path(path).parent.name == side) for side in SIDES}
    if names and all(given.values()):
        return given
    if len(names) < FEWEST_RECORDINGS:
        return {"train": tuple(names), "validation": (), "test": ()}
    order = [names[i] for i in np.random.default_rng(derive_seed(seed, "noise")).permutation(len(names))]
    n = max(1, len(names) // 6)
    parts = {"validation": order[:n], "test": order[n : 2 * n], "train": order[2 * n :]}
    return {side: tuple(sorted(parts[side])) for side in SIDES}


def silence_rows(how: Silence, room: Mapping[str, int], notes: list[str]) -> list[pd.DataFrame]:
    """Silence rows of each side in ``room``: side → keyword clips."""
    if how.way == "none":
        return []
    if how.way in ("recordings", "kernel"):
        notes.append(
            "silence: noise recordings held out whole, "
            + ", ".join(f"{len(how.by_side[side])} {side}" for side in room)
            if how.held_out
            else f"silence is generated noise: {len(how.by_side['train'])} noise recordings are too few to hold out any"
        )
    parts = []
    for side, n_keywords in room.items():
        n = part_of(n_keywords, how.share)
        if not n:
            continue
        rng = np.random.default_rng(derive_seed(how.seed, SILENCE, side))
        n_recorded = {"recordings": n, "kernel": n // 2}.get(how.way, 0) if how.held_out else 0
        sources = [*_stretches(how, side, n_recorded, rng), *_made(how.way, n - n_recorded, rng)]
        table = pd.DataFrame(sources, columns=["path", "start", "stop"])
        table["clip"] = [f"{SILENCE}/{side}/{i:05d}" for i in range(n)]
        table["gain"] = 1.0 if how.way in ("kernel", "zeros") else rng.uniform(*GAIN, n).round(4)
        parts.append(table.assign(peak=how.way == "kernel", word=SILENCE, label=SILENCE, speaker="", side=side))
    return parts


def _stretches(how: Silence, side: str, n: int, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """(path, start, stop) of ``n`` stretches at drawn places of a side's recordings; a shorter recording is whole."""
    if not n:
        return []
    files = how.by_side[side]
    samples, rates = (np.array(column) for column in zip(*(how.noise[path] for path in files), strict=True))
    lengths = np.minimum(np.round(how.seconds * rates).astype(np.int64), samples)
    chosen = rng.integers(len(files), size=n)
    start = rng.integers(samples[chosen] - lengths[chosen] + 1)
    stop = start + lengths[chosen]
    return [(files[i], first, end) for i, first, end in zip(chosen, start.tolist(), stop.tolist(), strict=True)]


def _made(way: str, n: int, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """(path, 0, −1) of ``n`` clips of digital zeros, or of coloured noise with the colours in turn."""
    if way == "zeros":
        return [("zeros", 0, -1)] * n
    seeds = rng.integers(2**62, size=n)  # so many that no two sides get the same noise
    return [(f"generated:{COLORS[i % len(COLORS)]}:{seed}", 0, -1) for i, seed in enumerate(seeds)]


def heard_of(how: Silence) -> str:
    """What the training side knows of the recordings that the official silence was cut from."""
    of = f"{len(how.by_side['train'])} of {len(how.noise)}"
    if not how.noise:
        heard = "which are not here"
    elif how.way in ("recordings", "kernel") and how.held_out:
        heard = f"of which training has heard {of} as silence"
    else:
        heard = f"of which {of} may be mixed into training clips, none is its silence"
    cut = "the official test set's silence was cut from the corpus's own noise recordings"
    return f"{cut}, {heard}: accuracy without silence stands beside"


def part_of(n: int, share: float) -> int:
    """The reference's count, ``ceil(n × percent / 100)``, for a share whose binary form may be a little too large."""
    return math.ceil(round(n * share, 9))


def file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
