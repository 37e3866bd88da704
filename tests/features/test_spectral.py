"""Spectra and mel bands against scipy, librosa and python_speech_features, and against hand-counted numbers."""

import numpy as np
import pytest
import torch
from scipy import signal

from kwsbench.features import Frontend
from kwsbench.features.scales import barks, hz_to_bark, hz_to_mel, mel_to_hz
from kwsbench.features.spectral import mel_bank, power_spectrum

WINDOWS = {"hann": "hann", "hamming": "hamming", "rectangular": "boxcar"}  # as scipy calls them


def seed_spectrogram(audio: np.ndarray, rate: int, window_ms=20, step_ms=10, eps=1e-10) -> np.ndarray:
    """The log spectrogram of the seed kernels: (frames, bins)."""
    size = int(round(window_ms * rate / 1e3))
    overlap = int(round(step_ms * rate / 1e3))
    _, _, power = signal.spectrogram(audio, fs=rate, window="hann", nperseg=size, noverlap=overlap, detrend=False)
    return np.log(power.T.astype(np.float32) + eps)


@pytest.mark.parametrize(("rate", "shape"), [(8000, (99, 81)), (16000, (99, 161))])
@pytest.mark.parametrize("scale", ["int16", "unit"])
def test_log_spectrogram_is_the_seeds(waves, rate, shape, scale):
    frontend = Frontend("log_spectrogram", rate=rate, window="hann", window_ms=20, step_ms=10, eps=1e-10, scale=scale)
    assert (frontend.n_frames, frontend.n_dims) == shape
    made = frontend.frames_numpy(waves(rate))
    assert made.dtype == np.float32 and made.shape == (3, *shape)
    for clip, wave in zip(made, waves(rate).astype(np.float64), strict=True):
        want = seed_spectrogram(wave / 32768 if scale == "unit" else wave, rate)
        assert np.abs(clip - want).max() < 2e-2 and np.abs(clip - want).mean() < 1e-4


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("n_fft", [0, 512, 511])
def test_log_spectrogram_is_scipys_with_any_window_and_padding(waves, window, n_fft):
    frontend = Frontend("log_spectrogram", window=window, window_ms=25, step_ms=10, n_fft=n_fft)
    size, bins = 400, (n_fft or 400) // 2 + 1
    _, _, power = signal.spectrogram(
        waves()[-1].astype(np.float64), 16000, WINDOWS[window], size, size - 160, n_fft or None, detrend=False
    )
    made = frontend.frames_numpy(waves()[-1:])[0]
    assert made.shape == (98, bins)
    assert np.abs(made - np.log(power.T + 1e-10)).max() < 2e-2


def test_silence_is_the_log_of_eps_and_the_last_frame_may_be_padded():
    dropped = Frontend("log_spectrogram", eps=1e-6)
    assert np.allclose(dropped.frames_numpy(np.zeros((1, 16000), np.int16)), np.log(1e-6))
    padded = Frontend("log_spectrogram", last_frame="pad")
    wave = np.full((1, 16000), 1000, np.int16)
    made = padded.frames_numpy(wave)
    assert made.shape == (1, 99, 201) and dropped.n_frames == 98
    assert np.array_equal(made[:, :98], Frontend("log_spectrogram").frames_numpy(wave))
    # 320 samples from 98 · 160 on, then zeros
    last = np.concatenate([wave[:, 15680:], np.zeros((1, 80), np.int16)], 1)
    assert np.allclose(made[:, 98:], Frontend("log_spectrogram", seconds=0.025).frames_numpy(last))


@pytest.mark.parametrize("window", WINDOWS)
def test_density_of_a_constant_is_all_at_zero_frequency(window):
    """A constant c has the density c² (Σ w)² / (rate Σ w²) at 0 Hz."""
    w = signal.get_window(WINDOWS[window], 320)
    wave = np.full((1, 16000), 500, np.int16)
    made = Frontend("log_spectrogram", window=window, window_ms=20).frames_numpy(wave)
    assert np.allclose(made[0, :, 0], np.log(500**2 * w.sum() ** 2 / (16000 * (w**2).sum())), atol=1e-4)
    assert made[0, :, 5:].max() < np.log(1e-2)


def test_power_spectrum_is_parsevals():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 400)))
    power = power_spectrum(x, 512)
    weight = torch.full((257,), 2.0, dtype=torch.float64)
    weight[0] = weight[-1] = 1
    assert torch.allclose((power * weight).sum(-1), x.square().sum(-1))


# -- mel ---------------------------------------------------------------------------------------------------------------

BANKS = [(40, 512, 16000, 0, 8000), (23, 256, 8000, 64, 3800), (26, 400, 16000, 20, 7600), (26, 512, 16000, 0, 8000)]


