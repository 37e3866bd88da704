"""What a model hears in streams: who knows the truth misses nothing, windows are seen as clips, draws are fair."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kwsbench.clips import Clips
from kwsbench.corpora import load_corpus
from kwsbench.corruptions import NoiseBank
from kwsbench.errors import UserError
from kwsbench.features import Frontend
from kwsbench.labels import label_split
from kwsbench.recordings import read_recordings
from kwsbench.splits import make_splits
from kwsbench.streaming import as_posteriors, listened, script, summary
from kwsbench.timeline import Streaming

LABELS = ("yes", "no", "unknown", "silence")
ASKED = Streaming(hours=0.05, hop_s=0.5, smoothed=1)
RAW = Frontend("waveform")


@pytest.fixture(scope="module")
def spoken(tone_tree, tmp_path_factory):
    """Task and recordings of the tone tree: keywords yes and no, the other words unknown."""
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    recordings = read_recordings(corpus, tmp_path_factory.mktemp("recordings"))
    split = make_splits(corpus, recordings.table["sha256"], scheme="speakers", folds=2)[0]
    usual = {"scheme": "keywords", "keywords": ("yes", "no"), "unknown_share": 1.0, "silence": "generated"}
    return label_split(split, **usual), recordings


def scored(spoken):
    return spoken[0].rows[spoken[0].rows["side"] == "test"]


def said_in(spoken, asked=ASKED, seed=3, bank=None):
    return script(asked, scored(spoken), spoken[1], bank or NoiseBank(), seed)


def clips_of(spoken, folder, frontend=RAW):
    return Clips(spoken[0], "test", frontend, spoken[1], folder / "clips")


@pytest.mark.parametrize("rate", [16000, 8000])
def test_a_model_that_knows_the_truth_misses_nothing_and_gives_no_false_alarm(spoken, tmp_path, rate):
    """It names the word that ended within the last window's hop, and silence else."""
    said, test = said_in(spoken), clips_of(spoken, tmp_path, replace(RAW, rate=rate))
    truth = [said.timeline(form, test).events for form in ASKED.forms]
    streams = []

    def oracle(clips):
        first = clips.rows["start"].iloc[0] == 0
        if first:
            streams.append(truth[len(streams)])
        events = streams[-1]
        assert clips.waveforms.shape == (len(clips), rate)
        posteriors = np.zeros((len(clips), len(LABELS)))
        for i, end in enumerate(clips.rows["stop"] / 16000):
            ended = events[(events["stop"] <= end) & (events["stop"] > end - ASKED.hop_s)]
            posteriors[i, LABELS.index(ended["label"].iloc[0]) if len(ended) else 3] = 1
        return posteriors

    windows, events = listened(test, said, oracle, LABELS, tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())
    found = summary(windows, events, LABELS, said, 1.0)
    assert found["n_events"] == 15 and found["n_words"] == 30
    assert found["short"] == {"seconds": 1200.0, "n_events": 50, "hits": 50, "misses": 0, "false_alarms": 0}
    assert found["threshold"] == 1.0 and np.isnan(found["false_rejection"]["1"])  # 3 minutes cannot show one an hour
    assert found["background"].startswith("generated noise (white")
    at = {name: events[events["stream_name"] == name] for name in ("long", "short")}
    pd.testing.assert_frame_equal(at["long"].drop(columns="stream_name"), truth[0])
    heard = windows[windows["stream_name"] == "long"]
    assert (heard[list(LABELS[:2])].max(axis=1) == 1).sum() == 15


def test_a_deaf_model_misses_everything_and_one_that_guesses_gives_false_alarms(spoken, tmp_path):
    said, test = said_in(spoken), clips_of(spoken, tmp_path)
    deaf = listened(test, said, lambda clips: np.tile([0.0, 0, 0, 1], (len(clips), 1)), LABELS, tmp_path)
    found = summary(*deaf, LABELS, said, 1.0)
    assert found["threshold"] == np.inf and found["short"]["misses"] == 50 and found["short"]["false_alarms"] == 0
    rng = np.random.default_rng(0)
    windows, events = listened(test, said, lambda clips: rng.dirichlet(np.ones(4), len(clips)), LABELS, tmp_path)
    assert summary(windows, events, LABELS, said, 1.0)["short"]["misses"] > 25


