"""What a model sees of a task: right samples, right frames, measured on the right side, computed once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kwsbench import clips as module
from kwsbench.clips import Clips
from kwsbench.corpora import load_corpus
from kwsbench.errors import UserError
from kwsbench.features import Frontend
from kwsbench.features.vad import trim
from kwsbench.labels import Task, label_split
from kwsbench.proof import SIDES
from kwsbench.recordings import Recordings, read_recordings
from kwsbench.splits import make_splits

MFCC = Frontend("mfcc", rate=8000, deltas=1)
RAGGED = Frontend("log_mel", rate=8000, vad="energy", fit="none", n_filters=12, deltas=1)
SPLICED = replace(RAGGED, stack=2, splice=1)


@dataclass(frozen=True)
class Spoken:
    """The tone tree as a task: keywords yes and no, as many unknown, half as many silence."""

    recordings: Recordings
    task_of: Callable[..., Task]

    @property
    def task(self) -> Task:
        return self.task_of()


@pytest.fixture(scope="module")
def spoken(tone_tree, tmp_path_factory) -> Spoken:
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    recordings = read_recordings(corpus, tmp_path_factory.mktemp("recordings"))
    table = recordings.table
    split = make_splits(corpus, table["sha256"], scheme="speakers", folds=5)[0]
    sizes = {str(p): tuple(int(n) for n in table.loc[f"_noise_/{p.name}", ["n_samples", "rate"]]) for p in corpus.noise}
    usual = {
        "noise": sizes,
        "scheme": "keywords",
        "keywords": ("yes", "no"),
        "unknown_share": 1.0,
        "silence_share": 0.5,
    }
    return Spoken(recordings, lambda **settings: label_split(split, **{**usual, **settings}))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Shared, so that a frontend's features are computed once for all tests."""
    return tmp_path_factory.mktemp("clips")


def sides(spoken: Spoken, cache: Path, frontend: Frontend, task: Task | None = None) -> dict[str, Clips]:
    task = task or spoken.task
    train = Clips(task, "train", frontend, spoken.recordings, cache)
    return {"train": train} | {
        side: Clips(task, side, frontend, spoken.recordings, cache, statistics=train) for side in SIDES[1:]
    }


def raw_features(clips: Clips, cache: Path, task: Task) -> np.ndarray:
    """Features before normalisation, float64."""
    frontend = replace(clips.frontend, normalise="none")
    return np.array(Clips(task, clips.side, frontend, clips._recordings, cache).features, np.float64)


