"""MFCC against python_speech_features, PLP against Hermansky's equations in plain numpy, all-pole cepstra by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import linalg, signal

from kwsbench.errors import UserError
from kwsbench.features import Frontend
from kwsbench.features.cepstral import (
    bark_bank,
    cepstra_of_model,
    dct_matrix,
    equal_loudness,
    kaldi_bank,
    levinson_durbin,
    preemphasised,
    warped_hz,
)

PSF = {"window": "hamming", "last_frame": "pad"}


def psf_mfcc(wave: np.ndarray, frontend: Frontend) -> np.ndarray:
    """The reference, one clip at a time, with its differences."""
    psf = pytest.importorskip("python_speech_features")
    parts = [
        psf.mfcc(
            wave,
            frontend.rate,
            nfft=frontend.fft_points,
            numcep=frontend.n_cepstra,
            nfilt=frontend.bands,
            lowfreq=frontend.low_hz,
            highfreq=frontend.top_hz,
            preemph=frontend.preemphasis,
            ceplifter=frontend.lifter,
            appendEnergy=frontend.energy,
            winfunc={"hamming": np.hamming, "hann": np.hanning, "rectangular": np.ones}[frontend.window],
        )
    ]
    for _ in range(frontend.deltas):
        parts.append(psf.delta(parts[-1], 2))
    return np.concatenate(parts, 1)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_mfcc_with_differences_is_python_speech_features(waves, rate):
    frontend = Frontend("mfcc", rate=rate, deltas=2, **PSF)
    x = waves(rate)
    want = np.stack([psf_mfcc(wave, frontend) for wave in x])
    assert want.shape == (3, 99, 39) == (3, frontend.n_frames, frontend.n_dims)
    together = frontend.frames_numpy(x)
    alone = np.concatenate([frontend.frames(torch.from_numpy(wave[None] / np.float32(32768))).numpy() for wave in x])
    for made in (together, alone):
        assert made.dtype == np.float32 and np.abs(made - want).max() < 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"energy": False},
        {"lifter": 0},
        {"preemphasis": 0.0},
        {"n_cepstra": 20, "n_filters": 40},
        {"low_hz": 100.0, "high_hz": 7000.0},
        {"window": "rectangular"},
        {"window": "hann", "n_fft": 1024},
        {"window_ms": 20.0, "step_ms": 7.5},
    ],
)
def test_every_setting_of_mfcc_is_the_references(waves, settings):
    frontend = Frontend("mfcc", **{**PSF, **settings})
    psf = pytest.importorskip("python_speech_features")
    if "step_ms" not in settings:
        want = np.stack([psf_mfcc(wave, frontend) for wave in waves()])
    else:
        want = np.stack([psf.mfcc(wave, winlen=0.02, winstep=0.0075, winfunc=np.hamming) for wave in waves()])
    made = frontend.frames_numpy(waves())
    assert made.shape == want.shape and np.abs(made - want).max() < 1e-3


def test_digital_silence_has_finite_cepstra(waves):
    zeros = np.zeros((1, 16000), np.int16)
    frontend = Frontend("mfcc", **PSF)
    assert np.abs(frontend.frames_numpy(zeros)[0] - psf_mfcc(zeros[0], frontend)).max() < 1e-3
    for scale in ("int16", "unit"):
        assert np.isfinite(Frontend("plp", scale=scale, deltas=2).frames_numpy(zeros)).all()


def test_many_clips_are_the_same_as_one_by_one(waves):
    x = waves(8000, 40)
    for kind in ("mfcc", "plp", "log_mel", "log_spectrogram"):
        frontend = Frontend(kind, rate=8000, deltas=1)
        alone = np.concatenate([frontend.frames_numpy(wave[None]) for wave in x[:20]])
        assert np.allclose(frontend.frames_numpy(x)[:20], alone, atol=1e-4)


def test_dct_is_scipys():
    from scipy.fft import dct

    x = np.random.default_rng(0).standard_normal((5, 26))
    assert np.allclose(x @ dct_matrix(26, 13).numpy(), dct(x, norm="ortho")[:, :13], atol=1e-5)
    assert torch.allclose(dct_matrix(26, 26) @ dct_matrix(26, 26).T, torch.eye(26), atol=1e-5)


def test_preemphasis_by_hand():
    x = torch.tensor([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    assert preemphasised(x, 0.5).tolist() == [[1.0, 1.5, 3.0], [0.0, 1.0, -0.5]]
    assert preemphasised(x, 0) is x


# -- PLP ---------------------------------------------------------------------------------------------------------------


def hermansky_plp(wave: np.ndarray, rate: int, n_bands: int, n_cepstra: int, n_fft: int) -> np.ndarray:
    """Equations 1 to 9 in float64, band by band and bin by bin; cepstra by the spectrum of the model."""
    size, step = rate // 40, rate // 100
    order = n_cepstra - 1
    hz = np.arange(n_fft // 2 + 1) * rate / n_fft
    bark = 6 * np.log(hz / 600 + np.sqrt((hz / 600) ** 2 + 1))
    centres = np.arange(n_bands) * bark[-1] / (n_bands - 1)

    def masking(z):
        if z < -1.3 or z > 2.5:
            return 0.0
        return 10 ** (2.5 * (z + 0.5)) if z <= -0.5 else 10 ** (-1.0 * (z - 0.5)) if z >= 0.5 else 1.0

    # a convolution: the power at Ω_i − z counts with Ψ(z), so that low frequencies mask higher ones more than they them
    curve = np.array([[masking(centre - b) for b in bark] for centre in centres])
    w = 2 * np.pi * 600 * np.sinh(centres / 6)
    loudness = (w**2 + 56.8e6) * w**4 / ((w**2 + 6.3e6) ** 2 * (w**2 + 0.38e9))
    if rate > 10000:
        loudness /= w**6 + 9.58e26
    loudness /= loudness.max()
    rows = []
    for start in range(0, len(wave) - size + 1, step):
        power = np.abs(np.fft.rfft(wave[start : start + size] * np.hamming(size), n_fft)) ** 2 / n_fft
        bands = np.cbrt(loudness * (curve @ power))
        bands[0], bands[-1] = bands[1], bands[-2]
        around = np.concatenate([bands, bands[-2:0:-1]])  # as a spectrum is, even
        r = np.fft.ifft(around).real[: order + 1]
        a = np.concatenate([[1], linalg.solve_toeplitz(r[:-1], -r[1:])])
        model = (r @ a) / np.abs(np.fft.fft(a, 4096)) ** 2
        rows.append(np.fft.ifft(np.log(model)).real[:n_cepstra])
    return np.array(rows)


@pytest.mark.parametrize(("rate", "n_bands", "n_cepstra"), [(8000, 17, 13), (16000, 21, 13), (16000, 25, 6)])
def test_plp_is_hermanskys(waves, rate, n_bands, n_cepstra):
    frontend = Frontend(
        "plp",
        rate=rate,
        window="hamming",
        preemphasis=0.0,
        lifter=0,
        energy=False,
        n_cepstra=n_cepstra,
        n_filters=0 if n_cepstra == 13 else n_bands,
    )
    assert frontend.bands == n_bands
    made = frontend.frames_numpy(waves(rate))
    for clip, wave in zip(made, waves(rate).astype(np.float64), strict=True):
        want = hermansky_plp(wave, rate, n_bands, n_cepstra, frontend.fft_points)
        assert clip.shape == want.shape == (98, n_cepstra)
        assert np.abs(clip - want).max() < 2e-3


def test_plp_is_finished_as_mfcc_are(waves):
    plain = Frontend("plp", lifter=0, energy=False).frames_numpy(waves())
    lifted = Frontend("plp", lifter=22, energy=False).frames_numpy(waves())
    assert np.allclose(lifted, plain * (1 + 11 * np.sin(np.pi * np.arange(13) / 22)), atol=1e-4)
    energies = [Frontend(kind).frames_numpy(waves())[..., 0] for kind in ("plp", "mfcc")]
    assert np.array_equal(*energies)


def test_plp_takes_loudness_out_of_all_but_the_first(waves):
    x = waves() // 4
    one, four = (Frontend("plp", energy=False, lifter=0).frames_numpy(x * k) for k in (1, 4))
    assert np.allclose(four[..., 1:], one[..., 1:], atol=2e-3)
    assert np.allclose(four[..., 0] - one[..., 0], np.log(16) / 3, atol=2e-3)  # the cube root of the power


def test_a_band_hears_further_down_than_up():
    """Low sounds mask high ones: skirts of 10 dB a Bark below a centre and 25 dB above."""
    curve = bark_bank(21, 4096, 16000)[0].double().numpy()
    hz = np.arange(2049) * 16000 / 4096
    bark = 6 * np.arcsinh(hz / 600)
    centre = 10 * 6 * np.arcsinh(8000 / 600) / 20
    band = curve[10]
    assert (band[np.abs(bark - centre) < 0.49] == 1).all()
    for below, above, slope in ((-2.4, -0.6, 10), (0.6, 1.2, -25)):
        skirt = (bark > centre + below) & (bark < centre + above)
        fitted = np.polyfit(bark[skirt], 10 * np.log10(band[skirt]), 1)[0]
        assert abs(fitted - slope) < 0.05
    assert not band[(bark < centre - 2.51) | (bark > centre + 1.31)].any()


def test_equal_loudness_follows_its_curve():
    hz = np.array([50.0, 400, 1000, 3000, 4000])
    squares = hz**2  # the same curve as others write it, in Hz
    want = (squares / (squares + 1.6e5)) ** 2 * (squares + 1.44e6) / (squares + 9.61e6)
    assert np.allclose(equal_loudness(hz, steep=False), want, rtol=0.01)
    octave = equal_loudness(np.array([20.0, 40.0]), steep=False)
    assert abs(10 * np.log10(octave[1] / octave[0]) - 12) < 0.1  # 12 dB an octave at the low end
    fall = equal_loudness(np.array([30000.0, 60000.0]), steep=True)
    assert abs(10 * np.log10(fall[1] / fall[0]) + 18) < 0.3  # and 18 dB down at the high one


def test_levinson_durbin_solves_the_normal_equations():
    rng = np.random.default_rng(0)
    waves = signal.lfilter([1], [1, -0.9, 0.4], rng.standard_normal((3, 5, 2000)))
    r = np.stack([(waves[..., k:] * waves[..., : 2000 - k]).sum(-1) for k in range(9)], -1)
    a, error = (part.numpy() for part in levinson_durbin(torch.from_numpy(r)))
    for i in np.ndindex(3, 5):
        want = linalg.solve_toeplitz(r[i][:-1], -r[i][1:])
        assert np.allclose(a[i], [1, *want]) and np.isclose(error[i], r[i] @ [1, *want])


def test_cepstra_of_an_all_pole_model_in_closed_form():
    """gain / |Π (1 − p z⁻¹)|² has the cepstra Σ pⁿ / n."""
    poles = np.array([0.9, -0.5, 0.3 + 0.6j, 0.3 - 0.6j])
    a = torch.from_numpy(np.poly(poles).real)
    n = np.arange(1, 5)
    want = (poles[:, None] ** n / n).sum(0).real
    made = cepstra_of_model(a, torch.tensor(2.5, dtype=torch.float64)).numpy()
    assert np.allclose(made, [np.log(2.5), *want])


# -- as Kaldi has them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"energy": False},
        {"rate": 8000},
        {"n_filters": 30, "n_cepstra": 20},
        {"low_hz": 100.0, "high_hz": 3400.0, "rate": 8000},
        {"lifter": 0, "preemphasis": 0.9},
        {"window_ms": 20.0, "step_ms": 8.0},
    ],
)
def test_kaldi_mfcc_are_kaldis(waves, settings):
    frontend = Frontend("kaldi_mfcc", **settings)
    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.MfccOptions()
    options.frame_opts.dither, options.frame_opts.samp_freq = 0, frontend.rate
    options.frame_opts.preemph_coeff = frontend.preemphasis
    options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = frontend.window_ms, frontend.step_ms
    options.mel_opts.num_bins, options.num_ceps = frontend.bands, frontend.n_cepstra
    options.mel_opts.low_freq, options.mel_opts.high_freq = frontend.bottom_hz, frontend.top_hz
    options.use_energy, options.cepstral_lifter = frontend.energy, frontend.lifter
    clips = waves(frontend.rate) + np.int16(300)  # an offset, which has to go
    for wave, found in zip(clips, frontend.frames_numpy(clips), strict=True):
        oracle = knf.OnlineMfcc(options)
        oracle.accept_waveform(frontend.rate, wave.astype(np.float32).tolist())
        oracle.input_finished()
        wanted = np.stack([oracle.get_frame(i) for i in range(oracle.num_frames_ready)])
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_an_offset_changes_nothing_however_large_it_is(waves):
    frontend = Frontend("kaldi_mfcc")
    quiet = waves() // 100
    assert np.abs(frontend.frames_numpy(quiet + np.int16(20000)) - frontend.frames_numpy(quiet)).max() < 5e-3


def test_digital_silence_is_kaldis_floor():
    made = Frontend("kaldi_mfcc", lifter=0).frames_numpy(np.zeros((1, 16000), np.int16))
    floor = np.log(np.finfo(np.float32).eps)
    assert np.allclose(made[..., 0], floor) and np.abs(made[..., 1:]).max() < 1e-4
    first = Frontend("kaldi_mfcc", lifter=0, energy=False).frames_numpy(np.zeros((1, 16000), np.int16))[..., 0]
    assert np.allclose(first, floor * np.sqrt(23), rtol=1e-6)


@hypothesis_settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 39), st.sampled_from([8000, 16000]), st.integers(0, 2), st.integers(0, 99))
def test_a_clip_is_the_same_bit_for_bit_in_any_company(n, i, rate, deltas, seed):
    rng = np.random.default_rng(seed)
    x = (3000 * rng.standard_normal((n, rate // 4))).astype(np.int16)
    frontend = Frontend("kaldi_mfcc", rate=rate, seconds=0.25, deltas=deltas)
    i %= n
    assert np.array_equal(frontend.frames_numpy(x)[i], frontend.frames_numpy(x[i : i + 1])[0])


@hypothesis_settings(deadline=None, max_examples=30)
@given(st.integers(1, 23), st.integers(0, 99))
def test_what_stands_in_a_clips_padding_does_not_matter(own, seed):
    rng = np.random.default_rng(seed)
    x = (3000 * rng.standard_normal((2, 4000))).astype(np.int16)
    x[1, : (own - 1) * 160 + 400] = x[0, : (own - 1) * 160 + 400]
    frontend = Frontend("kaldi_mfcc", seconds=0.25, deltas=2)
    one, other = frontend.frames_numpy(x, np.array([own, own]))[:, :own]
    assert np.array_equal(one, other)
    alone = replace(frontend, seconds=((own - 1) * 160 + 400) / 16000).frames_numpy(x[:1, : (own - 1) * 160 + 400])[0]
    assert np.allclose(alone, one, atol=1e-3)


@pytest.mark.parametrize("warp", [0.7, 0.85, 0.95, 1.0, 1.05, 1.2, 1.4])
@pytest.mark.parametrize(("rate", "low_hz", "high_hz"), [(8000, 20.0, 4000.0), (16000, 64.0, 7800.0)])
def test_warped_bands_are_kaldis(warp, rate, low_hz, high_hz):
    knf = pytest.importorskip("kaldi_native_fbank")
    options, frames = knf.MelBanksOptions(), knf.FrameExtractionOptions()
    options.num_bins, options.low_freq, options.high_freq, frames.samp_freq = 23, low_hz, high_hz, rate
    wanted = np.array(knf.MelBanks(options, frames, warp).get_matrix())
    found = kaldi_bank(23, 512 * rate // 16000, rate, low_hz, high_hz, warp).numpy()
    assert np.abs(found - wanted).max() < 1e-4
    warped = Frontend("kaldi_mfcc", rate=rate, low_hz=low_hz, high_hz=high_hz, warp=warp)
    assert (warped.bottom_hz, warped.top_hz) == (low_hz, high_hz)


def warped_by_hand(hz: float, warp: float, low: float, high: float, rate: int) -> float:
    """The published formula, a frequency at a time: three lines through the two knees and the two ends."""
    lower, upper = 100 * max(1.0, warp), (rate / 2 - 500) * min(1.0, warp)
    if hz < lower:
        return low + (lower / warp - low) / (lower - low) * (hz - low)
    if hz < upper:
        return hz / warp
    return high + (high - upper / warp) / (high - upper) * (hz - high)


@hypothesis_settings(deadline=None)
@given(st.floats(0.7, 1.4), st.sampled_from([8000, 16000]), st.floats(0, 99), st.floats(0, 499))
def test_a_warp_is_monotone_and_continuous_and_keeps_the_ends(warp, rate, low, below):
    high = rate / 2 - below
    hz = np.linspace(low, high, 2000)
    found = warped_hz(hz, warp, low, high, rate)
    np.testing.assert_allclose(found, [warped_by_hand(one, warp, low, high, rate) for one in hz], rtol=1e-9, atol=1e-6)
    lower, upper = 100 * max(1.0, warp), (rate / 2 - 500) * min(1.0, warp)
    slopes = [(lower / warp - low) / (lower - low), 1 / warp, (high - upper / warp) / (high - upper)]
    steps = np.diff(found) / np.diff(hz)
    assert min(slopes) * 0.999 <= steps.min() and steps.max() <= max(slopes) * 1.001 and min(slopes) > 0
    assert found[0] == low and found[-1] == high
    assert np.allclose(warped_hz(hz, 1.0, low, high, rate), hz)


@pytest.mark.parametrize("warp", [0.8, 0.9, 1.1, 1.25])
def test_frequencies_are_warped_in_three_straight_lines(warp):
    hz = np.linspace(20, 4000, 4000)
    found = warped_hz(hz, warp, 20.0, 4000.0, 8000)
    assert found[0] == 20 and found[-1] == 4000
    assert (np.diff(found) > 0).all()
    inner = (hz > 100 * max(1, warp)) & (hz < 3500 * min(1, warp))
    np.testing.assert_allclose(found[inner], hz[inner] / warp)
    assert np.unique(np.round(np.diff(found, 2), 6)).size <= 5  # straight but for two knees


def test_a_warp_undoes_a_change_of_pitch_and_formants():
    rate, t = 8000, np.arange(8000) / 8000
    voice = sum(np.exp(-(((k * 120 - 700) / 300) ** 2)) * np.sin(2 * np.pi * k * 120 * t) for k in range(1, 25))
    higher = sum(np.exp(-(((k * 120 - 700) / 300) ** 2)) * np.sin(2 * np.pi * k * 120 * 1.15 * t) for k in range(1, 25))
    clips = (3000 * np.stack([voice, higher])).astype(np.int16)
    plain, warped = (Frontend("kaldi_mfcc", rate=rate, warp=w).frames_numpy(clips).mean(1) for w in (1.0, 1 / 1.15))
    assert np.abs(warped[1] - plain[0])[1:8].sum() < 0.6 * np.abs(plain[1] - plain[0])[1:8].sum()


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "mfcc", "warp": 1.1},
        {"warp": 0.6},
        {"warp": 1.5},
        {"warp": 1.1, "low_hz": 100.0},
        {"warp": 1.1, "high_hz": 7500.0},
        {"warp": 1.1, "rate": 1500, "high_hz": 750.0},
    ],
)
def test_only_kaldis_bands_are_warped_and_only_beyond_both_knees(settings):
    with pytest.raises(UserError, match="warp") as caught:
        Frontend(**{"kind": "kaldi_mfcc", **settings})
    assert "1, or from 0.7 to 1.4 for kaldi_mfcc" in str(caught.value)
