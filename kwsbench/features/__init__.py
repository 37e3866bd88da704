"""From samples to frames: the settings of a frontend, and one function a stage in the modules beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kwsbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

VERSION = 1


@dataclass(frozen=True)
class Frontend:
    """What is done to a recording before a model sees it, in this order.

    Attributes
    ----------
    kind : what comes out; "waveform": the samples themselves.
    rate : Hz, after resampling.
    resample : "polyphase": Kaiser-windowed filter; "fft": cut the spectrum of the whole recording, as the seeds did.
    vad : trim to where there is speech: "energy" (frames within 30 dB of the loudest), "webrtc" (extra ``vad``).
    seconds : length to pad or chop to.
    fit : where the padding goes: "end", "start" (the seed kernel's), "center"; "none": clips keep their own length, up to
        ``seconds``.
    scale : samples as "int16" values, as the seeds and python_speech_features take them, or "unit": in [−1, 1).
    window, window_ms, step_ms : frames.
    last_frame : samples after the last whole frame are dropped, or padded with zeros to a frame.
    n_fft : points; 0: the window's length for a spectrogram, the next power of two for the others.
    low_hz, high_hz : of the filter banks; high_hz 0: half the rate.
    n_filters : mel or Bark bands; 0: 40 (log_mel), 26 (mfcc), one a Bark (plp).
    n_cepstra : coefficients of mfcc and plp.
    preemphasis : of mfcc and plp; 0: none.
    lifter : of the cepstra; 0: none.
    energy : the first cepstrum is the log of the frame's energy.
    eps : added to, or least value of, what a logarithm is taken of.
    deltas : 0; 1: with differences; 2: with differences of differences (over ± 2 frames).
    normalise : each dimension to mean 0 and deviation 1: "global" by the training side, "utterance" by the clip,
        "speaker" by the speaker's clips of the same side (silence: by the clip).
    stack : frames joined into one.
    """

    kind: Literal["waveform", "log_spectrogram", "log_mel", "mfcc", "plp"] = "log_spectrogram"
    rate: int = 16000
    resample: Literal["polyphase", "fft"] = "polyphase"
    vad: Literal["none", "energy", "webrtc"] = "none"
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
    n_cepstra: int = 13
    preemphasis: float = 0.97
    lifter: int = 22
    energy: bool = True
    eps: float = 1e-10
    deltas: Literal[0, 1, 2] = 0
    normalise: Literal["none", "global", "utterance", "speaker"] = "none"
    stack: int = 1

    def __post_init__(self) -> None:
        checks = {
            "rate": self.rate >= 1000,
            "seconds": self.n_samples >= 2,
            "step_ms": self.kind == "waveform" or self.step >= 1,
            "window_ms": self.kind == "waveform" or self.window_samples >= 2,
            "n_fft": self.n_fft == 0 or self.n_fft >= self.window_samples,
            "high_hz": self.high_hz == 0 or self.low_hz < self.high_hz <= self.rate / 2,
            "stack": self.stack >= 1,
            "eps": self.eps > 0,
        }
        for name, good in checks.items():
            if not good:
                raise UserError(
                    f"{name} is {getattr(self, name)}", "frontend", "see the settings of Frontend in README"
                )
        if self.kind != "waveform" and self.n_frames < 1:
            raise UserError(f"{self.seconds} s hold no frame of {self.window_ms} ms", "frontend", "make seconds longer")

    # -- sizes, each computed here and nowhere else ----------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Samples of a clip."""
        return round(self.seconds * self.rate)

    @property
    def window_samples(self) -> int:
        return round(self.window_ms * self.rate / 1000)

    @property
    def step(self) -> int:
        return round(self.step_ms * self.rate / 1000)

    @property
    def fft_points(self) -> int:
        if self.n_fft or self.kind == "log_spectrogram":
            return self.n_fft or self.window_samples
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def bands(self) -> int:
        """Filters of the mel or Bark bank."""
        return self.n_filters or {"log_mel": 40, "mfcc": 26}.get(self.kind, 0)

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
    def n_dims(self) -> int:
        return self.n_static if self.kind == "waveform" else self.n_static * (1 + self.deltas) * self.stack

    def lengths(self, samples: np.ndarray) -> np.ndarray:
        """Frames after stacking of clips of so many samples: int64 (n,) → int64 (n,), at least 1."""
        import numpy as np

        if self.kind == "waveform":
            return np.ones(len(samples), np.int64)
        raw = np.array([self.frames_of(int(n)) for n in np.unique(samples)], np.int64)
        own = raw[np.searchsorted(np.unique(samples), samples)]
        return np.clip(own // self.stack, 1, self.n_frames)

    # -- the way from samples to frames ----------------------------------------------------------------------------

    def frames(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """float32 (n, samples) in [−1, 1) → (n, frames, dims) on the same device, before normalisation.

        ``lengths`` (n,): frames before which a clip ends, so that differences do not look into its padding.
        """
        from kwsbench.features import cepstral, frames, spectral

        if self.kind == "waveform":
            return waves[:, None, :]
        x = waves * 32768 if self.scale == "int16" else waves
        static = {
            "log_spectrogram": spectral.log_spectrogram,
            "log_mel": spectral.log_mel,
            "mfcc": cepstral.mfcc,
            "plp": cepstral.plp,
        }[self.kind](x, self)
        raw = None if lengths is None else lengths * self.stack
        return frames.stacked(frames.with_deltas(static, self.deltas, raw), self.stack)
