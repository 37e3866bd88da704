"""The embedded corpus: made twice it is the same, its sides share nothing, and damage is noticed."""

import hashlib
import shutil
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from kwsbench.audio import read_clip
from kwsbench.corpora import load_corpus, synthetic
from kwsbench.corpora.synthetic import COMMANDS, NOISE, Design, draw_speakers, placed
from kwsbench.errors import UserError
from kwsbench.noise import rms

SMALL = {"n_speakers": 10, "takes": 1, "n_others": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    corpus = load_corpus("synthetic", root, **SMALL)
    (folder,) = root.iterdir()
    return root, folder, corpus


def manifest(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "manifest.csv", keep_default_na=False, dtype={"speaker": str})


def test_what_it_is(made):
    _, _, corpus = made
    clips = corpus.clips
    assert corpus.synthetic and "synthetic speech" in corpus.notes[0]
    assert set(COMMANDS) <= set(clips["word"])
    assert clips.groupby("speaker").size().eq(11).all()
    assert clips.groupby("speaker")["side"].nunique().eq(1).all()
    assert set(clips["side"]) == {"train", "validation", "test"}
    assert len(corpus.noise) == 9


def test_every_clip_is_a_second_at_16_khz(made):
    for path in made[2].clips["path"][::7]:
        samples, rate = read_clip(path)
        assert (len(samples), rate) == (16000, 16000)
        assert 0.1 < np.abs(samples / 32768).max() < 0.75


def test_checksums_are_those_of_the_files(made):
    _, folder, _ = made
    for row in manifest(folder).itertuples():
        content = (folder / str(row.clip)).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.bytes, row.sha256)


def test_made_again_it_is_the_same(made, tmp_path):
    again = load_corpus("synthetic", tmp_path, **SMALL)
    assert again.fingerprint == made[2].fingerprint
    pd.testing.assert_frame_equal(manifest(next(tmp_path.iterdir())), manifest(made[1]))


def test_a_made_corpus_is_not_made_again(made, monkeypatch):
    monkeypatch.setattr(synthetic, "_make", lambda *_: pytest.fail("made again"))
    assert load_corpus("synthetic", made[0], **SMALL).fingerprint == made[2].fingerprint


def test_a_damaged_file_is_noticed(made, tmp_path):
    shutil.copytree(made[1], tmp_path / made[1].name)
    victim = tmp_path / made[1].name / made[2].clips["clip"].iloc[0]
    victim.write_bytes(victim.read_bytes()[:-10])
    with pytest.raises(UserError, match="is not as it was made"):
        load_corpus("synthetic", tmp_path, **SMALL)


def test_an_interrupted_making_leaves_nothing(tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_corpus("synthetic", tmp_path, progress=interrupt, **SMALL)
    assert not list(tmp_path.iterdir())


def test_no_voice_and_no_accent_is_on_two_sides():
    speakers = draw_speakers(Design(120, 2, 5, 5.0, 20.0, "espeak", 2017))
    assert len({speaker.name for speaker in speakers}) == len(speakers) == 120
    for one, other in combinations(("train", "validation", "test"), 2):
        for what in ("variant", "accent"):
            first, second = ({getattr(s.voice, what) for s in speakers if s.side == side} for side in (one, other))
            assert not first & second


@pytest.mark.parametrize("snr", [5.0, 20.0])
def test_the_word_stands_out_by_the_stated_ratio(snr):
    rng = np.random.default_rng(1)
    word = np.sin(2 * np.pi * 440 * np.arange(8000) / 16000).astype(np.float32)
    word /= rms(word)
    clip = placed(word, Design(10, 1, 0, snr, snr, "espeak", 1), rng).astype(np.float64)
    tone = np.exp(-2j * np.pi * 440 * np.arange(8000) / 16000)
    starts = range(0, 8001, 4)
    # the tone's own amplitude, at the place where it fits best, against what is left without it
    parts = [abs(np.mean(clip[s : s + 8000] * tone)) for s in starts]
    begin = starts[int(np.argmax(parts))]
    noise = np.concatenate([clip[: max(begin - 8, 0)], clip[begin + 8008 :]])
    signal = 2 * max(parts) / np.sqrt(2)
    assert 20 * np.log10(signal / rms(noise)) == pytest.approx(snr, abs=0.7)


def test_a_second_synthesiser_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="apt-get install flite"):
        load_corpus("synthetic", tmp_path, synthesiser="cross")


@pytest.mark.skipif(not shutil.which("flite"), reason="the second synthesiser, flite, is not installed")
def test_the_test_side_by_a_second_synthesiser(tmp_path):
    corpus = load_corpus("synthetic", tmp_path, synthesiser="cross", **SMALL)
    test = corpus.clips[corpus.clips["side"] == "test"]
    assert test["speaker"].nunique() == 4 and len(test) == 4 * 11
    assert "flite" in corpus.notes[0]
    assert len(read_clip(test["path"].iloc[0])[0]) == 16000


@pytest.mark.parametrize("settings", [{"n_speakers": 9}, {"takes": 0}, {"n_others": 21}])
def test_settings_of_which_nothing_can_be_made(tmp_path, settings):
    with pytest.raises(UserError, match="n_speakers: 10 or more"):
        load_corpus("synthetic", tmp_path, **settings)


def test_noise_is_held_out_by_side(made):
    rows = manifest(made[1])
    noise = rows[rows["word"] == NOISE]
    assert noise["side"].value_counts().to_dict() == {"train": 3, "validation": 3, "test": 3}
    assert noise["sha256"].nunique() == 9
