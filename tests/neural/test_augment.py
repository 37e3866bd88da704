"""Shift, noise and gain: what they do to a wave, and that a clip's fate hangs on seed, epoch and place alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.errors import UserError
from kwsbench.neural import device
from kwsbench.neural.augment import (
    CURVE_POINTS,
    Augmentation,
    Augmenter,
    as_decoys,
    filtered,
    masked,
    played,
    shifted,
    with_noise,
)
from kwsbench.neural.batches import Batches
from kwsbench.neural.varied_cpu import varied_on_cpu

OFF = Augmentation(shift_ms=0, noise_share=0, gain_db=0)


def augmenter(n=50, n_samples=400, recordings=(), seed=3, **what):
    chosen = Augmentation(**{"shift_ms": 0, "noise_share": 0, "gain_db": 0, **what})
    return Augmenter(chosen, n, n_samples, 1000, list(recordings), seed, "cpu")


def varied(augmenter, waves, epoch=0):
    n = len(waves)
    lengths = torch.full((n,), waves.shape[1])
    return augmenter.apply(waves, lengths, augmenter.draw(epoch), np.arange(n))


@given(st.integers(-5, 5), st.integers(1, 9))
def test_a_shift_moves_samples_and_zeros_come_in(by, n):
    wave = torch.arange(1.0, n + 1)
    moved = shifted(wave[None], torch.tensor([by]), 5)[0]
    for i in range(n):
        assert moved[i] == (wave[i - by] if 0 <= i - by < n else 0)


@settings(max_examples=30)
@given(st.floats(-10, 40), st.integers(100, 400))
def test_the_ratio_of_clip_to_noise_is_as_drawn(snr, length):
    rng = np.random.default_rng(length)
    waves = torch.zeros(1, 400)
    waves[0, 400 - length :] = torch.from_numpy(rng.standard_normal(length)).float()  # padded, the padding has no power
    noise = torch.from_numpy(30 * rng.standard_normal((1, 400))).float()
    added = with_noise(waves, noise, torch.tensor([snr]), torch.tensor([length])) - waves
    ratio = waves.square().sum() / length / added.square().mean()
    assert 10 * np.log10(ratio.item()) == pytest.approx(snr, abs=0.02)


def test_zeros_stay_zeros():
    waves = torch.zeros(20, 400)
    assert not varied(augmenter(shift_ms=50, noise_share=1, gain_db=6), waves).any()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 2, 7, 64, 401]),
    st.sampled_from([0.0, 3.0, 900.0]),
    st.sampled_from([0.0, 0.2, 0.9]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 6.0]),
    st.sampled_from([1, 2, 3]),
)
def test_clip_by_clip_is_what_stages_of_tensors_are(n_samples, shift_ms, speed, decoy_share, gain_db, threads):
    """Clips shorter than their shift, gains that clip, and any number of threads."""
    rng, n = np.random.default_rng(n_samples), 30
    rows = rng.integers(-32768, 32768, (n, n_samples)).astype(np.int16)
    lengths = rng.integers(0, n_samples + 1, n)
    rows[3] = 0
    chosen = Augmentation(shift_ms, 0.5, gain_db=gain_db, speed=speed, decoy_share=decoy_share)
    recording = rng.integers(-9000, 9000, 2000).astype(np.int16)
    words, targets = np.arange(n) % 4 > 0, np.arange(n) % 5
    made = Augmenter(chosen, n, n_samples, 1000, [recording], 3, "cpu", words=words, targets=targets)
    draws, index = made.draw(0), rng.permutation(n)[:11]
    waves, others = (torch.from_numpy(rows[which]).float() / 32768 for which in (index, draws.partner[index]))
    waves = as_decoys(waves, others, torch.from_numpy(draws.decoy[index]))
    staged = made.apply(waves, torch.from_numpy(lengths[index]), draws, index)
    with device.threads(threads):
        found = varied_on_cpu(rows, lengths, made.bank.numpy(), draws, index, bool(speed))
    torch.testing.assert_close(found, staged, rtol=1e-5, atol=1e-5)


def test_gain_is_within_its_range_and_even_in_decibels():
    waves = torch.full((2000, 4), 0.1)
    gains = 20 * np.log10(varied(augmenter(2000, 4, gain_db=6), waves)[:, 0].numpy() / 0.1)
    assert gains.min() >= -6.001 and gains.max() <= 6.001
    assert abs(gains.mean()) < 0.3 and gains.std() == pytest.approx(12 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize("n", [1000, 999, 64])
def test_a_flat_filter_is_a_gain(n):
    waves = 0.2 * torch.from_numpy(np.random.default_rng(n).standard_normal((2, n))).float().clamp(-1, 1)
    curves = torch.tensor([[0.0], [-6.0]]).expand(2, CURVE_POINTS)
    expected = waves * torch.tensor([[1.0], [10 ** (-6 / 20)]])
    torch.testing.assert_close(filtered(waves, curves, 1000), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("hertz", [100.0, 1000.0, 3500.0, 8000.0 - 20])
def test_a_tone_has_the_gain_that_its_place_in_mel_says(hertz):
    rate, n = 16000, 1600
    tone = 0.1 * torch.cos(2 * np.pi * hertz * torch.arange(n) / rate + 0.3)[None]  # whole periods: no edges
    curve = torch.linspace(-12, 12, CURVE_POINTS)[None]
    expected = np.interp(np.log1p(hertz / 700) / np.log1p(rate / 2 / 700), [0, 1], [-12, 12])
    ratio = filtered(tone, curve, rate).square().mean() / tone.square().mean()
    assert 10 * np.log10(ratio.item()) == pytest.approx(expected, abs=0.01)


def test_filters_are_lines_through_three_to_five_bands_within_their_range():
    curves = augmenter(3000, filter_db=6.0).draw(0).curves
    assert curves.shape == (3000, CURVE_POINTS) and np.abs(curves).max() <= 6.0
    for end in (curves[:, 0], curves[:, -1]):  # ends are gains as drawn: even in decibels
        assert abs(end.mean()) < 0.3 and end.std() == pytest.approx(12 / np.sqrt(12), rel=0.05)
    bends = (np.abs(np.diff(curves, 2)) > 1e-4).sum(1)  # an edge between two points bends the line at both
    assert 2 <= np.median(bends) <= 8 and bends.max() <= 2 * 4


def test_without_filters_draws_are_what_they_were_and_with_them_a_clip_keeps_its_own():
    plain, colored = augmenter(shift_ms=50, speed=0.1), augmenter(shift_ms=50, speed=0.1, filter_db=6.0)
    before, after = plain.draw(2), colored.draw(2)
    assert before.curves.shape == (50, 0)
    for name in ("shift", "mixed", "start", "snr_db", "gain_db", "rate", "decoy", "partner"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    waves = 0.1 * torch.ones(50, 400)
    assert plain.color(waves, before, np.arange(50)) is waves
    whole = colored.color(waves, after, np.arange(50))
    some = colored.color(waves[[7, 3]], after, np.array([7, 3]))
    torch.testing.assert_close(some, whole[[7, 3]], rtol=0, atol=1e-7)


def test_shifts_reach_their_range():
    shifts = augmenter(5000, shift_ms=10).draw(0).shift  # 10 samples at 1 kHz
    assert set(shifts) == set(range(-10, 11))


def test_half_of_the_noise_is_recorded_and_short_recordings_repeat():
    short, long = np.full(30, 7, np.int16), np.full(5000, 9, np.int16)
    made = augmenter(4000, recordings=[short, long, np.zeros(500, np.int16)], noise_share=0.5)
    draws = made.draw(0)
    stretches = made.bank.unfold(0, 400, 1)[torch.from_numpy(draws.start)]
    kinds = [int((stretches == value).all(1).sum()) for value in (7, 9)]
    assert kinds[0] == pytest.approx(1000, rel=0.15) and kinds[1] == pytest.approx(1000, rel=0.15)
    ends = np.append(made.begins[1:], len(made.bank))
    source = np.searchsorted(made.begins, draws.start, side="right") - 1
    assert (draws.start + 400 <= ends[source]).all()  # no stretch spans two sources
    assert set(np.bincount(source, minlength=7)[2:] > 250) == {True}  # and each of five colours has its tenth
    assert draws.mixed.mean() == pytest.approx(0.5, abs=0.04)


def test_coloured_noise_serves_where_nothing_was_recorded():
    wave = 0.1 * torch.sin(torch.arange(400.0)).repeat(60, 1)
    added = varied(augmenter(60, noise_share=1, snr_low_db=10, snr_high_db=10), wave) - wave
    ratio = wave.square().mean(1) / added.square().mean(1)
    np.testing.assert_allclose(10 * np.log10(ratio.numpy()), 10, atol=0.05)
    assert len(torch.unique(added[:, 0])) == 60


def test_a_clips_fate_does_not_hang_on_its_batch(side):
    clips = side(30, noise=2)
    batches = Batches(clips, "waveform", "cpu", Augmentation(shift_ms=20), seed=5)
    whole, _ = batches.take(np.arange(30), epoch=4)
    again = Batches(clips, "waveform", "cpu", Augmentation(shift_ms=20), seed=5)
    for index in ([7], [29, 3, 11]):
        part, targets = again.take(np.array(index), epoch=4)
        torch.testing.assert_close(part, whole[index], rtol=0, atol=1e-6)
        assert targets.tolist() == clips.targets[index].tolist()
    assert not torch.equal(again.take(np.arange(30), epoch=5)[0], whole)
    other = Batches(clips, "waveform", "cpu", Augmentation(shift_ms=20), seed=6)
    assert not torch.equal(other.take(np.arange(30), epoch=4)[0], whole)


def test_features_of_varied_waves_are_the_cached_ones_where_nothing_varies(side):
    """A gain of almost nothing goes the way through waveforms and frames on the device."""
    clips = side(12)
    ready, _ = Batches(clips, "features", "cpu", OFF).take(np.arange(12))
    made, _ = Batches(clips, "features", "cpu", Augmentation(0, 0, 0, 0, gain_db=1e-7)).take(np.arange(12))
    torch.testing.assert_close(made, ready, rtol=1e-5, atol=1e-5)


def test_rows_too_many_for_memory_are_read_from_disk(side, monkeypatch):
    from kwsbench.neural import batches

    clips = side(12)
    index = np.array([3, 1])
    resident, _ = Batches(clips, "waveform", "cpu").take(index)
    varied, _ = Batches(clips, "waveform", "cpu", Augmentation(speed=0.1)).take(index)
    monkeypatch.setattr(batches, "free_bytes", lambda device: 10)
    streamed = Batches(clips, "waveform", "cpu")
    assert not streamed.rows.resident
    torch.testing.assert_close(streamed.take(index)[0], resident, rtol=0, atol=0)
    again, _ = Batches(clips, "waveform", "cpu", Augmentation(speed=0.1)).take(index)
    torch.testing.assert_close(again, varied, rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [{"shift_ms": -1}, {"noise_share": 1.5}, {"snr_low_db": 40}, {"gain_db": -3}])
def test_mistakes_are_named(wrong):
    name = {"snr_low_db": "snr_high_db"}.get(next(iter(wrong)), next(iter(wrong)))
    with pytest.raises(UserError, match=name):
        Augmentation(**wrong)


# -- speed, decoys, masks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_a_tone_played_faster_is_higher(rate):
    time = np.arange(4000) / 1000
    wave = torch.from_numpy(np.sin(2 * np.pi * 20 * time)).float()[None]
    spectrum = np.abs(np.fft.rfft(played(wave, torch.tensor([rate]))[0].numpy() * np.hanning(4000)))
    assert spectrum.argmax() / 4 == pytest.approx(20 * rate, abs=0.3)


def test_a_clip_at_its_own_rate_is_itself_and_a_fast_one_has_zeros_at_its_ends():
    wave = torch.arange(1.0, 10.0)[None]
    assert torch.equal(played(wave, torch.ones(1)), wave)
    assert played(wave, torch.tensor([2.0]))[0].tolist() == [0, 0, 1, 3, 5, 7, 9, 0, 0]
    assert played(wave, torch.tensor([0.5]))[0].tolist() == [3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7]


def test_decoys_by_hand():
    waves, others = torch.tensor([[1.0, 2, 3, 4]] * 3), torch.tensor([[5.0, 6, 7, 8]] * 3)
    made = as_decoys(waves, others, torch.tensor([0, 1, 2]))
    assert made.tolist() == [[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 7, 8]]


def test_decoys_are_of_words_and_joined_with_other_words():
    n, rng = 6000, np.random.default_rng(0)
    targets = rng.integers(0, 4, n)
    words = targets < 3
    settings = Augmentation(shift_ms=0, noise_share=0, gain_db=0, decoy_share=0.4)
    draws = Augmenter(settings, n, 10, 1000, [], 1, "cpu", words=words, targets=targets).draw(0)
    assert not draws.decoy[~words].any()
    assert (draws.decoy[words] > 0).mean() == pytest.approx(0.4, abs=0.03)
    joined = draws.decoy == 2
    assert joined.sum() > 400 and (targets[draws.partner[joined]] != targets[joined]).all()
    assert words[draws.partner[joined]].all()


@pytest.mark.parametrize(("decoys", "least_reversed", "least_joined"), [("reversed", 1.0, 0.0), ("joined", 0.0, 0.7)])
def test_decoys_are_of_one_kind(decoys, least_reversed, least_joined):
    n, rng = 4000, np.random.default_rng(0)
    targets = rng.integers(0, 4, n)
    made = {}
    for kind in ("both", decoys):
        settings = Augmentation(shift_ms=0, noise_share=0, gain_db=0, decoy_share=0.4, decoys=kind)
        made[kind] = Augmenter(settings, n, 10, 1000, [], 1, "cpu", words=targets < 4, targets=targets).draw(0)
    chosen = made[decoys].decoy
    assert np.array_equal(chosen > 0, made["both"].decoy > 0)
    assert np.mean(chosen[chosen > 0] == 1) >= least_reversed and np.mean(chosen[chosen > 0] == 2) >= least_joined
    joined = chosen == 2
    assert (targets[made[decoys].partner[joined]] != targets[joined]).all()


def test_decoys_become_unknown(side):
    clips = side(30)
    with pytest.raises(UserError, match="decoy_share is 1"):
        Batches(clips, "waveform", "cpu", Augmentation(decoy_share=1.0))
    object.__setattr__(clips, "labels", ("low", "high", "unknown"))
    quiet = Augmentation(shift_ms=0, noise_share=0, gain_db=0, decoy_share=1.0)
    waves, targets = Batches(clips, "waveform", "cpu", quiet).take(np.arange(30))
    assert (targets == 2).all()
    plain, _ = Batches(clips, "waveform", "cpu").take(np.arange(30))
    unknown = clips.targets == 2  # these are what they were
    assert torch.equal(waves[unknown], plain[unknown]) and not torch.equal(waves[~unknown], plain[~unknown])


def test_decoys_count_where_they_are_expected(side):
    clips = side(300)
    object.__setattr__(clips, "labels", ("low", "high", "unknown"))
    varied = Batches(clips, "waveform", "cpu", Augmentation(shift_ms=0, noise_share=0, gain_db=0, decoy_share=0.3))
    expected = varied.expected_counts()
    plain = Batches(clips, "waveform", "cpu").expected_counts()
    assert plain.tolist() == np.bincount(clips.targets, minlength=3).tolist()
    assert expected[:2].tolist() == pytest.approx((0.7 * plain[:2]).tolist())
    heard = [torch.bincount(varied.take(np.arange(300), epoch)[1], minlength=3) for epoch in range(20)]
    assert torch.stack(heard).double().mean(0).tolist() == pytest.approx(expected.tolist(), rel=0.06)


def test_masks_are_within_their_widths_and_hide_with_the_mean():
    settings = Augmentation(time_masks=1, time_mask=5, band_masks=1, band_mask=3)
    frames = torch.randn(400, 20, 10, generator=torch.Generator().manual_seed(0))
    masks = torch.rand(400, 2, 2, generator=torch.Generator().manual_seed(1))
    found = masked(frames, masks, settings)
    hidden = found != frames
    assert torch.equal(found[hidden], frames.mean((1, 2))[:, None, None].expand_as(frames)[hidden])
    rows, columns = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert set(rows.tolist()) == set(range(6)) and set(columns.tolist()) == set(range(4))
    assert hidden.all(2).any(0).all() and hidden.all(1).any(0).all()  # any place may be hidden


def test_masks_alone_leave_frames_in_the_cache(side):
    settings = Augmentation(shift_ms=0, noise_share=0, gain_db=0, time_masks=2, time_mask=4)
    batches = Batches(side(9), "features", "cpu", settings)
    frames, _ = batches.take(np.arange(9))
    assert batches.rows.array.dtype == np.float32
    assert (frames != Batches(side(9), "features", "cpu").take(np.arange(9))[0]).any()
    with pytest.raises(UserError, match="masks are for frames"):
        Batches(side(9), "waveform", "cpu", settings)
