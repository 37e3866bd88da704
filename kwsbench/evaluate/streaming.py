"""Keywords in a stream: a model answers window after window, and what it hears is held against what was said when.

A window is one row of posteriors; window i ends at ``window + i · hop`` seconds, which is when its answer is there.

    smoothed posterior      mean over the last w windows, over as many as there are at the beginning (Chen, Parada &
                            Heigold, Small-footprint keyword spotting using deep neural networks, ICASSP 2014, (2))
    score, word             the largest smoothed posterior among the keywords, and which keyword it is
    detection               the first window whose score reaches the threshold, and again the first one from
                            ``refractory`` seconds after each detection on, whichever the words
    hit                     an event in which its word was detected: between its start and ``tolerance`` seconds after
                            its stop, but not after the start of the same word's next event
    false alarm             a detection too many: of no event, or of one that was hit before
    false rejection rate    events that were not hit / events
    false alarms an hour    false alarms / hours of the whole stream

Only keywords are events; other words are there to be mistaken for them. A keyword taken for another is a miss and a
false alarm. No detection knows what comes later: a device would give the same ones.

As the threshold falls, windows join those that reach it, and detections move: the rates of the sweep are those of every
threshold there is, found by mending the detections around each window that joins. Detections never get fewer, because
taking the first window that is far enough from the last detection takes as many as can stand so far apart; so false
alarms are at least detections − events, and the sweep may stop where these are too many.

With 1,200 s and 50 wake words, ``count`` at the threshold of a device gives what MLPerf Tiny asks of a streaming wake
word: hits, misses and false alarms (mlcommons.org, Tiny, v1.3).
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from kwsbench.evaluate.detection import ALARMS_AN_HOUR, rejection_at, shares
from kwsbench.labels import UNKNOWN
from kwsbench.silence import SILENCE

_SLACK = 1e-9  # seconds, for times that are sums of hops


@dataclass(frozen=True)
class Listener:
    """How a stream is listened to, in seconds; ``smoothed`` is a number of windows."""

    hop: float
    window: float = 1.0
    smoothed: int = 1
    refractory: float = 1.0
    tolerance: float = 0.5

    def __post_init__(self) -> None:
        if not (self.hop > 0 and self.smoothed >= 1 and min(self.window, self.refractory, self.tolerance) >= 0):
            raise ValueError(f"nobody can listen like this: {self}")

    @property
    def apart(self) -> int:
        """Windows from a detection to the first that may be the next, at least 1."""
        return max(1, math.ceil(round(self.refractory / self.hop, 9)))

    def ends(self, n: int) -> np.ndarray:
        """float (n,): seconds at which windows end."""
        return self.window + self.hop * np.arange(n)

    def hours(self, n: int) -> float:
        """Length of a stream of n windows."""
        return (self.window + self.hop * (n - 1)) / 3600 if n else 0.0


class Counts(NamedTuple):
    """What came of the events of a stream."""

    hits: int
    misses: int
    false_alarms: int


class Heard(NamedTuple):
    """Per window: ``scores`` float (n,), and ``owners`` int (n,), the event that a detection would hit; −1: none."""

    scores: np.ndarray
    owners: np.ndarray


@dataclass(frozen=True)
class Sweep:
    """What comes of a stream as the threshold falls: a point wherever hits or false alarms change.

    Attributes
    ----------
    thresholds : float (points,), falling; the first, +inf, stands for no detection.
    hits, false_alarms : int (points,).
    n_events, hours : events of the stream, and its length.
    at_alarms : false alarms an hour → false rejection rate; NaN where the stream is too short to show such a rate.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    false_alarms: np.ndarray
    n_events: int
    hours: float
    at_alarms: Mapping[float, float]

    @property
    def false_rejection(self) -> np.ndarray:
        """float (points,): rates in 0..1; NaN without events."""
        return shares(self.n_events - self.hits, self.n_events)

    @property
    def alarms_an_hour(self) -> np.ndarray:
        """float (points,)."""
        return self.false_alarms / self.hours

    def threshold_at(self, alarms_an_hour: float) -> float:
        """The threshold with the most hits of those with no more false alarms; of several the highest; +inf: none."""
        most = round(alarms_an_hour * self.hours, 9)
        return float(self.thresholds[np.where(self.false_alarms <= most, self.hits, -1).argmax()])


