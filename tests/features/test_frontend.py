"""Settings of a frontend: sizes counted by hand, lengths that are what comes out, mistakes that are named."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.errors import UserError
from kwsbench.features import Frontend

KINDS = ("waveform", "log_spectrogram", "log_mel", "mfcc", "kaldi_mfcc", "plp")
FRAMED = KINDS[1:]

# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frontend", "frames", "dims"),
    [
        (Frontend("log_spectrogram", rate=8000, window_ms=20), 99, 81),
        (Frontend("log_spectrogram", rate=16000, window_ms=20), 99, 161),
        (Frontend("log_spectrogram", n_fft=512), 98, 257),
        (Frontend("log_mel"), 98, 40),
        (Frontend("mfcc"), 98, 13),
        (Frontend("mfcc", last_frame="pad", deltas=2), 99, 39),
        (Frontend("mfcc", deltas=1, stack=3), 32, 78),
        (Frontend("plp", n_cepstra=9, rate=8000), 98, 9),
        (Frontend("log_mel", seconds=0.025), 1, 40),
        (Frontend("log_mel", seconds=0.01, last_frame="pad"), 1, 40),
        (Frontend("waveform", rate=4000, seconds=0.5), 1, 2000),
        (Frontend("kaldi_mfcc", deltas=2), 98, 39),
    ],
)
def test_sizes_counted_by_hand(frontend, frames, dims):
    assert (frontend.n_frames, frontend.n_dims) == (frames, dims)
    spliced = replace(frontend, splice=0 if frontend.kind == "waveform" else 3)
    assert spliced.n_single == dims and spliced.n_dims == (dims if frontend.kind == "waveform" else 7 * dims)
    waves = np.random.default_rng(0).integers(-3000, 3000, (2, frontend.n_samples)).astype(np.int16)
    made = frontend.frames_numpy(waves)
    assert made.shape == (2, frames, dims) and made.dtype == np.float32 and np.isfinite(made).all()


def test_points_and_bands_by_kind():
    assert [Frontend(kind, rate=16000).fft_points for kind in FRAMED] == [400, 512, 512, 512, 512]
    assert [Frontend(kind, rate=8000).fft_points for kind in FRAMED] == [200, 256, 256, 256, 256]
    assert [Frontend(kind).bands for kind in FRAMED] == [0, 40, 26, 23, 21]
    assert Frontend("plp", rate=8000).bands == 17 and Frontend("mfcc", n_filters=30).bands == 30
    assert [Frontend(kind).bottom_hz for kind in FRAMED] == [0, 0, 0, 20, 0]
    assert Frontend("kaldi_mfcc").low_hz == 0 and Frontend("kaldi_mfcc", low_hz=64.0).bottom_hz == 64
    # halves of samples go up: 20.5 · 11.025 = 226.01, 7.5 · 11.025 = 82.7, 0.5 up
    odd = Frontend("mfcc", rate=11025, window_ms=20.5, step_ms=7.5)
    assert (odd.window_samples, odd.step) == (226, 83)
    assert Frontend("mfcc", rate=1000, window_ms=20.5, n_filters=13).window_samples == 21


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(FRAMED),
    st.sampled_from([8000, 11025, 16000]),
    st.sampled_from([16.0, 20.0, 25.0, 32.5]),
    st.sampled_from([7.5, 10.0, 40.0]),
    st.sampled_from(["drop", "pad"]),
    st.integers(1, 4),
    st.integers(0, 2),
    st.floats(0.3, 0.6),
)
def test_sizes_are_those_that_come_out(kind, rate, window_ms, step_ms, last_frame, stack, deltas, seconds):
    frontend = Frontend(
        kind,
        rate=rate,
        seconds=seconds,
        window_ms=window_ms,
        step_ms=step_ms,
        last_frame="drop" if kind == "kaldi_mfcc" else last_frame,
        stack=stack,
        deltas=deltas,
    )
    made = frontend.frames(torch.zeros(1, frontend.n_samples))
    assert made.shape == (1, frontend.n_frames, frontend.n_dims)
    lengths = frontend.lengths(np.array([0, frontend.n_samples // 2, frontend.n_samples]))
    assert lengths.dtype == np.int64 and lengths[-1] == frontend.n_frames and 1 <= lengths[0] <= lengths[1]


def test_lengths_counted_by_hand():
    samples = np.array([16000, 400, 399, 0, 560, 559, 20000])
    assert Frontend("mfcc").lengths(samples).tolist() == [98, 1, 1, 1, 2, 1, 98]
    assert Frontend("mfcc", last_frame="pad").lengths(samples).tolist() == [99, 1, 1, 1, 2, 2, 99]
    assert Frontend("mfcc", stack=2).lengths(np.array([16000, 400, 720, 880])).tolist() == [49, 1, 1, 2]
    assert Frontend("waveform").lengths(samples).tolist() == [1] * 7


# -- frames ------------------------------------------------------------------------------------------------------------


def test_the_waveform_is_itself(waves):
    made = Frontend("waveform", seconds=1.0).frames_numpy(waves())
    assert made.shape == (3, 1, 16000) and np.array_equal(made[:, 0] * 32768, waves().astype(np.float32))


@pytest.mark.parametrize("kind", FRAMED)
def test_frames_of_tensors_and_of_int16_are_the_same(waves, kind):
    frontend = Frontend(kind, deltas=1)
    made = frontend.frames(torch.from_numpy(waves().astype(np.float32) / 32768))
    assert torch.allclose(made, torch.from_numpy(frontend.frames_numpy(waves())), atol=1e-4)


@pytest.mark.parametrize("kind", FRAMED)
def test_static_differences_and_stacks_are_in_order(waves, kind):
    static = Frontend(kind).frames_numpy(waves())
    both = Frontend(kind, deltas=2).frames_numpy(waves())
    n = static.shape[2]
    assert np.array_equal(both[..., :n], static)
    pairs = Frontend(kind, deltas=2, stack=2).frames_numpy(waves())
    assert np.array_equal(pairs, both.reshape(3, 49, 6 * n))


@pytest.mark.parametrize("kind", FRAMED)
def test_units_change_a_log_power_by_a_constant(waves, kind):
    whole = Frontend(kind, scale="int16", eps=1e-30).frames_numpy(waves())
    unit = Frontend(kind, scale="unit", eps=1e-30).frames_numpy(waves())
    shift = whole - unit
    by_hand = 2 * np.log(32768)  # log power of each bin or band, or of the frame, where the energy comes first
    if kind in ("log_spectrogram", "log_mel"):
        assert np.abs(shift - by_hand).max() < 0.02
    else:
        assert np.abs(shift[..., 0] - by_hand).max() < 1e-3 and np.abs(shift[..., 1:]).max() < 0.05


@pytest.mark.parametrize("kind", FRAMED)
def test_differences_do_not_look_into_a_clips_padding(waves, kind):
    frontend = Frontend(kind, deltas=2, stack=2)
    x = waves()
    lengths = np.array([49, 20, 3])
    made = frontend.frames_numpy(x, lengths)
    short = replace(frontend, seconds=(39 * 160 + 400) / 16000)
    own = short.frames_numpy(x[1:2, : short.n_samples])
    assert own.shape[1] == 20
    assert np.allclose(made[1, :20], own[0], atol=1e-3)


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"kind": "mfc"},
            "kind is mfc\n  → did you mean mfcc? give one of waveform, log_spectrogram, log_mel, mfcc, kaldi_mfcc, plp",
        ),
        ({"fit": "centre"}, "fit is centre\n  → did you mean center?"),
        ({"window": "hanning"}, "did you mean hann?"),
        ({"normalise": "globally"}, "did you mean global?"),
        ({"resample": "poly"}, "did you mean polyphase?"),
        ({"last_frame": "keep"}, "give one of drop, pad"),
        ({"scale": "float"}, "give one of int16, unit"),
        ({"vad": "energetic"}, "did you mean energy?"),
        ({"deltas": 3}, "deltas is 3\n  → give one of 0, 1, 2"),
        ({"vad": "webrtc", "rate": 11025}, "a rate of (8000, 16000, 32000, 48000)"),
        ({"rate": 500}, "give 1000 or more"),
        ({"seconds": 0.0}, "give more than 0"),
        ({"seconds": -1.0}, "give more than 0"),
        ({"step_ms": 0.0}, "give a sample or more"),
        ({"window_ms": 0.05}, "give two samples or more"),
        ({"n_fft": 128}, "give 0, or the window's samples or more"),
        ({"low_hz": -1.0}, "give from 0 to below 8000"),
        ({"low_hz": 4000.0, "high_hz": 4000.0}, "give from 0 to below 4000"),
        ({"high_hz": 9000.0}, "give at most 8000, half the rate"),
        ({"n_filters": -1}, "give 0, or 1 or more"),
        ({"kind": "plp", "n_filters": 2, "n_cepstra": 2}, "give 0, or 3 or more"),
        ({"kind": "mfcc", "n_cepstra": 27}, "give from 1 to 26"),
        ({"kind": "plp", "n_cepstra": 0}, "give from 1 to 21"),
        ({"lifter": -1}, "give 0 or more"),
        ({"stack": 0}, "give 1 or more"),
        ({"splice": -1}, "splice is -1\n  → give 0 or more"),
        ({"kind": "waveform", "splice": 2}, "splice is 2\n  → give 0 for waveforms"),
        ({"margin_s": -0.1}, "give from 0 to below 1, or nothing else fits"),
        ({"margin_s": 1.0}, "margin_s is 1.0\n  → give from 0 to below 1"),
        ({"margin_level": -1.0}, "margin_level is -1.0"),
        ({"dither": -1.0}, "dither is -1.0"),
        ({"sliding_frames": 0}, "sliding_frames is 0\n  → give 1 or more"),
        ({"normalise": "slide"}, "did you mean sliding?"),
        ({"warp": 1.1}, "warp is 1.1\n  → give 1, or from 0.7 to 1.4 for kaldi_mfcc"),
        ({"kind": "kaldi_mfcc", "last_frame": "pad"}, "last_frame is pad\n  → give drop, as Kaldi does"),
        ({"kind": "kaldi_mfcc", "high_hz": 15.0}, "low_hz is 0.0\n  → give from 0 to below 15"),
        ({"kind": "kaldi_mfcc", "n_cepstra": 24}, "give from 1 to 23"),
        ({"eps": 0.0}, "give more than 0"),
        ({"seconds": 0.02}, "0.02 s hold no 1 frames of 25.0 ms every 10.0 ms\n  → make seconds longer"),
        ({"stack": 99}, "1.0 s hold no 99 frames of 25.0 ms every 10.0 ms"),
    ],
)
def test_a_setting_that_makes_no_sense_is_the_users_mistake(settings, said):
    with pytest.raises(UserError) as caught:
        Frontend(**{"kind": "log_mel", **settings})
    assert said in str(caught.value) and caught.value.where == "frontend"


def test_least_sizes_work():
    for frontend in (
        Frontend("plp", n_filters=3, n_cepstra=3),
        Frontend("plp", n_cepstra=1),
        Frontend("mfcc", n_filters=1, n_cepstra=1),
        Frontend("log_mel", n_filters=1),
        Frontend("log_spectrogram", window_ms=0.125, step_ms=0.0625, seconds=0.01),
        Frontend("mfcc", stack=98),
    ):
        waves = np.random.default_rng(0).integers(-3000, 3000, (1, frontend.n_samples)).astype(np.int16)
        made = frontend.frames_numpy(waves)
        assert made.shape == (1, frontend.n_frames, frontend.n_dims) and np.isfinite(made).all()


def test_every_setting_is_explained():
    text = Frontend.__doc__ or ""
    assert all(f"{field.name}" in text for field in fields(Frontend))
