"""Those that run beside the frontends do the same work, and everyone's speed is measured."""

import numpy as np
import pytest

from kwsbench.features import Frontend, bench


def test_kaldis_peer_computes_what_the_frontend_does(waves):
    pytest.importorskip("kaldi_native_fbank")
    frontend = bench.FRONTENDS[bench.RACE]
    want = bench.racers()["kaldi_native_fbank"](waves(), frontend)
    made = frontend.frames_numpy(waves())
    assert made.shape == want.shape
    assert np.abs(made - want)[:, 2:-2].max() < 2e-3  # at the ends it filters twice, ours repeats the first difference
    assert np.abs(made - want)[..., :26].max() < 2e-3


def test_every_peer_has_as_many_values_for_as_many_frames(waves):
    frontend = bench.FRONTENDS[bench.RACE]
    for peer in bench.racers().values():
        shape = peer(waves(), frontend).shape
        assert shape[0] == 3 and frontend.n_dims in shape[1:] and max(shape[1:]) >= 97


def test_the_race_is_of_clips_per_second(monkeypatch):
    monkeypatch.setattr(bench, "N_CLIPS", 4)
    monkeypatch.setitem(bench.FRONTENDS, bench.RACE, Frontend("kaldi_mfcc", seconds=0.1))
    pytest.importorskip("kaldi_native_fbank")
    monkeypatch.setattr(bench, "racers", lambda: {"kaldi_native_fbank": bench._knf_mfccs})
    (speed,) = bench.race(turns=1)
    assert speed.peer == "kaldi_native_fbank" and speed.ours > 0 and speed.peers > 0
    assert speed.ratio == pytest.approx(speed.ours / speed.peers)