def test_windows_go_through_the_frontend_as_clips_do(spoken, tmp_path):
    """Frames of a window are those of a clip with the same samples, normalised by the same training side."""
    frontend = Frontend("log_mel", normalise="global", n_filters=12)
    train = Clips(spoken[0], "train", frontend, spoken[1], tmp_path / "clips")
    test = Clips(spoken[0], "test", frontend, spoken[1], tmp_path / "clips", statistics=train)
    rows = test.rows[test.rows["label"] != "silence"].iloc[[3, 1]].reset_index(drop=True)
    same = test.elsewhere(rows.assign(target=0, speaker=""), spoken[1], tmp_path / "other")
    index = [test.rows.index[test.rows["clip"] == clip][0] for clip in rows["clip"]]
    assert np.array_equal(same.features, test.features[index]) and same.speakers.tolist() == [-1, -1]
    seen = {}

    def answer(clips):
        seen[len(seen)] = clips.features[0].copy()
        return np.full((len(clips), 4), 0.25)

    listened(test, said_in(spoken), answer, LABELS, tmp_path / "work")
    wave = said_in(spoken).timeline(ASKED.forms[0], test).waveform[:16000]
    raw = frontend.frames_numpy(wave[None])[0]
    mean, deviation = test._moments
    assert seen[0] == pytest.approx((raw - mean) / deviation, abs=1e-4)


def test_the_last_window_ends_where_the_stream_does(spoken, tmp_path):
    asked = replace(ASKED, hop_s=0.7)
    ends = []

    def answer(clips):
        ends.extend(clips.rows["stop"])
        return np.full((len(clips), 4), 0.25)

    windows, _ = listened(clips_of(spoken, tmp_path), said_in(spoken, asked), answer, LABELS, tmp_path)
    n = (windows["stream_name"] == "long").sum()
    assert ends[n - 1] == 180 * 16000 and ends[-1] == 1200 * 16000 and ends[1] == round(1.7 * 16000)
    assert windows["window_end_s"].iloc[n - 1] >= 180


def test_each_clip_is_said_equally_often_and_in_one_stream_alone_where_there_are_enough(spoken):
    rows = scored(spoken)
    counts = Counter(pd.concat(list(said_in(spoken).rows.values()))["clip"])
    keywords = rows[rows["label"].isin(["yes", "no"])]["clip"]
    times = [counts[clip] for clip in keywords]
    assert sum(times) == 65 and max(times) - min(times) <= 1
    few = said_in(spoken, replace(ASKED, hours=0.02, words_an_hour=100.0))  # one keyword and one other word
    assert [len(few.rows["long"]), len(few.rows["short"])] == [2, 67]
    assert not set(said_in(spoken).rows["long"]["speaker"]) - set(rows["speaker"])


def test_another_seed_is_another_stream(spoken, tmp_path):
    test = clips_of(spoken, tmp_path)
    one, same, other = (said_in(spoken, seed=s).timeline(ASKED.forms[0], test) for s in (3, 3, 4))
    assert np.array_equal(one.waveform, same.waveform) and not np.array_equal(one.waveform, other.waveform)


def test_recordings_that_are_held_out_are_the_background(spoken, tmp_path):
    bank = NoiseBank([(np.full(8000, 900, np.int16), 8000), (np.zeros(99, np.int16), 8000)])
    said = said_in(spoken, bank=bank)
    assert said.background == "1 noise recording held out for the test"
    assert [len(one) for one in said.backgrounds()] == [16000]


def test_where_words_do_not_fit_or_no_keyword_is_there_the_cell_ends_before_it_trains(spoken):
    with pytest.raises(UserError, match="words and their gaps take .* the long stream"):
        said_in(spoken, replace(ASKED, words_an_hour=3000.0))
    silent = scored(spoken)[lambda rows: rows["label"] == "silence"]
    with pytest.raises(UserError, match="no clip of a keyword"):
        script(ASKED, silent, spoken[1], NoiseBank(), 3)


def test_without_other_words_streams_hold_keywords_alone(spoken):
    rows = scored(spoken)
    said = script(ASKED, rows[rows["label"] != "unknown"], spoken[1], NoiseBank(), 3)
    assert [len(part) for part in said.rows.values()] == [15, 50]


def test_posteriors_are_a_softmax_and_even_where_nothing_is_possible():
    scores = np.array([[0.0, np.log(3)], [-1e4, -2e4], [-np.inf, 5], [-np.inf, -np.inf]], np.float32)
    assert as_posteriors(scores) == pytest.approx(np.array([[0.25, 0.75], [1, 0], [0, 1], [0.5, 0.5]]))


def test_what_is_asked_for_makes_two_forms():
    long, short = Streaming().forms
    assert long == ("long", 3600, 300, 300) and short == ("short", 1200, 50, 100)
    assert Streaming(keyword_share=1.0).forms[1] == ("short", 1200, 50, 0)
