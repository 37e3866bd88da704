"""Corrupted clips: each as much as was asked for, the same for every model, whatever the order or the company."""

import numpy as np
import pytest
from scipy import signal

from kwsbench.clips import Clips
from kwsbench.corpora import load_corpus
from kwsbench.corruptions import (
    NOISE_NAMES,
    RECORDINGS,
    Condition,
    Corruption,
    Corruptions,
    NoiseBank,
    room_response,
    shifted,
)
from kwsbench.errors import UserError
from kwsbench.features import Frontend
from kwsbench.labels import label_split
from kwsbench.noise import COLORS, rms
from kwsbench.recordings import read_recordings
from kwsbench.splits import make_splits

RATE = 16000
RNG = np.random.default_rng(7)
SPEECH = np.rint(2000 * RNG.standard_normal(RATE) * np.hanning(RATE)).astype(np.int16)
BANK = NoiseBank([(RNG.integers(-3000, 3000, 5 * RATE).astype(np.int16), RATE), (np.zeros(9, np.int16), RATE)])


def heard(name: str, level: float, samples: np.ndarray = SPEECH, rate: int = RATE, clip: str = "a", seed: int = 3):
    return Corruption(Condition(name, level), seed, BANK).hear(clip, samples, rate, silence=False)


def tone(hz: float, rate: int = RATE) -> np.ndarray:
    return np.rint(8000 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)).astype(np.int16)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return 20 * np.log10(rms(a) / rms(b))


def test_every_colour_is_a_noise():
    assert (RECORDINGS, *COLORS) == NOISE_NAMES


@pytest.mark.parametrize("name", NOISE_NAMES)
@pytest.mark.parametrize("snr", [20.0, 3.0, -5.0])
def test_the_ratio_to_the_noise_is_the_one_asked_for(name, snr):
    noisy = heard(name, snr).astype(float)
    assert abs(decibels(SPEECH, noisy - SPEECH) - snr) < 0.1


def test_a_mix_too_loud_is_turned_down_whole():
    loud = (15 * SPEECH.astype(int)).clip(-30000, 30000).astype(np.int16)
    noisy = heard("white", 0.0, loud).astype(float)
    assert np.abs(noisy).max() == 32767
    noise = heard("white", 0.0).astype(float) - SPEECH  # of the same draws
    level = np.linalg.lstsq(np.stack([loud, noise], 1), noisy, rcond=None)[0]
    assert abs(decibels(level[0] * loud, level[1] * noise)) < 0.1
    assert np.abs(noisy - np.stack([loud, noise], 1) @ level).max() < 20  # int16 steps of a quieter noise


def test_the_noise_is_the_same_at_every_ratio_and_another_for_another_clip_or_seed():
    noise = [heard(RECORDINGS, snr).astype(float) - SPEECH for snr in (0.0, 6.0)]
    assert abs(decibels(*noise) - 6) < 0.1 and np.corrcoef(*noise)[0, 1] > 0.999
    for other in ({"clip": "b"}, {"seed": 4}):
        assert abs(np.corrcoef(noise[0], heard(RECORDINGS, 0.0, **other) - SPEECH.astype(float))[0, 1]) < 0.1


