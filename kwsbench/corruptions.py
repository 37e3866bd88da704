"""Recordings as they might have been heard: in noise, late, faint, fast, by telephone, overdriven, in an echoing room.

What happens to a clip depends on the seed, the kind of corruption and the clip's name alone: not on the level, on other
clips or on their order. So a clip is in the same stretch of noise at every ratio, and in the same room at every
reverberation. A recording is corrupted whole and at its own rate, before any frontend: every model of a task hears the
same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from kwsbench.audio import FULL_SCALE, resample
from kwsbench.errors import UserError
from kwsbench.noise import add_noise, colored_noise
from kwsbench.seeds import derive_seed

VERSION = 1
RECORDINGS = "recordings"
TELEPHONE_HZ, TELEPHONE_RATE = (300.0, 3400.0), 8000  # the band and the rate of ITU-T G.712
TELEPHONE_ORDER = 4  # of the Butterworth filter on either side of the band
RT60_DB = 60.0  # by which a room's echoes fall within its reverberation time
SLOWEST, FASTEST = 0.5, 2.0

NoiseName = Literal["recordings", "white", "pink", "blue", "brown", "violet"]
NOISE_NAMES = get_args(NoiseName)


class Condition(NamedTuple):
    """One way to corrupt every clip: ``name`` of a noise or of a setting of ``Corruptions``, and how much of it."""

    name: str
    level: float


@dataclass(frozen=True)
class Corruptions:
    """The corrupted copies of the test clips that a trained model is scored on; an empty list leaves a kind out.

    Attributes
    ----------
    snr_db : ratios of a clip's mean power, over its own samples, to that of the noise, in decibels.
    noises : "recordings": a stretch of a noise recording that is held out for the test; else a colour.
    shift_ms : milliseconds by which a clip moves, to the right where above 0; zeros move in.
    gain_db : decibels by which a clip becomes louder or softer; what no 16-bit sample holds is clipped.
    speed : a clip is played so many times as fast, with all its frequencies; it becomes shorter or longer, and a
        frontend pads or chops it as any other.
    telephone : 8 kHz and 300 to 3400 Hz alone.
    clipping : samples beyond this share of the clip's peak are cut to it.
    reverb_s : reverberation times (the echoes fall by 60 dB) of the rooms that clips are heard in.
    """

    snr_db: tuple[float, ...] = (20.0, 15.0, 10.0, 5.0, 0.0, -5.0)
    noises: tuple[NoiseName, ...] = ("recordings", "white", "pink")
    shift_ms: tuple[float, ...] = (-100.0, 100.0)
    gain_db: tuple[float, ...] = (-20.0, -10.0, 10.0, 20.0)
    speed: tuple[float, ...] = (0.8, 0.9, 1.1, 1.2)
    telephone: bool = True
    clipping: tuple[float, ...] = (0.5, 0.2, 0.1)
    reverb_s: tuple[float, ...] = (0.2, 0.5, 1.0)

    def __post_init__(self) -> None:
        for name, good, want in (
            ("speed", lambda x: SLOWEST <= x <= FASTEST and x != 1, f"from {SLOWEST:g} to {FASTEST:g}, and not 1"),
            ("clipping", lambda x: 0 < x < 1, "shares between 0 and 1"),
            ("reverb_s", lambda x: x > 0, "seconds above 0"),
        ):
            wrong = [level for level in getattr(self, name) if not good(level)]
            if wrong:
                raise UserError(f"{name} {wrong[0]:g}: expected {want}")
        for name in (one.name for one in fields(self) if one.name != "telephone"):
            levels = getattr(self, name)
            if twice := [level for level in levels if levels.count(level) > 1]:
                raise UserError(f"{name}: {twice[0]} stands twice", todo="keep one")
        if bool(self.snr_db) != bool(self.noises):
            raise UserError("noise needs both snr_db and noises", todo="to leave it out, make both []")
        if not self.conditions:
            raise UserError("nothing is corrupted", todo="name a level, or leave robustness out")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every noise at every ratio, then the other kinds at their levels; the telephone's only level is 1."""
        noisy = [Condition(name, snr) for name in self.noises for snr in self.snr_db]
        others = ("shift_ms", "gain_db", "speed", "telephone", "clipping", "reverb_s")
        levels = {name: getattr(self, name) for name in others} | {"telephone": (1.0,) * self.telephone}
        return (*noisy, *(Condition(name, float(level)) for name in others for level in levels[name]))


@dataclass(frozen=True)
class NoiseBank:
    """The noise recordings of one side: int16 (n,) and the rate in Hz of each."""

    recordings: Sequence[tuple[np.ndarray, int]] = ()

    @cached_property
    def _at_rate(self) -> dict[int, list[np.ndarray]]:
        return {}

    def at(self, rate: int) -> list[np.ndarray]:
        """The recordings that are not all zeros, at ``rate``."""
        if rate not in self._at_rate:
            sounding = [(samples, own) for samples, own in self.recordings if np.any(samples)]
            self._at_rate[rate] = [resample(samples, own, rate) for samples, own in sounding]
        return self._at_rate[rate]

    def stretch(self, n: int, rate: int, rng: np.random.Generator) -> np.ndarray:
        """float32 (n,): from a drawn place of a drawn recording, which is repeated where it is shorter."""
        sources = self.at(rate)
        source = sources[rng.integers(len(sources))]
        begin = rng.integers(max(len(source) - n, 0) + 1)
        return np.resize(source[begin : begin + n], n).astype(np.float32)