def own_frames(features: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return features[np.arange(features.shape[1]) < lengths[:, None]]


def folders(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


@pytest.fixture
def nothing_more(monkeypatch) -> Callable[[], None]:
    """From the call on, nothing may be cut, resampled or turned into frames."""

    def forbid():
        monkeypatch.setattr(module.Sources, "write", lambda *args: pytest.fail("waveforms are computed"))
        monkeypatch.setattr(Frontend, "frames_numpy", lambda *args: pytest.fail("features are computed"))

    return forbid


# -- what there is -----------------------------------------------------------------------------------------------------


def test_shapes_and_types(spoken, cache):
    task = spoken.task
    for side, clips in sides(spoken, cache, MFCC).items():
        n = int((task.rows["side"] == side).sum())
        assert len(clips) == n > 0 and clips.side == side
        assert clips.waveforms.shape == (n, 8000) and clips.waveforms.dtype == np.int16
        assert clips.wave_lengths.tolist() == [8000] * n and clips.wave_lengths.dtype == np.int64
        assert clips.features.shape == (n, 98, 26) and clips.features.dtype == np.float32
        assert clips.lengths.tolist() == [98] * n and clips.lengths.dtype == np.int64
        assert clips.targets.dtype == clips.speakers.dtype == np.int64 and clips.is_silence.dtype == bool
        assert clips.labels == ("yes", "no", "unknown", "silence") and clips.n_labels == 4
        assert isinstance(clips.waveforms, np.memmap) and isinstance(clips.features, np.memmap)
        assert not clips.waveforms.flags.writeable and not clips.features.flags.writeable


def test_targets_speakers_and_silence_are_the_rows(spoken, cache):
    for clips in sides(spoken, cache, MFCC).values():
        assert [clips.labels[target] for target in clips.targets] == clips.rows["label"].tolist()
        assert np.array_equal(clips.is_silence, clips.rows["label"] == "silence") and clips.is_silence.any()
        assert np.array_equal(clips.speakers == -1, clips.is_silence)
        pairs = set(zip(clips.speakers.tolist(), clips.rows["speaker"], strict=True))
        assert len(pairs) == len(set(clips.rows["speaker"])) == len(set(clips.speakers.tolist()))
        assert max(clips.speakers) == len(pairs) - 2


def test_words_are_the_recordings_samples(spoken, cache):
    clips = sides(spoken, cache, Frontend("waveform", rate=16000))["test"]
    words = np.flatnonzero(~clips.is_silence)
    assert len(words)
    for i in words:
        assert np.array_equal(clips.waveforms[i], spoken.recordings.samples(clips.rows["clip"][i]))


def test_features_are_the_frontends_of_the_waveforms(spoken, cache):
    for frontend in (MFCC, Frontend("log_spectrogram", rate=8000, window_ms=20), Frontend("waveform", rate=8000)):
        clips = sides(spoken, cache, frontend)["test"]
        assert np.array_equal(clips.features, frontend.frames_numpy(clips.waveforms))


def test_a_side_without_clips_is_refused(spoken, cache):
    task = spoken.task
    task = replace(task, rows=task.rows[task.rows["side"] != "validation"])
    with pytest.raises(UserError, match="no clips on the validation side"):
        Clips(task, "validation", MFCC, spoken.recordings, cache)


# -- silence -----------------------------------------------------------------------------------------------------------


def test_recorded_silence_is_a_stretch_times_its_gain(spoken, cache):
    table = spoken.recordings.table.set_index("path")
    heard = {}
    for side, clips in sides(spoken, cache, Frontend("waveform", rate=16000)).items():
        silent = clips.rows[clips.is_silence]
        for i, row in zip(silent.index, silent.itertuples(), strict=True):
            name = Path(row.path).name
            stretch = spoken.recordings.samples(f"_noise_/{name}")[row.start : row.stop]
            assert len(stretch) == 16000 == table["rate"][row.path] and 0.1 <= row.gain <= 1.0
            assert np.array_equal(clips.waveforms[i], np.rint(stretch * row.gain))
        heard[side] = set(silent["path"])
    assert all(heard.values()) and not heard["train"] & heard["test"] and not heard["validation"] & heard["test"]


@pytest.mark.parametrize("silence", ["recordings", "generated", "kernel", "zeros"])
def test_digital_zeros_only_where_they_are_asked_for(spoken, cache, silence):
    for clips in sides(spoken, cache, replace(MFCC, rate=16000), spoken.task_of(silence=silence)).values():
        quiet = ~clips.waveforms.any(1)
        assert clips.is_silence.any()
        assert np.array_equal(quiet, clips.is_silence if silence == "zeros" else np.zeros(len(clips), bool))
        assert np.isfinite(clips.features).all()
        if silence == "generated":
            assert len({wave.tobytes() for wave in clips.waveforms[clips.is_silence]}) == clips.is_silence.sum()
        if silence == "kernel":
            assert (np.abs(clips.waveforms[clips.is_silence].astype(int)).max(1) >= 32767).all()


def test_noise_for_mixing_is_the_training_sides_at_the_frontends_rate(spoken, cache):
    task = spoken.task
    for clips in sides(spoken, cache, MFCC).values():
        assert len(clips.noise_waves) == len(task.noise) == 1
        assert clips.noise_waves[0].dtype == np.int16 and len(clips.noise_waves[0]) == 5 * 8000
    test = task.rows[(task.rows["side"] == "test") & (task.rows["label"] == "silence")]
    assert not set(task.noise) & set(test["path"])


# -- the cache ---------------------------------------------------------------------------------------------------------


def test_a_second_construction_computes_nothing(spoken, tmp_path, nothing_more):
    frontend = replace(MFCC, normalise="global")
    first = {side: (np.array(clips.waveforms), np.array(clips.features), clips.lengths, clips.fingerprint)
             for side, clips in sides(spoken, tmp_path, frontend).items()}  # fmt: skip
    assert len(folders(tmp_path)) == 6
    nothing_more()
    for side, clips in sides(spoken, tmp_path, frontend).items():
        for found, want in zip((clips.waveforms, clips.features, clips.lengths), first[side], strict=False):
            assert np.array_equal(found, want)
        assert clips.fingerprint == first[side][3]
        varied = clips.frames(torch.tensor(clips.waveforms[:2] / np.float32(32768)), np.arange(2))
        assert torch.allclose(varied, torch.tensor(clips.features[:2]), atol=1e-4)
    assert len(folders(tmp_path)) == 6


def test_nothing_is_computed_before_it_is_asked_for(spoken, tmp_path):
    clips = sides(spoken, tmp_path, MFCC)["train"]
    _ = clips.targets, clips.speakers, clips.is_silence, clips.fingerprint, len(clips), clips.lengths
    assert folders(tmp_path) == []
    clips.prepare(features=False)
    assert [name.split("-")[0] for name in folders(tmp_path)] == ["waves"]
    clips.prepare(features=True)
    assert [name.split("-")[0] for name in folders(tmp_path)] == ["features", "waves"]


def test_frontends_share_waveforms_where_those_are_the_same(spoken, tmp_path):
    def kept(frontend: Frontend) -> tuple[int, int]:
        sides(spoken, tmp_path, frontend)["test"].prepare(features=True)
        names = [name.split("-")[0] for name in folders(tmp_path)]
        return names.count("waves"), names.count("features")

    assert kept(MFCC) == (1, 1) == kept(MFCC)
    assert kept(replace(MFCC, deltas=2)) == (1, 2)
    assert kept(replace(MFCC, kind="log_mel")) == (1, 3)
    assert kept(replace(MFCC, normalise="utterance")) == (1, 4)
    assert kept(replace(MFCC, fit="center")) == (2, 5)
    assert kept(replace(MFCC, seconds=0.9)) == (3, 6)
    assert kept(replace(MFCC, resample="fft")) == (4, 7)
    assert kept(replace(MFCC, vad="energy")) == (5, 8)
    assert kept(replace(MFCC, rate=16000)) == (6, 9)
    assert kept(replace(MFCC, margin_s=0.1)) == (7, 10)
    assert kept(replace(MFCC, margin_s=0.1, margin_level=5.0)) == (8, 11)
    assert kept(replace(MFCC, dither=1.0)) == (9, 12)
    assert kept(replace(MFCC, splice=1)) == (9, 13)


def test_a_changed_recording_makes_another_key_and_a_moved_one_does_not(spoken, tmp_path):
    task = spoken.task
    before = sides(spoken, tmp_path, MFCC)
    path = before["test"].rows["path"][0]
    table = spoken.recordings.table
    changed = table.assign(sha256=table["sha256"].where(table["path"] != path, "another"))
    other = Clips(task, "test", MFCC, replace(spoken.recordings, table=changed), tmp_path)
    assert other.fingerprint != before["test"].fingerprint
    train = Clips(task, "train", MFCC, replace(spoken.recordings, table=changed), tmp_path)
    assert train.fingerprint == before["train"].fingerprint

    def moved(paths):
        return paths.where(paths.str.startswith("generated:"), "/else" + paths)

    away = replace(task, rows=task.rows.assign(path=moved(task.rows["path"])))
    recordings = replace(spoken.recordings, table=table.assign(path=moved(table["path"])))
    for side, clips in before.items():
        assert Clips(away, side, MFCC, recordings, tmp_path).fingerprint == clips.fingerprint


@pytest.mark.parametrize("column", ["start", "stop", "gain", "peak", "target", "speaker", "path"])
def test_a_changed_row_makes_another_fingerprint(spoken, cache, column):
    task = spoken.task
    rows = task.rows.copy()
    where = rows.index[(rows["side"] == "test") & (rows["label"] == "yes")][0]
    other = {"start": 5, "stop": 9000, "gain": 0.5, "peak": True, "target": 1, "speaker": "else"}
    rows.loc[where, column] = other.get(column, rows["path"][rows["word"] == "no"].iloc[0])
    one, two = (Clips(found, "test", MFCC, spoken.recordings, cache) for found in (task, replace(task, rows=rows)))
    assert one.fingerprint != two.fingerprint


def test_batches_of_clips_keep_memory_flat_and_change_nothing(spoken, tmp_path, monkeypatch):
    frontend = replace(RAGGED, normalise="speaker", stack=2)
    at_once = sides(spoken, tmp_path / "one", frontend)["train"]
    want = np.array(at_once.waveforms), np.array(at_once.features)
    seen = []
    write, frames = module.Sources.write, Frontend.frames_numpy

    def counted_write(self, waves, batch):
        seen.append(batch.stop - batch.start)
        return write(self, waves, batch)

    def counted_frames(self, waves, lengths=None):
        seen.append(len(waves))
        return frames(self, waves, lengths)

    monkeypatch.setattr(module, "BATCH", 7)
    monkeypatch.setattr(module.Sources, "write", counted_write)
    monkeypatch.setattr(Frontend, "frames_numpy", counted_frames)
    said = []
    task = spoken.task
    clips = Clips(
        task, "train", frontend, spoken.recordings, tmp_path / "two", progress=lambda *args: said.append(args)
    )
    assert np.array_equal(clips.waveforms, want[0]) and np.allclose(clips.features, want[1], atol=1e-4)
    n = len(clips)
    assert max(seen) == 7 and sum(seen) == 2 * n
    assert said[-1] == ("features, train", n, n, f"{n} of {n} clips") and said[0][0] == "waveforms, train"


# -- normalisation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frontend", [MFCC, RAGGED])
def test_global_moments_are_the_training_sides(spoken, cache, frontend):
    task = spoken.task
    found = sides(spoken, cache, replace(frontend, normalise="global"))
    train = own_frames(raw_features(found["train"], cache, task), found["train"].lengths)
    mean, deviation = train.mean(0), train.std(0)
    scaled = own_frames(found["train"].features, found["train"].lengths).astype(np.float64)
    assert np.abs(scaled.mean(0)).max() < 1e-4 and np.abs(scaled.std(0) - 1).max() < 1e-3
    for clips in found.values():
        raw = own_frames(raw_features(clips, cache, task), clips.lengths)
        assert np.allclose(own_frames(clips.features, clips.lengths), (raw - mean) / deviation, atol=2e-3)
    test = own_frames(found["test"].features, found["test"].lengths)
    assert np.abs(test.mean(0)).max() > 0.01  # it is not measured on itself


def test_other_test_clips_change_nothing_of_training_nor_how_a_test_clip_is_seen(spoken, tmp_path):
    frontend = replace(MFCC, normalise="global")
    task = spoken.task
    rows = task.rows.copy()
    held_out = rows["side"] != "train"
    louder = held_out & (np.arange(len(rows)) % 2 == 0)
    rows.loc[louder, "gain"] = 0.05
    one = sides(spoken, tmp_path / "one", frontend, task)
    two = sides(spoken, tmp_path / "two", frontend, replace(task, rows=rows))
    assert one["train"].fingerprint == two["train"].fingerprint
    assert np.array_equal(one["train"].features, two["train"].features)
    for side in SIDES[1:]:
        same = ~louder[rows["side"] == side].to_numpy()
        assert same.any() and not same.all()
        assert np.array_equal(one[side].features[same], two[side].features[same])
        assert not np.allclose(one[side].features[~same], two[side].features[~same], atol=0.1)


def test_other_training_clips_change_how_test_clips_are_seen(spoken, tmp_path):
    task = spoken.task
    rows = task.rows.copy()
    rows.loc[rows["side"] == "train", "gain"] = 0.05
    for how, same in (("global", False), ("utterance", True), ("speaker", True)):
        frontend = replace(MFCC, normalise=how)
        one, two = (sides(spoken, tmp_path, frontend, found)["test"] for found in (task, replace(task, rows=rows)))
        assert np.array_equal(one.features, two.features) == same == (one.fingerprint == two.fingerprint)


@pytest.mark.parametrize("frontend", [MFCC, RAGGED, replace(RAGGED, stack=3)])
@pytest.mark.parametrize("how", ["utterance", "speaker"])
def test_moments_of_an_utterance_and_of_a_speaker(spoken, cache, frontend, how):
    for clips in sides(spoken, cache, replace(frontend, normalise=how)).values():
        alone = 1000 + np.arange(len(clips))
        speakers = np.where(clips.speakers < 0, alone, clips.speakers)
        groups = alone if how == "utterance" else speakers
        assert len(np.unique(groups)) == (len(clips) if how == "utterance" else len(np.unique(speakers)))
        for group in np.unique(groups):
            own = groups == group
            frames = own_frames(clips.features[own], clips.lengths[own]).astype(np.float64)
            frames = frames.reshape(len(frames) * frontend.stack, -1)  # the frames that were stacked
            assert np.abs(frames.mean(0)).max() < 1e-3 and np.abs(frames.std(0) - 1).max() < 1e-2


@pytest.mark.parametrize("how", ["global", "utterance", "speaker", "sliding"])
def test_only_the_mean_is_normalised_where_it_is_said(spoken, cache, how):
    both = sides(spoken, cache, replace(RAGGED, normalise=how, sliding_frames=1000))
    mean = sides(spoken, cache, replace(RAGGED, normalise=how, sliding_frames=1000, variances=False))
    for clips in mean.values():
        raw = raw_features(clips, cache, spoken.task)
        moved = own_frames(raw, clips.lengths) - own_frames(clips.features, clips.lengths)
        scaled = own_frames(both[clips.side].features, both[clips.side].lengths)
        assert len(np.unique(np.round(moved, 2), axis=0)) <= len(clips)  # one shift a clip at most
        kept = own_frames(clips.features, clips.lengths)
        assert (np.sign(kept) == np.sign(scaled)).mean() > 0.999


def test_a_sliding_window_longer_than_a_clip_is_the_utterance(spoken, cache):
    one, other = (sides(spoken, cache, replace(RAGGED, normalise=how))["test"] for how in ("sliding", "utterance"))
    assert np.allclose(one.features, other.features, atol=1e-3)


@pytest.mark.parametrize("how", ["none", "global", "utterance", "speaker", "sliding"])
@pytest.mark.parametrize("frontend", [MFCC, replace(RAGGED, stack=2)])
def test_normalised_frames_are_spliced(spoken, cache, frontend, how):
    frontend = replace(frontend, normalise=how)
    plain, amid = (sides(spoken, cache, one)["test"] for one in (frontend, replace(frontend, splice=2)))
    assert amid.features.shape[2] == 5 * plain.features.shape[2] == amid.frontend.n_dims
    for clip, found, own in zip(plain.features, amid.features, plain.lengths, strict=True):
        wanted = [clip[np.clip(np.arange(own) + shift, 0, own - 1)] for shift in range(-2, 3)]
        assert np.array_equal(found[:own], np.concatenate(wanted, 1)) and not found[own:].any()


def test_other_frontends_of_the_same_clips_share_waveforms_and_measure_on_the_training_side(spoken, tmp_path):
    frontend = Frontend("kaldi_mfcc", rate=8000, normalise="global")
    test = sides(spoken, tmp_path, frontend)["test"]
    test.prepare(features=True)
    for warp in (0.9, 1.1):
        test.through(warp=warp).stacked()
    names = [name.split("-")[0] for name in folders(tmp_path)]
    assert (names.count("waves"), names.count("features")) == (2, 6)  # of two sides each
    wanted = sides(spoken, tmp_path, replace(frontend, warp=0.9))["test"]
    found = test.take(np.array([1, 0])).through(warp=0.9)
    assert np.array_equal(found.features, wanted.features[[1, 0]])
    assert found.fingerprint == wanted.take(np.array([1, 0])).fingerprint != test.fingerprint
    with pytest.raises(UserError, match="warp"):
        test.through(warp=3.0)


def test_the_same_clips_through_another_frontend(spoken, cache):
    for side in ("train", "test"):
        clips = sides(spoken, cache, replace(MFCC, normalise="global"))[side]
        wanted = sides(spoken, cache, replace(MFCC, normalise="global", deltas=2))[side]
        assert np.array_equal(clips.through(deltas=2).features, wanted.features)
        assert np.array_equal(clips.take(np.array([2, 0])).through(deltas=2).features, wanted.features[[2, 0]])
        assert clips.frontend.deltas == MFCC.deltas


# -- clips of their own length -----------------------------------------------------------------------------------------


def test_clips_of_their_own_length_are_zero_in_their_padding(spoken, cache):
    for how in ("none", "global", "utterance", "speaker"):
        clips = sides(spoken, cache, replace(RAGGED, normalise=how))["train"]
        assert len(set(clips.lengths.tolist())) > 3
        assert np.array_equal(clips.lengths, RAGGED.lengths(clips.wave_lengths))
        inside = np.arange(clips.features.shape[1]) < clips.lengths[:, None]
        assert not clips.features[~inside].any() and clips.features[inside].any(1).all()
        for wave, own in zip(clips.waveforms, clips.wave_lengths, strict=True):
            assert not wave[own:].any() and np.array_equal(wave[:own], trim(wave[:own], 8000, "none"))


def test_a_clip_of_its_own_length_is_seen_as_if_it_were_alone(spoken, cache):
    clips = sides(spoken, cache, RAGGED)["train"]
    for i in np.argsort(clips.lengths)[[0, len(clips) // 2]]:
        own = int(clips.wave_lengths[i])
        alone = replace(RAGGED, seconds=own / 8000).frames_numpy(clips.waveforms[i : i + 1, :own])[0]
        assert alone.shape[0] == clips.lengths[i]
        assert np.allclose(clips.features[i, : len(alone)], alone, atol=1e-3)


def test_stacked_is_all_own_frames_one_after_the_other(spoken, cache):
    for frontend in (MFCC, RAGGED):
        clips = sides(spoken, cache, frontend)["validation"]
        frames, lengths = clips.stacked()
        assert frames.dtype == np.float32 and frames.shape == (clips.lengths.sum(), frontend.n_dims)
        for clip, own in zip(np.split(frames, np.cumsum(lengths)[:-1]), range(len(clips)), strict=True):
            assert np.array_equal(clip, clips.features[own, : clips.lengths[own]])


# -- varied waveforms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["none", "global", "utterance", "speaker", "sliding"])
@pytest.mark.parametrize("frontend", [MFCC, replace(MFCC, stack=3, variances=False), RAGGED, SPLICED])
def test_frames_of_waveforms_as_they_are_are_the_features(spoken, cache, frontend, how):
    for side in ("train", "test"):
        clips = sides(spoken, cache, replace(frontend, normalise=how))[side]
        index = np.random.default_rng(0).permutation(len(clips))[:5]
        made = clips.frames(torch.tensor(clips.waveforms[index] / np.float32(32768)), index)
        assert torch.allclose(made, torch.tensor(clips.features[index]), atol=5e-3)


@pytest.mark.parametrize("fit", ["end", "none"])
def test_frames_of_the_waveform_itself_are_the_waveform(spoken, cache, fit):
    clips = sides(spoken, cache, Frontend("waveform", rate=8000, fit=fit, vad="energy", normalise="global"))["test"]
    waves = torch.tensor(clips.waveforms / np.float32(32768))
    assert torch.equal(clips.frames(waves, np.arange(len(clips))), waves[:, None, :])
    assert np.array_equal(clips.features[:, 0], clips.waveforms / np.float32(32768))
    assert clips.lengths.tolist() == [1] * len(clips)


def test_a_varied_clip_is_normalised_by_what_was_measured_on_the_clips_as_they_are(spoken, cache):
    for how in ("global", "speaker"):
        clips = sides(spoken, cache, replace(MFCC, normalise=how))["train"]
        index = np.flatnonzero(~clips.is_silence)[:4]
        waves = torch.tensor(clips.waveforms[index] / np.float32(32768))
        plain = torch.tensor(clips.features[index])
        louder = clips.frames(2 * waves, index)
        # twice as loud: the log energy of each frame grows by log 4 over its deviation
        shift = (louder - plain)[..., 0]
        assert (shift > 0.1).all() and (shift.std(1) < 1e-2).all()
    clips = sides(spoken, cache, replace(MFCC, normalise="utterance"))["train"]
    assert torch.allclose(clips.frames(2 * waves, index), torch.tensor(clips.features[index]), atol=1e-2)


# -- parts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["none", "global", "utterance", "speaker", "sliding"])
def test_a_part_is_its_rows_of_the_whole(spoken, cache, how, nothing_more):
    for side in ("train", "test"):
        whole = sides(spoken, cache, replace(RAGGED, normalise=how))[side]
        whole.prepare(features=True)
    nothing_more()
    index = np.unique(whole.speakers, return_index=True)[1][::-1]  # one of each of two speakers, and nobody's
    part = whole.take(index)
    assert len(part) == 3 and part.labels == whole.labels and part.side == "test"
    names = ("waveforms", "wave_lengths", "features", "lengths", "targets", "speakers", "is_silence")
    for name in names:
        assert np.array_equal(getattr(part, name), getattr(whole, name)[index]), name
    assert part.rows["clip"].tolist() == whole.rows["clip"][index].tolist()
    assert part.noise_waves is whole.noise_waves
    frames, lengths = part.stacked()
    assert len(frames) == whole.lengths[index].sum() == lengths.sum()
    made = part.frames(torch.tensor(part.waveforms[[2, 0]] / np.float32(32768)), np.array([2, 0]))
    assert torch.allclose(made, torch.tensor(part.features[[2, 0]]), atol=5e-3)
    again = part.take(np.array([False, True, True]))
    assert np.array_equal(again.features, whole.features[index[1:]])
    mask = whole.targets == 0
    assert np.array_equal(whole.take(mask).features, whole.features[mask])
    assert len({whole.fingerprint, part.fingerprint, again.fingerprint, whole.take(index[::-1]).fingerprint}) == 4
    assert whole.take(index).fingerprint == part.fingerprint