def test_a_short_recording_of_noise_is_repeated():
    bank = NoiseBank([(np.array([1, -2, 3], np.int16), RATE)])
    assert bank.stretch(7, RATE, np.random.default_rng(0)).tolist() == [1, -2, 3, 1, -2, 3, 1]
    assert len(bank.at(RATE // 2)[0]) == 2


@pytest.mark.parametrize(
    ("ms", "want"), [(125.0, [0, 0, 1, 2]), (-62.5, [2, 3, 4, 0]), (1e4, [0] * 4), (-1e4, [0] * 4)]
)
def test_a_shift_moves_zeros_in(ms, want):
    assert heard("shift_ms", ms, np.array([1, 2, 3, 4], np.int16), rate=16).tolist() == want
    assert shifted(np.arange(1, 5), round(ms * 16 / 1000)).tolist() == want


def test_gain_clips_what_int16_does_not_hold():
    samples = np.array([100, -3000, 32000], np.int16)
    assert heard("gain_db", 20.0, samples).tolist() == [1000, -30000, 32767]
    assert heard("gain_db", -20.0, samples).tolist() == [10, -300, 3200]


def test_a_faster_clip_is_shorter_and_higher():
    fast = heard("speed", 1.25, tone(1000))
    assert len(fast) == RATE / 1.25
    assert np.argmax(np.abs(np.fft.rfft(fast))) * RATE / len(fast) == 1250
    assert len(heard("speed", 0.8)) == RATE / 0.8


@pytest.mark.parametrize(("hz", "kept"), [(100, False), (1000, True), (3000, True), (3900, False), (6000, False)])
def test_a_telephone_has_a_band(hz, kept):
    change = decibels(heard("telephone", 1.0, tone(hz))[1000:-1000], tone(hz)[1000:-1000])
    assert abs(change) < 0.5 if kept else change < -10


def test_a_telephone_takes_clips_of_low_and_odd_rates():
    for rate in (4000, 8000, 22050):
        change = decibels(heard("telephone", 1.0, tone(1000, rate), rate)[500:-500], tone(1000, rate)[500:-500])
        assert abs(change) < 0.5 and len(heard("telephone", 1.0, tone(1000, rate)[:-3], rate)) == rate - 3
    assert decibels(heard("telephone", 1.0, tone(100, 4000), 4000), tone(100, 4000)) < -10


def test_clipping_is_at_a_share_of_the_peak():
    assert heard("clipping", 0.5, np.array([10, -1000, 600, -400], np.int16)).tolist() == [10, -500, 500, -400]


@pytest.mark.parametrize("rt60", [0.2, 0.6, 1.0])
def test_the_reverberation_time_is_the_one_asked_for(rt60):
    """Schroeder's backward integration, the slope from −5 to −35 dB."""
    response = room_response(rt60, RATE, np.random.default_rng(1))
    assert np.sum(response**2) == pytest.approx(1) and response[0] ** 2 == pytest.approx(0.5)
    decay = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1])
    part = np.flatnonzero((decay < -5) & (decay > -35))
    slope = np.polyfit(part / RATE, decay[part], 1)[0]
    assert -60 / slope == pytest.approx(rt60, rel=0.05)


def test_a_clip_in_a_room_keeps_its_length_and_about_its_level():
    echoing = heard("reverb_s", 0.3)
    assert len(echoing) == len(SPEECH) and abs(decibels(echoing, SPEECH)) < 1.5
    click = np.zeros(RATE, np.int16)
    click[100] = 10000
    response = heard("reverb_s", 0.3, click)
    assert not response[:100].any() and np.argmax(response) == 100
    direct, all_of_it = float(response[100]) ** 2, np.sum(response.astype(float) ** 2)
    assert direct / all_of_it == pytest.approx(0.5, abs=0.02)
    assert signal.correlate(heard("reverb_s", 0.3, click, clip="b"), response).max() < 1.2 * direct


def test_noise_leaves_silence_as_it_is_and_nothing_stays_nothing():
    noise = Corruption(Condition("white", 0.0), 3)
    assert noise.hear("a", SPEECH, RATE, silence=True) is SPEECH
    assert Corruption(Condition("gain_db", 20.0), 3).hear("a", tone(9), RATE, silence=True).max() == 32767
    for condition in Corruptions().conditions:
        zeros = np.zeros(800, np.int16)
        assert not heard(*condition, zeros).any(), condition
        assert not len(heard(*condition, zeros[:0])), condition