def pooled(sweeps: Sequence[Sweep]) -> Sweep:
    """Several streams as one, each listened to at the same threshold; as far as every sweep goes."""
    lowest = max(one.thresholds[-1] for one in sweeps)
    every = np.unique(np.concatenate([one.thresholds for one in sweeps]))[::-1]
    thresholds = every[every >= lowest]
    places = [np.searchsorted(-one.thresholds, -thresholds, side="right") - 1 for one in sweeps]
    hits, alarms = (
        np.sum([getattr(one, name)[at] for one, at in zip(sweeps, places, strict=True)], axis=0)
        for name in ("hits", "false_alarms")
    )
    n_events, hours = sum(one.n_events for one in sweeps), sum(one.hours for one in sweeps)
    at_alarms = rejection_at(shares(n_events - hits, n_events), alarms, hours)
    return Sweep(thresholds, hits, alarms, n_events, hours, at_alarms)


def streaming(
    posteriors: np.ndarray, labels: Sequence[str], events: pd.DataFrame, how: Listener, most_an_hour: float = 60.0
) -> Sweep:
    """How well the keywords among ``labels`` are detected in a stream, at every threshold.

    Parameters
    ----------
    posteriors : (windows, labels), in 0..1.
    labels : what may be answered, in order.
    events : ``word``, ``start`` and ``stop`` in seconds; those of words that are no keywords are left aside.
    how : windows, smoothing, refractory time, tolerance.
    most_an_hour : false alarms an hour up to which the sweep is complete.

    Raises
    ------
    ValueError : see ``hear`` and ``sweep``.
    """
    heard, n_events = hear(posteriors, labels, events, how)
    return sweep(heard, n_events, how, most_an_hour)


def count(
    posteriors: np.ndarray, labels: Sequence[str], events: pd.DataFrame, how: Listener, threshold: float
) -> Counts:
    """Hits, misses and false alarms at one threshold; parameters and errors are those of ``streaming``."""
    heard, n_events = hear(posteriors, labels, events, how)
    found = detections(heard.scores, threshold, how.apart)
    return matched(heard.owners[found], n_events)


def hear(posteriors: np.ndarray, labels: Sequence[str], events: pd.DataFrame, how: Listener) -> tuple[Heard, int]:
    """Each window's score and event, and the number of events.

    Raises
    ------
    ValueError : posteriors of another shape, none, or that are no numbers; no keyword among the labels; an event stops
        before it starts.
    """
    posteriors = np.asarray(posteriors, float)
    if posteriors.ndim != 2 or posteriors.shape[1] != len(labels) or not len(posteriors):
        raise ValueError(f"posteriors {posteriors.shape} are not windows by {len(labels)} labels")
    if not np.isfinite(posteriors).all():
        raise ValueError("posteriors hold values that are no numbers")
    spotted = [i for i, label in enumerate(labels) if label not in (UNKNOWN, SILENCE)]
    if not spotted:
        raise ValueError(f"no keyword among {', '.join(labels)}")
    scores = smooth(posteriors[:, spotted], how.smoothed)
    best = scores.argmax(axis=1)
    said = events[events["word"].isin([labels[i] for i in spotted])]
    words = np.array(labels, object)[spotted][best]
    heard = Heard(scores[np.arange(len(best)), best], owners(how.ends(len(best)), words, said, how.tolerance))
    return heard, len(said)


def smooth(posteriors: np.ndarray, windows: int) -> np.ndarray:
    """(n, labels): mean over each window and the ``windows`` − 1 before it, as far as there are any."""
    padded = np.concatenate([np.zeros((windows - 1, posteriors.shape[1])), posteriors])
    sums = np.lib.stride_tricks.sliding_window_view(padded, windows, axis=0).sum(axis=-1)
    return sums / np.minimum(np.arange(1, len(posteriors) + 1), windows)[:, None]


