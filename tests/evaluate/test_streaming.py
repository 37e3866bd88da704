"""Streams against hand-counted numbers, and the sweep against one threshold after the other."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.evaluate.streaming import (
    Heard,
    Listener,
    count,
    detections,
    hear,
    matched,
    owners,
    pooled,
    smooth,
    streaming,
    sweep,
)
from kwsbench.timeline import build_timeline, windows

LABELS = ("yes", "no", "unknown", "silence")


def said(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["word", "start", "stop"])


def stream(n: int, **heard: dict[int, float]) -> np.ndarray:
    """Posteriors of n windows: what is heard of which label in which window; the rest is silence."""
    posteriors = np.zeros((n, len(LABELS)))
    for label, at in heard.items():
        posteriors[list(at), LABELS.index(label)] = list(at.values())
    posteriors[:, -1] = 1 - posteriors.sum(axis=1)
    return posteriors


# -- smoothing and detections --------------------------------------------------------------------------------------


def test_smoothing_is_a_mean_over_the_last_windows():
    found = smooth(np.array([[1.0], [0], [0], [1], [1], [1]]), 3)
    assert found[:, 0] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 3, 2 / 3, 1])
    posteriors = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    assert np.array_equal(smooth(posteriors, 1), posteriors)
    assert smooth(posteriors, 7).sum(axis=1) == pytest.approx(np.ones(50))
    assert smooth(posteriors, 500) == pytest.approx(np.cumsum(posteriors, axis=0) / np.arange(1, 51)[:, None])


@pytest.mark.parametrize(("apart", "want"), [(1, [1, 2, 3, 6]), (2, [1, 3, 6]), (3, [1, 6]), (6, [1])])
def test_after_a_detection_comes_a_pause(apart, want):
    scores = np.array([0.1, 0.7, 0.8, 0.9, 0.2, 0.4, 0.6])
    assert detections(scores, 0.6, apart).tolist() == want


def test_times_of_windows():
    how = Listener(hop=0.1, window=1.0, refractory=0.3)
    assert how.ends(3) == pytest.approx([1.0, 1.1, 1.2]) and how.apart == 3  # 0.3 / 0.1 is a little less than 3
    assert Listener(hop=0.25, refractory=0).apart == 1 and Listener(hop=0.25, refractory=0.3).apart == 2
    assert how.hours(11) == pytest.approx(2 / 3600)
    with pytest.raises(ValueError, match="nobody can listen"):
        Listener(hop=0)


def test_a_detection_hits_from_the_start_of_its_word_until_a_little_after_its_end():
    events = said(("no", 8, 9), ("yes", 2, 3), ("yes", 3.2, 4))
    times = np.array([1.9, 2, 3.1, 3.2, 3.5, 4.5, 4.6, 2.5, 9.1])
    words = np.array(["yes"] * 7 + ["no", "no"], object)
    assert owners(times, words, events, 0.5).tolist() == [-1, 1, 1, 2, 2, 2, -1, -1, 0]
    assert owners(times, words, events[:0], 0.5).tolist() == [-1] * 9
    with pytest.raises(ValueError, match="stops before it starts"):
        owners(times, words, said(("yes", 3, 2)), 0.5)


def test_the_ends_of_a_stretch_belong_to_it_however_sums_of_hops_are_rounded():
    times = Listener(hop=0.1, window=0.0).ends(8)  # 3 · 0.1 is a little more than 0.3
    found = owners(times, np.full(8, "yes", object), said(("yes", 0.3, 0.5)), 0.1)
    assert found.tolist() == [-1, -1, -1, 0, 0, 0, 0, -1]


def test_an_event_is_hit_once():
    assert matched(np.array([0, 0, -1, 2]), 4) == (2, 2, 2)
    assert matched(np.zeros(0, int), 3) == (0, 3, 0)


# -- whole streams -------------------------------------------------------------------------------------------------


def test_counted_by_hand():
    """Hit; taken for another word; a false alarm where a word that is no keyword was said; not heard."""
    events = said(("yes", 1, 2), ("no", 5, 6), ("cat", 10, 11), ("no", 15, 16))
    posteriors = stream(40, yes={2: 0.9, 3: 0.95, 11: 0.6, 20: 0.7}, no={30: 0.3})
    how = Listener(hop=0.5, window=1.0, refractory=1.0, tolerance=0.5)
    assert count(posteriors, LABELS, events, how, 0.5) == (1, 2, 2)
    assert count(posteriors, LABELS, events, how, 0.92) == (
        1,
        2,
        0,
    )  # the second window alone, at 2.5 s: late, but a hit
    assert count(posteriors, LABELS, events, how, 0.3) == (2, 1, 2)
    assert count(posteriors, LABELS, events, how, 0.99) == (0, 3, 0)
    found = streaming(posteriors, LABELS, events, how, most_an_hour=1e6)
    assert found.thresholds[:5].tolist() == [np.inf, 0.95, 0.7, 0.6, 0.3]
    assert found.hits[:5].tolist() == [0, 1, 1, 1, 2] and found.false_alarms[:5].tolist() == [0, 0, 1, 2, 2]
    assert found.false_rejection[:5] == pytest.approx([1, 2 / 3, 2 / 3, 2 / 3, 1 / 3])
    assert found.hours == pytest.approx(20.5 / 3600) and found.alarms_an_hour[2] == pytest.approx(3600 / 20.5)
    assert all(math.isnan(rate) for rate in found.at_alarms.values())


def test_twenty_minutes_with_fifty_wake_words():
    """The form of MLPerf Tiny: 45 words heard, one of them twice, and three alarms besides."""
    hop, n = 0.5, 2399
    starts = 10.0 + 20 * np.arange(50)
    heard = {int(second / hop): 0.9 for second in starts[:45]}  # windows of a second that end with the word
    heard |= {int(starts[0] / hop) + 1: 0.9, 2200: 0.8, 2300: 0.8, 2398: 0.8}
    events = said(*[("yes", start, start + 1) for start in starts])
    how = Listener(hop, refractory=0.5)
    assert how.hours(n) == pytest.approx(1 / 3)
    assert count(stream(n, yes=heard), LABELS, events, how, 0.7) == (45, 5, 4)
    assert count(stream(n, yes=heard), LABELS, events, Listener(hop), 0.7) == (45, 5, 3)


def test_a_timeline_heard_without_a_mistake():
    """Windows that hear whatever ends just there: all keywords are hit, of other words none is an alarm."""
    words = ["yes", "no", "cat"] * 5
    made = pd.DataFrame({"word": words, "label": ["yes", "no", "unknown"] * 5, "speaker": "s"})
    clips = [np.full(1000, 500, np.int16)] * len(words)
    timeline = build_timeline(clips, made, [np.ones(50, np.int16)], rate=1000, seconds=60, seed=0)
    how = Listener(hop=0.1)
    ends = how.ends(len(windows(timeline.waveform, 1000, 100)))
    events = timeline.events
    near = np.abs(ends[:, None] - events["stop"].to_numpy()).argmin(axis=1)
    close = np.abs(ends - events["stop"].to_numpy()[near]) < 0.3
    heard = np.where(close, events["label"].to_numpy(object)[near], "silence")
    posteriors = (heard[:, None] == np.array(LABELS, object)).astype(float)
    assert count(posteriors, LABELS, events, how, 0.5) == (10, 0, 0)


def test_rejection_at_alarms_an_hour():
    """Two hours with ten words: at .9 eight are heard without alarm, at .8 nine and one alarm, at .7 all and three."""
    hop, n = 1.0, 7200
    events = said(*[("yes", 100.0 * i, 100.0 * i + 1) for i in range(1, 11)])
    scores = [0.9] * 8 + [0.8, 0.7]
    heard = {100 * i: score for i, score in enumerate(scores, 1)} | {5000: 0.8, 5100: 0.7, 5200: 0.7}
    found = streaming(stream(n, yes=heard), LABELS, events, Listener(hop)).at_alarms
    assert found == {0.5: pytest.approx(0.1), 1.0: pytest.approx(0.1), 2.0: 0}


def test_a_lower_threshold_may_lose_a_hit():
    """An alarm just before a word, and the word falls into the pause: rates need not be monotone."""
    heard = Heard(np.array([0.0, 0.5, 0.9, 0.0]), np.array([-1, -1, 0, -1]))
    found = sweep(heard, 1, Listener(hop=1, refractory=3), most_an_hour=1e6)
    assert list(zip(found.thresholds, found.hits, found.false_alarms, strict=True))[:3] == [
        (np.inf, 0, 0), (0.9, 1, 0), (0.5, 0, 1)]  # fmt: skip


@given(st.integers(0, 10**6), st.integers(1, 120), st.integers(1, 12), st.integers(2, 30))
@settings(max_examples=150, deadline=None)
def test_the_sweep_is_what_each_threshold_gives(seed, n, apart, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=n) / levels
    n_events = int(rng.integers(0, 6))
    heard = Heard(scores, np.sort(rng.integers(-1, n_events, n)) if n_events else np.full(n, -1))
    found = sweep(heard, n_events, Listener(hop=1, refractory=apart), most_an_hour=1e9)
    each = {t: matched(heard.owners[detections(scores, t, apart)], n_events) for t in np.unique(scores)[::-1]}
    points = [(math.inf, 0, 0)]
    for threshold, (hits, _, alarms) in each.items():
        if (hits, alarms) != points[-1][1:]:
            points.append((threshold, hits, alarms))
    assert list(zip(found.thresholds, found.hits, found.false_alarms, strict=True)) == points


@given(st.integers(0, 10**6), st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_a_sweep_that_stops_has_every_point_up_to_where_it_promises(seed, most):
    rng = np.random.default_rng(seed)
    n, n_events, how = 7200, 5, Listener(hop=1, refractory=4)
    heard = Heard(rng.random(n), np.repeat([-1, *range(n_events), -1], [6000, *[10] * n_events, 1150]))
    part, whole = (sweep(heard, n_events, how, rate) for rate in (most, 1e9))
    assert len(part.thresholds) < len(whole.thresholds) and part.at_alarms == whole.at_alarms
    k = len(part.thresholds)
    assert np.array_equal(part.thresholds, whole.thresholds[:k]) and (whole.alarms_an_hour[k:] > most).all()


def test_an_hour_of_fifty_windows_a_second():
    rng = np.random.default_rng(0)
    posteriors = smooth(rng.dirichlet(np.ones(12) / 4, 180_000), 10)
    labels, how = [f"w{i}" for i in range(10)] + ["unknown", "silence"], Listener(hop=0.02, smoothed=25)
    events = said(*[(f"w{i % 10}", 20.0 * i, 20.0 * i + 1) for i in range(180)])
    found = streaming(posteriors, labels, events, how)
    assert found.alarms_an_hour[-1] > 60
    for i in range(1, len(found.thresholds), 40):
        at = count(posteriors, labels, events, how, found.thresholds[i])
        assert (at.hits, at.false_alarms) == (found.hits[i], found.false_alarms[i])


def test_a_stream_of_unknown_words_has_alarms_but_no_rejection():
    found = streaming(stream(8000, yes={50: 0.9}), LABELS, said(("cat", 50, 51)), Listener(hop=1))
    assert np.isnan(found.false_rejection).all() and all(math.isnan(rate) for rate in found.at_alarms.values())
    assert found.n_events == 0 and found.false_alarms[1] == 1


@pytest.mark.parametrize(
    ("posteriors", "labels", "message"),
    [
        (np.zeros((3, 2)), LABELS, "are not windows by 4 labels"),
        (np.zeros((0, 4)), LABELS, "are not windows"),
        (np.full((3, 4), np.nan), LABELS, "no numbers"),
        (np.zeros((3, 2)), LABELS[2:], "no keyword among unknown, silence"),
    ],
)
def test_what_is_no_stream_is_refused(posteriors, labels, message):
    with pytest.raises(ValueError, match=message):
        hear(posteriors, labels, said(("yes", 0, 1)), Listener(hop=0.1))


def test_a_sweep_goes_as_far_as_the_rates_it_shows():
    with pytest.raises(ValueError, match="shows less"):
        streaming(stream(9), LABELS, said(), Listener(hop=1), most_an_hour=1)


# -- thresholds and several streams --------------------------------------------------------------------------------


def test_a_threshold_gives_the_most_hits_of_those_with_no_more_alarms():
    """Two hours; word by word: a hit at 0.9, an alarm at 0.8, a hit at 0.7, alarms at 0.6 and 0.5, a hit at 0.4."""
    how = Listener(hop=1.0, window=1.0, refractory=1.0)
    heard = {10: 0.9, 20: 0.8, 30: 0.7, 40: 0.6, 50: 0.5, 60: 0.4}
    events = said(("yes", 9.5, 11), ("yes", 29.5, 31), ("yes", 59.5, 61))
    found = streaming(stream(7200, yes=heard), LABELS, events, how)
    assert [found.threshold_at(rate) for rate in (0.4, 0.5, 1.0)] == [0.9, 0.7, 0.7]
    assert found.threshold_at(1.5) == 0.4
    assert streaming(stream(7200, yes={10: 0.5}), LABELS, said(), how).threshold_at(0.4) == math.inf


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_several_streams_at_one_threshold_add_up(seed, n_streams):
    rng, how = np.random.default_rng(seed), Listener(hop=0.5, refractory=1.0)
    parts, events = [], []
    for _ in range(n_streams):
        parts.append(rng.dirichlet(np.ones(4), 200).round(2))
        starts = np.sort(rng.uniform(0, 95, 8))
        events.append(said(*((str(rng.choice(LABELS[:2])), start, start + 1) for start in starts)))
    sweeps = [streaming(p, LABELS, e, how, 3600.0) for p, e in zip(parts, events, strict=True)]
    whole = pooled(sweeps)
    assert whole.n_events == 8 * n_streams and whole.hours == pytest.approx(n_streams * how.hours(200))
    for i in rng.integers(len(whole.thresholds), size=5):
        counts = [count(p, LABELS, e, how, whole.thresholds[i]) for p, e in zip(parts, events, strict=True)]
        assert whole.hits[i] == sum(one.hits for one in counts)
        assert whole.false_alarms[i] == sum(one.false_alarms for one in counts)
