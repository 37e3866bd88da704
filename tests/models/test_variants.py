"""Training clips heard otherwise, and each speaker's own warp, on clips with files behind them."""

import numpy as np
import pytest

from kwsbench.clips import Clips
from kwsbench.corpora import load_corpus
from kwsbench.errors import UserError
from kwsbench.features import Frontend
from kwsbench.labels import label_split
from kwsbench.models import FitContext
from kwsbench.models.gmm_hmm import WordHMM
from kwsbench.models.variants import WARPS, best_warps, varied, warped
from kwsbench.recordings import read_recordings
from kwsbench.splits import make_splits

FRONTEND = Frontend("kaldi_mfcc", rate=8000, energy=False, deltas=1, normalise="utterance", fit="none")


@pytest.fixture(scope="module")
def sides(tone_tree, tmp_path_factory) -> dict[str, Clips]:
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    recordings = read_recordings(corpus, tmp_path_factory.mktemp("recordings"))
    split = make_splits(corpus, recordings.table["sha256"], scheme="speakers", folds=5)[0]
    task = label_split(split, scheme="keywords", keywords=("yes", "no"), unknown="none", silence="none")
    cache = tmp_path_factory.mktemp("clips")
    return {side: Clips(task, side, FRONTEND, recordings, cache) for side in ("train", "validation", "test")}


def test_one_copy_for_each_variant(sides):
    clips = sides["train"]
    n, speakers = len(clips), len(np.unique(clips.speakers))
    frames, y, lengths, who = varied(clips, (0.8, 1.25), (1.1,), (10.0,), seed=1)
    assert len(y) == len(lengths) == len(who) == 5 * n and lengths.sum() == len(frames)
    np.testing.assert_array_equal(y, np.tile(clips.targets, 5))
    assert len(np.unique(who)) == 5 * speakers
    base, slow, fast, other, noisy = np.split(lengths, 5)
    assert (slow > 1.2 * base).all() and (fast < 0.85 * base).all()
    np.testing.assert_array_equal(other, base)
    np.testing.assert_array_equal(noisy, base)
    parts = np.split(frames, np.cumsum([part.sum() for part in (base, slow, fast, other)]))
    np.testing.assert_array_equal(parts[0], clips.stacked()[0])
    np.testing.assert_array_equal(parts[3], clips.through(warp=1.1).stacked()[0])
    assert 0.1 < np.abs(parts[4] - parts[0]).mean() < 2
    again = varied(clips, (), (), (10.0,), seed=1)[0]
    np.testing.assert_array_equal(again[base.sum() :], parts[4])


def test_a_recording_played_faster_is_higher(sides):
    clips = sides["test"]
    fast = clips.through(speed=1.25)
    for i in range(2):
        pitch = [np.abs(np.fft.rfft(c.waveforms[i].astype(float), 1 << 16)).argmax() for c in (clips, fast)]
        assert pitch[1] == pytest.approx(1.25 * pitch[0], rel=0.02)
    with pytest.raises(UserError, match="speed"):
        clips.through(speed=3.0)


def test_the_likeliest_warp_of_a_clip_and_of_a_speaker(sides):
    clips = sides["train"]
    n = len(clips)
    wanted = np.resize([0.9, 1.1, 1.1], n)
    tried = iter(WARPS)

    def likelihood(frames, lengths):
        return -np.square(next(tried) - wanted)

    np.testing.assert_array_equal(best_warps(clips, likelihood, together=False), wanted)
    tried = iter(WARPS)
    found = best_warps(clips, likelihood, together=True)
    for speaker in np.unique(clips.speakers):
        own = clips.speakers == speaker
        errors = [np.square(warp - wanted[own]).sum() for warp in WARPS]
        assert set(found[own]) == {WARPS[int(np.argmin(errors))]}


def test_each_clip_through_its_own_warp(sides):
    clips = sides["test"]
    warps = np.resize([1.0, 0.9, 1.15], len(clips))
    frames, lengths = warped(clips, warps)
    for warp in (1.0, 0.9, 1.15):
        rows = np.repeat(warps == warp, lengths)
        np.testing.assert_array_equal(frames[rows], clips.through(warp=warp).stacked()[0][rows])


@pytest.mark.parametrize(
    "settings",
    [{"vtln": "speaker"}, {"vtln": "clip", "mmi_iter": 1}, {"speeds": (0.9, 1.1), "warps": (0.9,), "snrs_db": (20.0,)}],
)
def test_words_are_told_apart_either_way(sides, settings, tmp_path):
    train, validation, test = (sides[side] for side in ("train", "validation", "test"))
    model = WordHMM(states=3, mixtures=1, edge_states=0, n_iter=4, grow_iter=0, **settings)
    log = model.fit(train, validation, FitContext(seed=1))
    found = model.scores(test)
    assert (found.argmax(1) == test.targets).mean() > 0.9
    assert any("transductive" in note for note in log.notes) == (settings.get("vtln") == "speaker")
    model.save(tmp_path)
    other = WordHMM(states=3, mixtures=1, edge_states=0, n_iter=4, grow_iter=0, **settings)
    other.load(tmp_path)
    np.testing.assert_array_equal(other.scores(test), found)


def test_vtln_goes_without_variants():
    with pytest.raises(UserError, match="vtln"):
        WordHMM(vtln="clip", speeds=(0.9,))