def owners(times: np.ndarray, words: np.ndarray, events: pd.DataFrame, tolerance: float) -> np.ndarray:
    """int (n,): the event (position in ``events``) that is hit by detecting ``words`` at ``times``; −1: none.

    Parameters
    ----------
    times : float (n,), seconds. words : (n,).
    events : ``word``, ``start``, ``stop``. tolerance : seconds after the stop.

    Raises
    ------
    ValueError : an event stops before it starts.
    """
    starts, stops = events["start"].to_numpy(float), events["stop"].to_numpy(float)
    if not (starts <= stops).all():
        raise ValueError("an event stops before it starts")
    found = np.full(len(times), -1)
    by_start = np.argsort(starts, kind="stable")
    said = events["word"].to_numpy(object)[by_start]
    for word in set(said):
        own = by_start[said == word]
        at = np.flatnonzero(words == word)
        last = np.searchsorted(starts[own], times[at] + _SLACK, side="right") - 1
        event = own[last]
        inside = (last >= 0) & (times[at] <= stops[event] + tolerance + _SLACK)
        found[at[inside]] = event[inside]
    return found


def detections(scores: np.ndarray, threshold: float, apart: int) -> np.ndarray:
    """int (detections,): windows that reach the threshold, each the first from ``apart`` after the one before on."""
    above = np.flatnonzero(scores >= threshold)
    found, at = [], 0
    while at < len(above):
        found.append(above[at])
        at = int(np.searchsorted(above, above[at] + apart))
    return np.array(found, np.int64)


def matched(hit: np.ndarray, n_events: int) -> Counts:
    """What came of ``n_events`` events by detections of the events ``hit``, (detections,); −1: of none."""
    hits = len(np.unique(hit[hit >= 0]))
    return Counts(hits, n_events - hits, len(hit) - hits)


def sweep(heard: Heard, n_events: int, how: Listener, most_an_hour: float = 60.0) -> Sweep:
    """Hits and false alarms at every threshold with up to ``most_an_hour`` false alarms an hour, and at some with more.

    Raises
    ------
    ValueError : ``most_an_hour`` is less than the rates that ``at_alarms`` shows.
    """
    if most_an_hour < max(ALARMS_AN_HOUR):
        raise ValueError(f"a sweep as far as {most_an_hour} false alarms an hour shows less than {ALARMS_AN_HOUR}")
    hours = how.hours(len(heard.scores))
    most = n_events + most_an_hour * hours
    order = np.argsort(-heard.scores, kind="stable")
    falling = heard.scores[order]
    last = np.append(falling[1:] != falling[:-1], True)
    chain, points = _Chain(heard.owners.tolist(), n_events, how.apart), [(math.inf, 0, 0)]
    for window, score, ends in zip(order.tolist(), falling.tolist(), last.tolist(), strict=True):
        chain.add(window)
        if ends and points[-1][1:] != chain.counts:
            points.append((score, *chain.counts))
        if ends and len(chain.found) > most:
            break
    thresholds, hits, alarms = (np.array(column) for column in zip(*points, strict=True))
    return Sweep(
        thresholds, hits, alarms, n_events, hours, rejection_at(shares(n_events - hits, n_events), alarms, hours)
    )


class _Chain:
    """The detections among windows that join in any order; those after a new one move up to where they meet again."""

    def __init__(self, owners: list[int], n_events: int, apart: int) -> None:
        self.owners, self.apart = owners, apart
        self.above: list[int] = []
        self.found: list[int] = []
        self.detected = [0] * n_events
        self.hits = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Hits, false alarms."""
        return self.hits, len(self.found) - self.hits

    def add(self, window: int) -> None:
        insort(self.above, window)
        first = bisect_right(self.found, window)
        if first and window < self.found[first - 1] + self.apart:
            return
        fresh, stop = self._from(window, first)
        for old in self.found[first:stop]:
            self._note(self.owners[old], -1)
        for new in fresh:
            self._note(self.owners[new], 1)
        self.found[first:stop] = fresh

    def _from(self, window: int, first: int) -> tuple[list[int], int]:
        """Detections from a window on that are not yet in ``found``, and the place in it from which they agree."""
        fresh = [window]
        while True:
            at = bisect_left(self.above, fresh[-1] + self.apart)
            if at == len(self.above):
                return fresh, len(self.found)
            stop = bisect_left(self.found, self.above[at], lo=first)
            if stop < len(self.found) and self.found[stop] == self.above[at]:
                return fresh, stop
            fresh.append(self.above[at])

    def _note(self, event: int, change: int) -> None:
        if event >= 0:
            before = self.detected[event]
            self.detected[event] = before + change
            self.hits += (before + change > 0) - (before > 0)
