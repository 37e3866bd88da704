"""Timelines: nothing overlaps, ratios are what they say, windows are views, the same seed gives the same stream."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.errors import UserError
from kwsbench.noise import rms
from kwsbench.timeline import build_timeline, places, windows

RATE = 1000


def clips_of(*sizes: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=size) * 3000).astype(np.int16) for size in sizes]


def said_of(n: int) -> pd.DataFrame:
    words = [f"w{i}" for i in range(n)]
    return pd.DataFrame({"word": words, "label": "unknown", "speaker": [f"s{i}" for i in range(n)]})


def build(clips, backgrounds=None, seconds=10.0, seed=0, **how):
    backgrounds = clips_of(700, 1300, seed=9) if backgrounds is None else backgrounds
    return build_timeline(clips, said_of(len(clips)), backgrounds, rate=RATE, seconds=seconds, seed=seed, **how)


@given(st.lists(st.integers(1, 400), max_size=8), st.integers(0, 300), st.integers(0, 2000), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_every_clip_is_said_once_and_none_near_another(sizes, gap, spare, seed):
    seconds = (sum(sizes) + gap * (len(sizes) + 1) + spare + 1) / RATE
    found = build(clips_of(*sizes), seconds=seconds, gap_s=gap / RATE, seed=seed)
    assert found.waveform.dtype == np.int16 and len(found.waveform) == round(seconds * RATE)
    events = found.events
    start, stop = ((events[name].to_numpy(float) * RATE).round() for name in ("start", "stop"))
    edges = np.column_stack([np.append(0, stop), np.append(start, len(found.waveform))])
    assert (np.diff(edges) >= gap).all()
    assert dict(zip(events["word"], stop - start, strict=True)) == {f"w{i}": size for i, size in enumerate(sizes)}
    assert [word[1:] for word in events["word"]] == [speaker[1:] for speaker in events["speaker"]]


def test_the_same_seed_gives_the_same_stream_another_another():
    clips = clips_of(300, 200, 100)
    one, same, other = (build(clips, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.waveform, same.waveform) and one.events.equals(same.events)
    assert not np.array_equal(one.events["start"], other.events["start"])


def test_every_arrangement_is_as_likely_as_any_other():
    """Two clips of two samples in ten, gaps of one: three are left for three places, ten ways."""
    rng = np.random.default_rng(0)
    ways = [places(np.array([2, 2]), 10, 1, rng) for _ in range(10_000)]
    found, counts = np.unique(ways, axis=0, return_counts=True)
    assert len(found) == 10 and (np.abs(counts - 1000) < 5 * np.sqrt(900)).all()


def test_times_and_ratios_do_not_depend_on_the_background():
    clips = clips_of(300, 200, 100)
    assert build(clips).events.equals(build(clips, backgrounds=clips_of(50)).events)


def test_places_are_drawn_evenly():
    """One clip of 100 in 1,000 samples starts evenly from 50 to 850; mean 450, deviation 801 / √12."""
    starts = [build(clips_of(100), seconds=1.0, gap_s=0.05, seed=seed).events["start"][0] for seed in range(200)]
    assert min(starts) >= 0.05 and max(starts) <= 0.85
    assert np.mean(starts) == pytest.approx(0.45, abs=0.06) and np.std(starts) == pytest.approx(0.231, abs=0.03)


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 15.0])
def test_clips_stand_above_the_level_by_the_ratio(snr_db):
    clips = clips_of(400, 400)
    found = build(clips, [np.zeros(500, np.int16)], snr_db=(snr_db, snr_db), level=0.01)
    assert (found.events["snr_db"] == snr_db).all()
    for start, stop in zip(found.events["start"], found.events["stop"], strict=True):
        own = found.waveform[round(start * RATE) : round(stop * RATE)]
        assert rms(own) == pytest.approx(327.68 * 10 ** (snr_db / 20), rel=1e-3)


def test_ratios_are_drawn_from_their_range():
    ratios = build(clips_of(*[10] * 200), seconds=110.0, snr_db=(-5.0, 15.0)).events["snr_db"]
    assert ratios.between(-5, 15).all() and ratios.min() < -4 and ratios.max() > 14


def test_the_background_goes_round_at_one_level():
    backgrounds = [wave // 2**i for i, wave in enumerate(clips_of(700, 1300, seed=3))]
    found = build([], backgrounds, seconds=5.0, level=0.02).waveform
    assert np.array_equal(found[:2000], found[2000:4000]) and np.array_equal(found[:1000], found[4000:])
    turn = 700 if abs(np.corrcoef(found[:700], backgrounds[0])[0, 1]) > 0.9 else 1300
    assert rms(found[:turn]) == pytest.approx(655.36, rel=1e-3) == rms(found[turn:2000])


def test_a_clip_is_added_to_what_is_there_across_the_seam():
    clip, background = clips_of(900, seed=1)[0], clips_of(800, seed=2)
    found = build([clip], background, seconds=1.9, gap_s=0.5, snr_db=(6.0, 6.0), level=0.01)
    alone = build([], background, seconds=1.9, level=0.01).waveform
    start = round(found.events["start"][0] * RATE)
    added = found.waveform.astype(int) - alone
    assert start == 500 and not added[:start].any() and not added[start + 900 :].any()
    assert added[start : start + 900] == pytest.approx(clip * (327.68 * 10**0.3 / rms(clip)), abs=1.01)


def test_too_loud_a_stream_is_made_quieter_as_a_whole():
    clips, background = clips_of(400, seed=1), clips_of(500, seed=2)
    found = build(clips, background, level=0.2, snr_db=(20.0, 20.0))
    quiet = build(clips, background, level=0.002, snr_db=(20.0, 20.0))
    assert np.abs(found.waveform.astype(int)).max() == 32767
    ratio = found.waveform.astype(float) @ quiet.waveform / (quiet.waveform.astype(float) @ quiet.waveform)
    assert found.waveform == pytest.approx(ratio * quiet.waveform, abs=ratio)


def test_silence_stays_silence():
    assert not build([np.zeros(100, np.int16)], [np.zeros(10, np.int16)]).waveform.any()


@pytest.mark.parametrize(("size", "hop"), [(100, 10), (100, 300), (1000, 1), (1, 7)])
def test_windows_are_views(size, hop):
    waveform = np.arange(1000, dtype=np.int16)
    found = windows(waveform, size, hop)
    assert found.dtype == np.int16 and found.shape == ((1000 - size) // hop + 1, size)
    assert np.shares_memory(found, waveform) and not found.flags.writeable
    assert np.array_equal(found[:, 0], np.arange(len(found)) * hop) and np.array_equal(
        found[-1], found[-1, 0] + np.arange(size)
    )


@pytest.mark.parametrize(("size", "hop"), [(1001, 1), (0, 1), (10, 0)])
def test_windows_that_are_none_are_refused(size, hop):
    with pytest.raises(ValueError, match="no windows"):
        windows(np.zeros(1000, np.int16), size, hop)


def test_what_cannot_be_made_is_refused():
    clips = clips_of(600, 600)
    with pytest.raises(UserError, match="2 clips and their gaps are 1,500 samples, the stream is 1,499"):
        build(clips, seconds=1.499, gap_s=0.1)
    with pytest.raises(UserError, match="needs a background"):
        build(clips, [np.zeros(0, np.int16)])
    with pytest.raises(ValueError, match="2 clips, but 1 rows"):
        build_timeline(clips, said_of(1), clips, rate=RATE, seconds=9, seed=0)
    with pytest.raises(ValueError, match="no stream is made"):
        build(clips, snr_db=(5.0, 0.0))