def test_conditions_are_every_noise_at_every_ratio_and_then_the_others():
    few = Corruptions(
        snr_db=(5.0, 0.0), noises=("pink",), shift_ms=(), gain_db=(-6.0,), speed=(), clipping=(), reverb_s=()
    )
    assert few.conditions == (("pink", 5.0), ("pink", 0.0), ("gain_db", -6.0), ("telephone", 1.0))
    assert len(set(Corruptions().conditions)) == 35


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"speed": (0.9, 0.0)}, "speed 0: expected from 0.5 to 2, and not 1"),
        ({"clipping": (1.0,)}, "clipping 1: expected shares between 0 and 1"),
        ({"reverb_s": (-0.5,)}, "reverb_s -0.5: expected seconds above 0"),
        ({"snr_db": (5.0, 5.0)}, "snr_db: 5.0 stands twice"),
        ({"noises": ()}, "noise needs both snr_db and noises"),
        ({**dict.fromkeys(("snr_db", "noises", "shift_ms", "gain_db", "speed", "clipping", "reverb_s"), ()),
          "telephone": False}, "nothing is corrupted"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(settings, what):
    with pytest.raises(UserError, match=what):
        Corruptions(**settings)


@pytest.fixture(scope="module")
def spoken(tone_tree, tmp_path_factory):
    """Recordings, and a task with silence of recordings."""
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    recordings = read_recordings(corpus, tmp_path_factory.mktemp("recordings"))
    split = make_splits(corpus, recordings.table["sha256"], scheme="speakers", folds=5)[0]
    noise = {str(path): (5 * RATE, RATE) for path in corpus.noise}
    return recordings, label_split(split, noise=noise, scheme="keywords", keywords=("yes", "no"), silence_share=0.5)


def test_models_of_every_rate_hear_the_same(spoken, tmp_path):
    recordings, task = spoken
    for condition in (Condition(RECORDINGS, 0.0), Condition("reverb_s", 0.4), Condition("shift_ms", 50.0)):
        corruption = Corruption(condition, 5, BANK)
        waves = []
        for rate in (RATE, RATE // 2):
            test = Clips(task, "test", Frontend("log_mel", rate=rate), recordings, tmp_path / "clips")
            again = test.corrupted(corruption, tmp_path / f"{condition.name}-{rate}")
            assert len(again.features) == len(test) and again.fingerprint != test.fingerprint
            waves.append(np.asarray(again.waveforms))
            silent = test.is_silence
            left = (waves[-1][silent] == np.asarray(test.waveforms[silent])).all()
            assert silent.any() and left == (condition.name == RECORDINGS)
            assert (waves[-1] != test.waveforms).any(1)[~silent].all()
        halved = signal.resample_poly(waves[0].astype(float), 1, 2, axis=1)
        assert np.abs(halved - waves[1]).max() < 2


def test_a_clip_is_corrupted_alike_in_any_company(spoken, tmp_path):
    recordings, task = spoken
    whole = Clips(task, "test", Frontend("log_mel"), recordings, tmp_path / "clips")
    some = Clips(task, "test", Frontend("log_mel"), recordings, tmp_path / "clips")
    order = np.arange(len(whole))[::-2]
    some.rows = whole.rows.iloc[order].reset_index(drop=True)
    corruption = Corruption(Condition("pink", 0.0), 5)
    a, b = (clips.corrupted(corruption, tmp_path / str(i)) for i, clips in enumerate((whole, some)))
    assert (a.waveforms[order] == b.waveforms).all()
    assert (a.take(order).through(speed=0.9).features == b.through(speed=0.9).features).all()
    assert not list((tmp_path / "clips").glob("*")), "nothing of a corrupted clip goes to the lasting cache"


@pytest.mark.parametrize("how", ["global", "speaker", "sliding"])
def test_corrupted_clips_are_normalised_as_the_others_are(spoken, tmp_path, how):
    """A gain of nothing changes nothing; moments of the training side are those of clips as they are."""
    recordings, task = spoken
    frontend = Frontend("mfcc", rate=RATE // 2, normalise=how, vad="energy", fit="none", deltas=1)
    train = Clips(task, "train", frontend, recordings, tmp_path / "clips")
    test = Clips(task, "test", frontend, recordings, tmp_path / "clips", statistics=train)
    nothing, softer = (Corruption(Condition("gain_db", level), 5) for level in (0.0, -6.0))
    again = test.corrupted(nothing, tmp_path / "nothing")
    assert (again.features == test.features).all() and (again.lengths == test.lengths).all()
    soft = test.corrupted(softer, tmp_path / "softer").stacked()[0]
    lower = soft[:, 0].mean() < test.stacked()[0][:, 0].mean() - 0.1  # the first cepstrum is the energy
    assert lower == (how == "global")