@pytest.mark.parametrize("bank", BANKS)
def test_mel_bank_is_librosas(bank):
    filters = pytest.importorskip("librosa.filters")
    n, n_fft, rate, low, high = bank
    want = filters.mel(sr=rate, n_fft=n_fft, n_mels=n, fmin=low, fmax=high, htk=True, norm=None, dtype=np.float64)
    assert np.allclose(mel_bank(*bank, on_bins=False), want, atol=1e-6)


@pytest.mark.parametrize("bank", BANKS)
def test_mel_bank_on_bins_is_python_speech_features(bank):
    psf = pytest.importorskip("python_speech_features")
    n, n_fft, rate, low, high = bank
    assert np.allclose(mel_bank(*bank, on_bins=True), psf.get_filterbanks(n, n_fft, rate, low, high), atol=1e-6)


def test_mel_bank_is_of_triangles_that_overlap_by_half():
    bank = mel_bank(10, 4096, 16000, 100, 4000, on_bins=False).numpy()
    centres = mel_to_hz(np.linspace(hz_to_mel(100), hz_to_mel(4000), 12))
    hz = np.arange(2049) * 16000 / 4096
    assert np.abs(hz[bank.argmax(1)] - centres[1:-1]).max() < 16000 / 4096
    assert bank.min() == 0 and bank.max() <= 1
    inner = (hz >= centres[1]) & (hz <= centres[-2])
    assert np.allclose(bank[:, inner].sum(0), 1, atol=1e-5)
    assert not bank[:, (hz < 100) | (hz > 4000)].any()


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("window", ["hamming", "hann"])
def test_log_mel_is_the_log_of_bands_of_python_speech_features_power(waves, rate, window):
    psf = pytest.importorskip("python_speech_features")
    filters = pytest.importorskip("librosa.filters")
    frontend = Frontend("log_mel", rate=rate, window=window, last_frame="pad")
    made = frontend.frames_numpy(waves(rate))
    n_fft = frontend.fft_points
    assert (n_fft, made.shape) == (512 if rate == 16000 else 256, (3, 99, 40))
    bank = filters.mel(sr=rate, n_fft=n_fft, n_mels=40, htk=True, norm=None, dtype=np.float64)
    winfunc = np.hamming if window == "hamming" else np.hanning
    for clip, wave in zip(made, waves(rate), strict=True):
        frames = psf.sigproc.framesig(wave, rate * 0.025, rate * 0.01, winfunc)
        assert np.abs(clip - np.log(psf.sigproc.powspec(frames, n_fft) @ bank.T)).max() < 1e-3


def test_log_mel_is_near_python_speech_features_fbank(waves):
    """Its corners are moved to FFT bins, ours are not: wide bands agree, the narrowest differ."""
    psf = pytest.importorskip("python_speech_features")
    frontend = Frontend("log_mel", window="hamming", last_frame="pad", n_filters=26, n_fft=8192)
    for clip, wave in zip(frontend.frames_numpy(waves()), waves(), strict=True):
        bank, _ = psf.fbank(wave, nfft=8192, preemph=0, winfunc=np.hamming)
        assert np.abs(clip - np.log(bank)).mean() < 0.02


def test_log_mel_has_a_floor_at_eps():
    assert np.allclose(Frontend("log_mel", eps=1e-4).frames_numpy(np.zeros((1, 16000), np.int16)), np.log(1e-4))


def test_a_tone_is_loudest_in_its_own_band():
    hz = mel_to_hz(np.linspace(hz_to_mel(0), hz_to_mel(8000), 42))[1:-1]
    t = np.arange(16000) / 16000
    for band in (8, 15, 25, 38):
        wave = (8000 * np.sin(2 * np.pi * hz[band] * t)).astype(np.int16)
        assert (Frontend("log_mel").frames_numpy(wave[None])[0].argmax(1) == band).all()


# -- scales ------------------------------------------------------------------------------------------------------------


def test_scales_have_their_published_values():
    assert abs(hz_to_mel(1000) - 1000) < 0.02 and hz_to_mel(0) == 0
    assert np.allclose(mel_to_hz(hz_to_mel(np.linspace(0, 8000, 50))), np.linspace(0, 8000, 50))
    # 6 ln(f/600 + sqrt((f/600)² + 1)): Hermansky's warping of 5 kHz is 16.9 Bark
    f = np.linspace(0, 8000, 50)
    assert np.allclose(hz_to_bark(f), 6 * np.log(f / 600 + np.sqrt((f / 600) ** 2 + 1)))
    assert abs(hz_to_bark(5000) - 16.9) < 0.05
    assert (barks(8000), barks(10000), barks(16000)) == (17, 18, 21)
