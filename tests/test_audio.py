"""Reading and resampling: every format gives the same int16 samples, every bad file a reason, a sine stays a sine."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from kwsbench.audio import BadRecording, read_clip, resample, to_int16

RATES = (8000, 11025, 16000, 22050, 44100, 48000)
OGG = [("OGG", "VORBIS", 0.1), ("OGG", "OPUS", 0.1)]
ODD = np.array([-32768, -32767, -12345, -1, 0, 1, 255, 256, 12345, 32766, 32767] * 20, np.int16)


def chirp(seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    """float64, half of full scale, 300 to 1100 Hz."""
    t = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (300 * t + 400 / seconds * t * t))


def sine(hz: float, rate: int, n: int, amplitude: float = 10000) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(n) / rate)


def written(path: Path, samples: np.ndarray, rate: int = 16000, form: str = "WAV", subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, format=form, subtype=subtype)
    return path


def reason(path: Path) -> str:
    with pytest.raises(BadRecording) as caught:
        read_clip(path)
    assert caught.value.path == str(path) and str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


# -- formats -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAVEX", "PCM_16"), ("FLAC", "PCM_16")]
    + [("FLAC", "PCM_24")],
)
def test_integers_of_16_bits_and_more_are_read_as_they_were_written(tmp_path, form, subtype):
    samples, rate = read_clip(written(tmp_path / "a", ODD, 11025, form, subtype))
    assert rate == 11025 and samples.dtype == np.int16 and samples.shape == (220,)
    assert np.array_equal(samples, ODD)


@pytest.mark.parametrize(("subtype", "kind"), [("FLOAT", np.float32), ("DOUBLE", np.float64)])
def test_floats_are_scaled_by_32768_rounded_and_clipped(tmp_path, subtype, kind):
    exact = (ODD / 32768).astype(kind)
    assert np.array_equal(read_clip(written(tmp_path / "a.wav", exact, subtype=subtype))[0], ODD)
    between = np.array([0.4, 0.6, -0.4, -0.6, 1.5, 2.5], kind) / 32768
    beyond = np.array([1.0, 1.7, -1.0, -1.7], kind)
    samples, _ = read_clip(written(tmp_path / "b.wav", np.concatenate([between, beyond]), subtype=subtype))
    assert samples.tolist() == [0, 1, 0, -1, 2, 2, 32767, 32767, -32768, -32768]


def test_eight_bits_are_unsigned_around_128(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(5), subtype="PCM_U8")
    path.write_bytes(path.read_bytes()[:44] + bytes([0, 127, 128, 129, 255]))
    assert read_clip(path)[0].tolist() == [-32768, -256, 0, 256, 32512]


@pytest.mark.parametrize(("form", "subtype", "off"), OGG)
def test_ogg_has_the_length_and_nearly_the_samples(tmp_path, form, subtype, off):
    wave = chirp(2)
    samples, rate = read_clip(written(tmp_path / "a.ogg", wave, 16000, form, subtype))
    assert rate == 16000 and samples.dtype == np.int16 and len(samples) == len(wave)
    inner = slice(0, -800)
    error = samples[inner] / 32768 - wave[inner]
    assert np.sqrt((error**2).mean()) < off * np.sqrt((wave**2).mean())


def test_channels_are_averaged(tmp_path):
    left = np.array([100, 200, -300, 32767, 32767, 7], np.int16)
    right = np.array([300, -200, -500, 32767, -32767, 0], np.int16)
    samples, _ = read_clip(written(tmp_path / "a.wav", np.stack([left, right], 1)))
    assert samples.tolist() == [200, 0, -400, 32767, 0, 4]  # 3.5 goes to the even neighbour
    six = np.tile(left[:, None], (1, 6))
    assert np.array_equal(read_clip(written(tmp_path / "b.wav", six))[0], left)


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_is_resampled_on_reading(tmp_path, rate):
    samples = to_int16(chirp(0.5, rate))
    path = written(tmp_path / "a.wav", samples, rate)
    own, own_rate = read_clip(path)
    assert own_rate == rate and np.array_equal(own, samples)
    for wanted in (8000, 16000):
        made, made_rate = read_clip(path, wanted)
        assert made_rate == wanted and np.array_equal(made, resample(samples, rate, wanted))
        assert len(made) == math.ceil(len(samples) * wanted / rate)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=50))
def test_int16_is_within_half_a_step_or_clipped(values):
    x = np.array(values, np.float32)
    made = to_int16(x)
    assert made.dtype == np.int16
    assert (np.abs(made - np.clip(x.astype(float) * 32768, -32768, 32767)) <= 0.5).all()


# -- files that cannot be used -----------------------------------------------------------------------------------------


def test_an_absent_file_and_a_folder_are_not_there(tmp_path):
    assert reason(tmp_path / "no.wav") == "is not there"
    assert reason(tmp_path) == "is a folder"


def test_an_empty_file_says_so(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert reason(path) == "is an empty file"


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24")])
def test_a_file_without_samples_says_so(tmp_path, form, subtype):
    assert reason(written(tmp_path / "a", np.zeros(0), form=form, subtype=subtype)) == "has no samples"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("subtype", "channels"), [("FLOAT", 1), ("DOUBLE", 1), ("FLOAT", 2)])
def test_one_sample_that_is_no_number_is_enough(tmp_path, bad, subtype, channels):
    wave = np.tile(chirp(0.1)[:, None], (1, channels))
    wave[700, -1] = bad
    assert reason(written(tmp_path / "a.wav", wave, subtype=subtype)) == (
        "has samples that are no numbers (NaN or infinite)"
    )


def test_floats_at_another_scale_are_refused(tmp_path):
    path = written(tmp_path / "a.wav", chirp(0.1) * 40000, subtype="FLOAT")
    assert "where full scale is 1" in reason(path)
    assert read_clip(written(tmp_path / "b.wav", chirp(0.1) * 15, subtype="FLOAT"))[0].max() == 32767


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.raw", "a.mp4"])
def test_what_is_no_recording_cannot_be_read_or_decoded(tmp_path, name):
    path = tmp_path / name
    path.write_text("<html>404 not found</html>" * 100)
    assert reason(path).startswith(("cannot be decoded: ", "cannot be read: "))


def test_a_garbled_flac_or_ogg_cannot_be_decoded(tmp_path):
    rng = np.random.default_rng(0)
    for form, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")):
        path = written(tmp_path / subtype, chirp(), form=form, subtype=subtype)
        content = bytearray(path.read_bytes())
        middle = slice(len(content) // 4, len(content) // 2)
        content[middle] = rng.integers(0, 256, middle.stop - middle.start, np.uint8).tobytes()
        path.write_bytes(content)
        assert reason(path).startswith(("cannot be decoded: ", "is cut off: "))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_file_that_is_cut_off_says_how_many_bytes_are_there(tmp_path, subtype, share):
    path = written(tmp_path / "a.wav", chirp(), subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert reason(path) == f"is cut off: {int(share * len(content)):,} of {len(content):,} bytes are there"


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_an_ogg_file_that_is_cut_off_anywhere_says_so(tmp_path, form, subtype):
    whole = written(tmp_path / "a.ogg", chirp(3), form=form, subtype=subtype).read_bytes()
    pages = [i for i in range(len(whole)) if whole.startswith(b"OggS", i)]
    assert len(pages) >= 3
    path = tmp_path / "cut.ogg"
    for size in [*pages[1:], pages[-1] + 5, pages[-1] + 27, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert reason(path).startswith("is cut off")
    path.write_bytes(whole + bytes(50))  # something after the last page does no harm
    assert len(read_clip(path)[0]) == 48000


def test_a_flac_file_that_is_cut_off_cannot_be_decoded(tmp_path):
    path = written(tmp_path / "a.flac", chirp(), form="FLAC")
    content = path.read_bytes()
    for size in (len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert reason(path).startswith(("cannot be decoded: ", "is cut off: "))


@pytest.mark.parametrize("promised", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_header_whose_writer_did_not_know_the_length_is_no_cut(tmp_path, promised):
    path = written(tmp_path / "a.wav", ODD)
    content = bytearray(path.read_bytes())
    content[4:8] = promised.to_bytes(4, "little")
    path.write_bytes(content)
    assert np.array_equal(read_clip(path)[0], ODD)


# -- resampling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["polyphase", "fft"])
@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(16000, 8000), (8000, 16000), (44100, 16000), (22050, 16000), (48000, 16000)]
)
def test_a_sine_stays_a_sine_of_the_same_amplitude(method, rate_in, rate_out):
    made = resample(sine(1000, rate_in, rate_in).astype(np.float32), rate_in, rate_out, method)
    want = sine(1000, rate_out, rate_out)
    inner = slice(rate_out // 10, -rate_out // 10)
    assert len(made) == rate_out
    assert np.abs(made - want)[inner].max() < (20 if method == "polyphase" else 0.1)


@pytest.mark.parametrize("method", ["polyphase", "fft"])
@pytest.mark.parametrize(("rate_in", "rate_out", "hz"), [(16000, 8000, 5500), (44100, 16000, 11000)])
def test_a_tone_above_the_new_nyquist_frequency_vanishes(method, rate_in, rate_out, hz):
    made = resample(sine(hz, rate_in, rate_in).astype(np.float32), rate_in, rate_out, method)
    inner = made[rate_out // 10 : -rate_out // 10]
    assert np.abs(inner).max() < 30  # 50 dB below the tone


def test_resampling_is_scipys():
    rng = np.random.default_rng(0)
    wave = (3000 * rng.standard_normal((3, 4410))).astype(np.float32)
    by_filter = signal.resample_poly(wave, 160, 441, axis=-1)
    by_spectrum = signal.resample(wave, 1600, axis=-1)
    for method, want in (("polyphase", by_filter), ("fft", by_spectrum)):
        made = resample(wave, 44100, 16000, method)
        assert made.dtype == np.float32 and np.array_equal(made, want.astype(np.float32))
        whole = wave.astype(np.int16)
        assert np.abs(resample(whole, 44100, 16000, method) - want).max() < 2
        assert np.array_equal(resample(whole, 44100, 16000, method)[1], resample(whole[1], 44100, 16000, method))


def test_overshoot_is_clipped_and_does_not_wrap():
    square = np.where(np.arange(8000) // 40 % 2, 32767, -32768).astype(np.int16)
    made = resample(square, 8000, 16000)
    assert made.dtype == np.int16 and made.max() == 32767 and made.min() == -32768
    assert (made[:78] < -16384).all() and (made[82:158] > 16384).all()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 3000),
    st.sampled_from(RATES),
    st.sampled_from(RATES),
    st.sampled_from(["polyphase", "fft"]),
    st.sampled_from([np.int16, np.float32, np.float64]),
)
def test_lengths_and_types_after_resampling(n, rate_in, rate_out, method, kind):
    x = np.random.default_rng(n).integers(-9000, 9000, n).astype(kind)
    made = resample(x, rate_in, rate_out, method)
    if rate_in == rate_out:
        assert made is x
        return
    exact = n * rate_out / rate_in
    assert len(made) == (math.ceil(exact) if method == "polyphase" else max(1, math.floor(exact)))
    assert made.dtype == (np.int16 if kind is np.int16 else np.float32)
    assert np.array_equal(resample(-x, rate_in, rate_out, method), -made)
    assert not resample(np.zeros_like(x), rate_in, rate_out, method).any()
