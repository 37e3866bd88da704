"""A corpus is decoded once: what is sound is there as it is read, what is not is there with a reason."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench import recordings
from kwsbench.audio import BadRecording, read_clip
from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.recordings import read_recordings

RNG = np.random.default_rng(0)
WAVES = {
    "a": (3000 * RNG.standard_normal(800)).astype(np.int16),
    "b": (900 * RNG.standard_normal(1234)).astype(np.int16),
}


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """Eight clips, four of them bad, and a noise recording."""
    root = tmp_path / "data"
    root.mkdir()
    soundfile.write(root / "good.wav", WAVES["a"], 16000)
    soundfile.write(root / "other.flac", WAVES["b"], 8000)
    soundfile.write(root / "twin.flac", WAVES["a"], 16000)
    soundfile.write(root / "slow.wav", WAVES["a"], 8000)
    soundfile.write(root / "nan.wav", np.array([0, np.nan]), 16000, subtype="FLOAT")
    (root / "empty.wav").touch()
    (root / "cut.wav").write_bytes((root / "good.wav").read_bytes()[:500])
    soundfile.write(root / "hum.wav", WAVES["b"], 16000)
    names = ["good.wav", "other.flac", "twin.flac", "slow.wav", "nan.wav", "empty.wav", "cut.wav", "absent.wav"]
    clips = pd.DataFrame({"clip": names, "path": [str(root / name) for name in names], "word": "yes", "speaker": "s"})
    return Corpus("toy", clips, noise=(root / "hum.wav",))


@pytest.fixture
def never(monkeypatch):
    """From now on nothing may be decoded."""
    return lambda: monkeypatch.setattr(recordings, "read_clip", lambda path: pytest.fail(f"{path} is decoded"))


def test_every_recording_has_a_row(corpus, tmp_path):
    table = read_recordings(corpus, tmp_path / "cache").table
    assert table.index.name == "clip" and list(table.index) == [*corpus.clips["clip"], "_noise_/hum.wav"]
    assert list(table["path"]) == [*corpus.clips["path"], str(corpus.noise[0])]
    assert list(table["n_samples"]) == [800, 1234, 800, 800, 0, 0, 0, 0, 1234]
    assert list(table["rate"]) == [16000, 8000, 16000, 8000, 0, 0, 0, 0, 16000]
    assert list(table["offset"]) == [0, 800, 2034, 2834, 3634, 3634, 3634, 3634, 3634]


def test_bad_ones_have_reasons(corpus, tmp_path):
    found = read_recordings(corpus, tmp_path / "cache")
    assert {clip: reason for clip, _, reason in found.bad} == {
        "nan.wav": "has samples that are no numbers (NaN or infinite)",
        "empty.wav": "is an empty file",
        "cut.wav": "is cut off: 500 of 1,644 bytes are there",
        "absent.wav": "is not there",
    }
    assert [path for _, path, _ in found.bad] == [corpus.clips["path"][i] for i in range(4, 8)]
    assert (found.table["error"] != "").sum() == 4 and (found.table["sha256"][found.table["error"] != ""] == "").all()
    with pytest.raises(BadRecording, match=r"cut\.wav: is cut off") as caught:
        found.samples("cut.wav")
    assert caught.value.path.endswith("/data/cut.wav")


def test_samples_are_what_is_read(corpus, tmp_path):
    found = read_recordings(corpus, tmp_path / "cache")
    for clip in ("good.wav", "other.flac", "twin.flac", "slow.wav", "_noise_/hum.wav"):
        samples, rate = read_clip(found.table["path"][clip])
        assert found.samples(clip).dtype == np.int16
        assert np.array_equal(found.samples(clip), samples) and found.table["rate"][clip] == rate
    assert isinstance(found.all_samples(), np.memmap) and len(found.all_samples()) == 3634 + 1234


def test_a_hash_is_of_samples_and_rate_not_of_names_or_formats(corpus, tmp_path):
    hashes = read_recordings(corpus, tmp_path / "cache").table["sha256"]
    assert hashes["good.wav"] == hashes["twin.flac"] and len(hashes["good.wav"]) == 64
    assert hashes["slow.wav"] != hashes["good.wav"]  # the same samples, an octave down
    assert hashes["other.flac"] != hashes["_noise_/hum.wav"]


def test_the_cache_is_used_again(corpus, tmp_path, never):
    first = read_recordings(corpus, tmp_path / "cache")
    never()
    again = read_recordings(corpus, tmp_path / "cache")
    assert again.folder == first.folder and again.fingerprint == first.fingerprint
    pd.testing.assert_frame_equal(again.table, first.table)
    assert np.array_equal(again.samples("good.wav"), WAVES["a"])


@pytest.mark.parametrize("change", ["touched", "shorter", "mended", "gone", "another word"])
def test_a_changed_corpus_makes_a_new_cache(corpus, tmp_path, change):
    first = read_recordings(corpus, tmp_path / "cache")
    root = tmp_path / "data"
    if change == "touched":
        os.utime(root / "good.wav", ns=(1, 1))
    elif change == "shorter":
        soundfile.write(root / "good.wav", WAVES["a"][:700], 16000)
    elif change == "mended":
        soundfile.write(root / "absent.wav", WAVES["b"], 16000)
    elif change == "gone":
        (root / "good.wav").unlink()
    else:
        corpus = replace(corpus, clips=corpus.clips.assign(word="no"))
    second = read_recordings(corpus, tmp_path / "cache")
    assert second.folder != first.folder and second.folder.parent == first.folder.parent
    assert len(second.bad) == {"mended": 3, "gone": 5}.get(change, 4)
    assert (second.fingerprint == first.fingerprint) == (change in ("touched", "another word"))
    assert np.array_equal(first.samples("good.wav"), WAVES["a"])  # the old one is as it was


def test_a_fingerprint_is_not_of_where_files_lie(corpus, tmp_path):
    first = read_recordings(corpus, tmp_path / "cache")
    (tmp_path / "data").rename(tmp_path / "moved")
    clips = corpus.clips.assign(path=str(tmp_path / "moved") + "/" + corpus.clips["clip"])
    moved = replace(corpus, clips=clips, noise=(tmp_path / "moved" / "hum.wav",))
    assert read_recordings(moved, tmp_path / "cache").fingerprint == first.fingerprint


def test_two_noise_recordings_of_one_name_are_refused(corpus, tmp_path):
    (tmp_path / "data" / "more").mkdir()
    two = replace(corpus, noise=(*corpus.noise, tmp_path / "data" / "more" / "hum.wav"))
    with pytest.raises(UserError, match=r"two noise recordings are named hum\.wav"):
        read_recordings(two, tmp_path / "cache")


@pytest.mark.parametrize("keep", [0, 1])
def test_a_corpus_without_sound_recordings_is_an_empty_table(corpus, tmp_path, keep):
    clips = corpus.clips[corpus.clips["clip"] == "empty.wav"].iloc[:keep].reset_index(drop=True)
    found = read_recordings(replace(corpus, clips=clips, noise=()), tmp_path / "cache", workers=2)
    assert len(found.table) == len(found.bad) == keep and found.all_samples().shape == (0,)


def test_workers_and_batches_make_no_difference(corpus, tmp_path, monkeypatch):
    one = read_recordings(corpus, tmp_path / "one", workers=1)
    monkeypatch.setattr(recordings, "BATCH", 5)
    two = read_recordings(corpus, tmp_path / "two", workers=2)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert np.array_equal(one.all_samples(), two.all_samples())


def test_progress_counts_files_and_bad_ones(corpus, tmp_path):
    said = []
    read_recordings(corpus, tmp_path / "cache", progress=lambda *args: said.append(args), workers=1)
    assert [done for _, done, _, _ in said] == list(range(1, 10)) and {total for _, _, total, _ in said} == {9}
    assert said[-1] == ("reading recordings", 9, 9, "9 of 9 files, 4 cannot be used")
