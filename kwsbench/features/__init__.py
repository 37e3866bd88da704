"""From samples to frames: the settings of a frontend, and one function a stage in the modules beside."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args, get_type_hints

from kwsbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

VERSION = 3
WEBRTC_RATES = (8000, 16000, 32000, 48000)
VTLN_LOW, VTLN_MARGIN = 100.0, 500.0  # Hz: the lower knee of a warp, and the upper one's distance from half the rate
WARPS = "1, or from 0.7 to 1.4 for kaldi_mfcc with bands that begin below 100 Hz and end within 500 Hz of half the rate"


@dataclass(frozen=True)
class Frontend:
    """What is done to a recording before a model sees it, in this order.

    Attributes
    ----------
    kind : what comes out; "waveform": the samples themselves; "kaldi_mfcc": MFCC as Kaldi computes them.
    rate : Hz, after resampling.
    resample : "polyphase": Kaiser-windowed filter; "fft": cut the spectrum of the whole recording, as the seeds did.
    speed : the recording is played so many times as fast, with all its frequencies.
    vad : trim to where there is speech: "energy" (frames within 30 dB of the loudest), "webrtc" (extra ``vad``).
    margin_s, margin_level : so many seconds of Gaussian noise before and after, of that deviation in int16 units: for
        recordings cut so close that there is no silence around the word.
    dither : deviation, in int16 units, of Gaussian noise added to the recording. Noise is decided by the samples alone.
    seconds : length to pad or chop to.
    fit : where the padding goes: "end", "start" (the seed kernel's), "center"; "none": clips keep their own length, up
        to ``seconds``.
    scale : samples as "int16" values, as the seeds and python_speech_features take them, or "unit": in [−1, 1).
    window, window_ms, step_ms : frames; the window of kaldi_mfcc is Povey's always.
    last_frame : samples after the last whole frame are dropped, or padded with zeros to a frame.
    n_fft : points; 0: the window's length for a spectrogram, the next power of two for the others.
    low_hz, high_hz : of the filter banks; low_hz 0: 20 for kaldi_mfcc; high_hz 0: half the rate.
    n_filters : mel or Bark bands; 0: 40 (log_mel), 26 (mfcc), 23 (kaldi_mfcc), one a Bark and one (plp).
    warp : of the bands of kaldi_mfcc: factor by which a speaker's frequencies are divided (vocal tract normalisation).
    n_cepstra : coefficients of mfcc and plp.
    preemphasis : of mfcc and plp; 0: none.
    lifter : of the cepstra; 0: none.
    energy : the first cepstrum is the log of the frame's energy.
    eps : added to, or least value of, what a logarithm is taken of; cepstra have the least value of what they follow.
    deltas : 0; 1: with differences; 2: with differences of differences (over ± 2 frames).
    normalise : each dimension to mean 0 and deviation 1: "global" by the training side, "utterance" by the clip,
        "speaker" by the speaker's clips of the same side (silence: by the clip), "sliding" by the frames around.
    variances : normalise the deviation too, or only the mean.
    sliding_frames : how many frames around; as many where the clip begins and ends, all of a clip that has fewer.
    stack : frames joined into one.
    splice : so many frames either side are put beside each frame, after normalisation; a clip's own ends are repeated.
    """

    kind: Literal["waveform", "log_spectrogram", "log_mel", "mfcc", "kaldi_mfcc", "plp"] = "log_spectrogram"
    rate: int = 16000
    resample: Literal["polyphase", "fft"] = "polyphase"
    speed: float = 1.0
    vad: Literal["none", "energy", "webrtc"] = "none"
    margin_s: float = 0.0
    margin_level: float = 10.0
    dither: float = 0.0
    seconds: float = 1.0
    fit: Literal["end", "start", "center", "none"] = "end"
    scale: Literal["int16", "unit"] = "int16"
    window: Literal["hann", "hamming", "rectangular"] = "hann"
    window_ms: float = 25.0
    step_ms: float = 10.0
    last_frame: Literal["drop", "pad"] = "drop"
    n_fft: int = 0
    low_hz: float = 0.0
    high_hz: float = 0.0
    n_filters: int = 0
    warp: float = 1.0
    n_cepstra: int = 13
    preemphasis: float = 0.97
    lifter: int = 22
    energy: bool = True
    eps: float = 1e-10
    deltas: Literal[0, 1, 2] = 0
    normalise: Literal["none", "global", "utterance", "speaker", "sliding"] = "none"
    variances: bool = True
    sliding_frames: int = 300
    stack: int = 1
    splice: int = 0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Frontend).items():
            _check_choice(name, getattr(self, name), get_args(hint))
        frames = self.kind != "waveform"
        least_bands = 3 if self.kind == "plp" else 1  # the two ends of plp's are copies of their neighbours
        checks = {  # setting → (good, what would be)
            "rate": (self.rate >= 1000, "1000 or more"),
            "speed": (0.5 <= self.speed <= 2, "from 0.5 to 2"),
            "vad": (self.vad != "webrtc" or self.rate in WEBRTC_RATES, f"another, or a rate of {WEBRTC_RATES}"),
            "seconds": (self.n_samples >= 2, "more than 0"),
            "step_ms": (not frames or self.step >= 1, "a sample or more"),
            "window_ms": (not frames or self.window_samples >= 2, "two samples or more"),
            "n_fft": (self.n_fft == 0 or self.n_fft >= self.window_samples, "0, or the window's samples or more"),
            "last_frame": (self.kind != "kaldi_mfcc" or self.last_frame == "drop", "drop, as Kaldi does"),
            "margin_s": (0 <= self.margin_s < self.seconds, f"from 0 to below {self.seconds:g}, or nothing else fits"),
            "margin_level": (self.margin_level >= 0, "0 or more"),
            "dither": (self.dither >= 0, "0 or more"),
            "warp": (self.warp == 1 or self._can_warp, WARPS),
            "sliding_frames": (self.sliding_frames >= 1, "1 or more"),
            "low_hz": (self.low_hz >= 0 and self.bottom_hz < self.top_hz, f"from 0 to below {self.top_hz:g}"),
            "high_hz": (self.top_hz <= self.rate / 2, f"at most {self.rate / 2:g}, half the rate"),
            "n_filters": (self.n_filters == 0 or self.n_filters >= least_bands, f"0, or {least_bands} or more"),
            "n_cepstra": (1 <= self.n_cepstra <= self.most_cepstra, f"from 1 to {self.most_cepstra}"),
            "lifter": (self.lifter >= 0, "0 or more"),
            "stack": (self.stack >= 1, "1 or more"),
            "splice": (self.splice == 0 or (frames and self.splice > 0), "0 or more" if frames else "0 for waveforms"),
            "eps": (self.eps > 0, "more than 0"),
        }
        for name, (good, want) in checks.items():
            if not good:
                raise UserError(f"{name} is {getattr(self, name)}", "frontend", f"give {want}")
        if frames and self.n_frames < 1:
            what = f"{self.seconds} s hold no {self.stack} frames of {self.window_ms} ms every {self.step_ms} ms"
            raise UserError(what, "frontend", "make seconds longer")

    # -- sizes, each computed here and nowhere else ----------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Samples of a clip."""
        return _whole(self.seconds * self.rate)

    @property
    def window_samples(self) -> int:
        return _whole(self.window_ms * self.rate / 1000)

    @property
    def step(self) -> int:
        return _whole(self.step_ms * self.rate / 1000)

    @property
    def fft_points(self) -> int:
        if self.n_fft or self.kind == "log_spectrogram":
            return self.n_fft or self.window_samples
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def bands(self) -> int:
        """Filters of the mel or Bark bank."""
        if self.n_filters or self.kind in ("waveform", "log_spectrogram"):
            return self.n_filters
        if self.kind == "plp":
            from kwsbench.features.scales import barks

            return barks(self.rate)
        return {"log_mel": 40, "kaldi_mfcc": 23}.get(self.kind, 26)

    @property
    def bottom_hz(self) -> float:
        """Where the filter banks begin."""
        return self.low_hz or (20.0 if self.kind == "kaldi_mfcc" else 0.0)

    @property
    def top_hz(self) -> float:
        """Where the filter banks end."""
        return self.high_hz or self.rate / 2

    @property
    def _can_warp(self) -> bool:
        """The bank has to reach beyond both knees, as in Kaldi; below 2 kHz they would cross."""
        reaches = self.bottom_hz < VTLN_LOW and self.top_hz > self.rate / 2 - VTLN_MARGIN and self.rate >= 2000
        return self.kind == "kaldi_mfcc" and 0.7 <= self.warp <= 1.4 and reaches

    @property
    def most_cepstra(self) -> int:
        """Cepstra that the bands give; any number where there are none."""
        return self.bands if self.kind in ("mfcc", "kaldi_mfcc", "plp") else max(self.n_cepstra, 1)

    def frames_of(self, samples: int) -> int:
        """Frames, before stacking, that so many samples give."""
        over = samples - self.window_samples
        if self.last_frame == "drop":
            return over // self.step + 1 if over >= 0 else 0
        return -(-max(over, 0) // self.step) + 1

    @property
    def n_frames(self) -> int:
        """Frames of a clip, after stacking; the waveform itself is one."""
        return 1 if self.kind == "waveform" else self.frames_of(self.n_samples) // self.stack

    @property
    def n_static(self) -> int:
        """Dimensions before differences and stacking."""
        if self.kind == "waveform":
            return self.n_samples
        if self.kind == "log_spectrogram":
            return self.fft_points // 2 + 1
        return self.bands if self.kind == "log_mel" else self.n_cepstra

    @property
    def n_single(self) -> int:
        """Dimensions of a frame before its neighbours are put beside it."""
        return self.n_static if self.kind == "waveform" else self.n_static * (1 + self.deltas) * self.stack

    @property
    def n_dims(self) -> int:
        return self.n_single * (2 * self.splice + 1)

    def lengths(self, samples: np.ndarray) -> np.ndarray:
        """Frames after stacking of clips of so many samples: int64 (n,) → int64 (n,), at least 1."""
        import numpy as np

        if self.kind == "waveform":
            return np.ones(len(samples), np.int64)
        known, which = np.unique(samples, return_inverse=True)
        own = np.array([self.frames_of(int(n)) for n in known], np.int64)[which]
        return np.clip(own // self.stack, 1, self.n_frames)

    # -- the way from samples to frames ----------------------------------------------------------------------------

    def frames(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """float32 (n, samples) in [−1, 1) → (n, frames, dims) on the same device, before normalisation and splicing.

        ``lengths`` (n,): frames before which a clip ends, so that differences do not look into its padding.
        """
        import torch

        from kwsbench.features import cepstral, frames, spectral

        if self.kind == "waveform":
            return waves[:, None, :]
        x = waves * 32768 if self.scale == "int16" else waves
        make = {
            "log_spectrogram": spectral.log_spectrogram,
            "log_mel": spectral.log_mel,
            "mfcc": cepstral.mfcc,
            "kaldi_mfcc": cepstral.kaldi_mfcc,
            "plp": cepstral.plp,
        }[self.kind]
        few = frames.TOGETHER if x.device.type == "cpu" else max(len(x), 1)
        static = torch.cat([make(part, self) for part in x.split(few)])
        raw = None if lengths is None else lengths * self.stack
        return frames.stacked(frames.with_deltas(static, self.deltas, raw), self.stack)

    def frames_numpy(self, waves: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """int16 (n, samples), and lengths int64 (n,) in frames → float32 (n, frames, dims); ``frames`` on all cores."""
        from kwsbench.features.batches import frames_of_many

        return frames_of_many(self, waves, lengths)


def _check_choice(name: str, found: object, choices: tuple[object, ...]) -> None:
    """No choices: any value will do."""
    if not choices or found in choices:
        return
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"{name} is {found}", "frontend", f"{hint}give one of {', '.join(names)}")


def _whole(x: float) -> int:
    """The nearest integer; halves go up, as in python_speech_features."""
    return math.floor(x + 0.5)