@dataclass(frozen=True)
class Corruption:
    """What one condition does to clips.

    Attributes
    ----------
    condition : which.
    seed : of all draws.
    bank : recordings, for the condition of that name.
    """

    condition: Condition
    seed: int
    bank: NoiseBank = NoiseBank()

    def hear(self, clip: str, samples: np.ndarray, rate: int, silence: bool) -> np.ndarray:
        """int16 samples as they are heard.

        Noise leaves silence as it is: a ratio to it has no sense, and in noise it would be another silence.

        Parameters
        ----------
        clip : name, which its draws depend on.
        samples, rate : int16 (n,) and Hz, as recorded.
        silence : whether it is a clip of silence.
        """
        name, level = self.condition
        if not len(samples) or (silence and name in NOISE_NAMES):
            return samples
        wave = samples.astype(np.float32)
        if name == "gain_db":
            return _as_int16(wave * np.float32(10 ** (level / 20)))
        return _as_int16(_within_scale(self._heard(clip, wave, rate)))

    def _heard(self, clip: str, wave: np.ndarray, rate: int) -> np.ndarray:
        name, level = self.condition
        if name == "shift_ms":
            return shifted(wave, round(level * rate / 1000))
        if name == "speed":
            return resample(wave, round(level * rate), rate)
        if name == "telephone":
            return by_telephone(wave, rate)
        if name == "clipping":
            return overdriven(wave, level)
        rng = np.random.default_rng(derive_seed(self.seed, name, clip))
        if name == "reverb_s":
            return in_room(wave, room_response(level, rate, rng))
        noise = self.bank.stretch(len(wave), rate, rng) if name == RECORDINGS else colored_noise(name, len(wave), rng)
        return add_noise(wave, noise, level)


def shifted(wave: np.ndarray, by: int) -> np.ndarray:
    """``wave`` (n,) moved right by ``by`` samples, left where below 0; zeros move in, what moves out is lost."""
    moved = np.zeros_like(wave)
    by = max(-len(wave), min(len(wave), by))
    moved[max(by, 0) : len(wave) + min(by, 0)] = wave[max(-by, 0) : len(wave) - max(by, 0)]
    return moved


def by_telephone(wave: np.ndarray, rate: int) -> np.ndarray:
    """``wave`` (n,) through 8 kHz and a Butterworth filter for 300 to 3400 Hz, at its own rate again; float32.

    A recording whose rate is below the telephone's stays at it, and has no upper limit where the rate is one.
    """
    from scipy import signal

    line = min(rate, TELEPHONE_RATE)
    narrow = signal.sosfilt(_telephone_filter(line), resample(wave, rate, line))
    return resample(narrow, line, rate)[: len(wave)].astype(np.float32)


@cache
def _telephone_filter(rate: int) -> np.ndarray:
    """Second-order sections, as a filter's design takes longer than its use on a clip."""
    from scipy import signal

    low, high = TELEPHONE_HZ
    band, kind = ((low, high), "bandpass") if high < rate / 2 else (low, "highpass")
    sections: np.ndarray = signal.butter(TELEPHONE_ORDER, band, kind, fs=rate, output="sos")
    return sections


def overdriven(wave: np.ndarray, share: float) -> np.ndarray:
    """``wave`` with all beyond ``share`` of its peak cut to that."""
    most = share * np.abs(wave).max(initial=0.0)
    return np.clip(wave, -most, most)


def room_response(rt60_s: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """float64 (rt60_s × rate,) of energy 1: the direct sound at 0, then Gaussian noise that falls by 60 dB.

    Polack's model (La transmission de l'énergie sonore dans les salles, 1988), heard where the direct sound and the
    echoes are equally strong, the critical distance of the room.
    """
    n = max(2, round(rt60_s * rate))
    fall = 10 ** (-RT60_DB / 20 * np.arange(n) / (rt60_s * rate))
    response = fall * rng.standard_normal(n)
    response[0] = math.sqrt(np.sum(response[1:] ** 2))
    return response / math.sqrt(np.sum(response**2))


def in_room(wave: np.ndarray, response: np.ndarray) -> np.ndarray:
    """``wave`` (n,) in a room, float32 (n,): echoes beyond its end are lost."""
    from scipy import signal

    return signal.fftconvolve(wave, response)[: len(wave)].astype(np.float32)


def _within_scale(wave: np.ndarray) -> np.ndarray:
    """Turned down as a whole where a sample is beyond full scale: to be clipped is a corruption of its own."""
    peak = float(np.abs(wave).max(initial=0.0))
    return wave * ((FULL_SCALE - 1) / peak) if peak > FULL_SCALE - 1 else wave


def _as_int16(wave: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(wave), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
