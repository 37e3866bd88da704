"""Training clips as they might also have been: faster, shifted, in noise, by another microphone, louder or softer.

Frames may have stretches of time and bands of frequency masked (Park et al., SpecAugment, arXiv 1904.08779), and clips
of words may become decoys, which are no longer a word.

What happens to a clip depends on the seed, the epoch and the clip's place in its side alone: not, but for rounding, on
batches or device, nor on where a training was resumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kwsbench.errors import UserError
from kwsbench.noise import COLORS, colored_noise
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from torch import Tensor

COLOR_SECONDS = 30  # of each coloured noise that stretches are cut from
COLOR_RMS = 3000.0  # of int16; any level will do, for the mix is set by the ratio
FEWEST_BANDS, MOST_BANDS = 3, 5  # of a filter, as the authors of FilterAugment draw them
CURVE_POINTS = 65  # that a filter's curve is kept at, from 0 Hz to half the rate, evenly in mel


@dataclass(frozen=True)
class Augmentation:
    """How training clips are varied.

    Attributes
    ----------
    shift_ms : a clip moves by up to so many milliseconds either way; zeros move in.
    noise_share : share of clips that get noise: half of them a stretch of the training side's noise recordings (where
        there are any), half a coloured one.
    snr_low_db, snr_high_db : range the ratio of clip to noise is drawn from, evenly in decibels; a clip's power is over
        as many samples as were recorded, also where it is played faster or goes on as another.
    gain_db : a clip becomes up to so many decibels louder or softer.
    speed : a clip plays up to this share faster or slower, its middle in its place; 0.1: 0.9 to 1.1 times.
    filter_db : a clip sounds as by another microphone: three to five bands of frequencies meet at gains of up to so
        many decibels either way, in mel and decibels in a line from one to the next (Nam et al., FilterAugment, arXiv
        2110.03282, of the linear kind; its bands are at least 6 mel filters wide, and these may be narrower).
    time_masks, time_mask : so many stretches of up to so many frames have the clip's mean put in their place.
    band_masks, band_mask : the same for neighbouring dims. Masks are for frames, not for waveforms.
    decoy_share : share of clips of words that become ``unknown``.
    decoys : how: "reversed"; "joined" to the second half of a clip of another word, reversed where the clip drawn for
        it is of no other; or "both", about half of them each.
    """

    shift_ms: float = 100.0
    noise_share: float = 0.8
    snr_low_db: float = 0.0
    snr_high_db: float = 30.0
    gain_db: float = 6.0
    speed: float = 0.0
    filter_db: float = 0.0
    time_masks: int = 0
    time_mask: int = 25
    band_masks: int = 0
    band_mask: int = 7
    decoy_share: float = 0.0
    decoys: Literal["both", "reversed", "joined"] = "both"

    def __post_init__(self) -> None:
        problems = {
            "shift_ms": self.shift_ms < 0,
            "noise_share": not 0 <= self.noise_share <= 1,
            "snr_high_db": self.snr_high_db < self.snr_low_db,
            "gain_db": self.gain_db < 0,
            "speed": not 0 <= self.speed < 1,
            "filter_db": self.filter_db < 0,
            "time_masks": self.time_masks < 0,
            "time_mask": self.time_mask < 0,
            "band_masks": self.band_masks < 0,
            "band_mask": self.band_mask < 0,
            "decoy_share": not 0 <= self.decoy_share <= 1,
        }
        for name, wrong in problems.items():
            if wrong:
                todo = (
                    "at least 0 (noise_share, decoy_share: at most 1, speed: below, snr_high_db: at least snr_low_db)"
                )
                raise UserError(f"{name} is {getattr(self, name)}", todo=f"it has to be {todo}")

    @property
    def on(self) -> bool:
        """Whether anything is varied at all."""
        return bool(self.changes_waves or self.time_masks or self.band_masks)

    @property
    def changes_waves(self) -> bool:
        """Whether waveforms are, so that frames have to be computed anew."""
        return bool(
            self.shift_ms or self.noise_share or self.gain_db or self.speed or self.filter_db or self.decoy_share
        )


@dataclass(frozen=True)
class Draws:
    """What happens to each clip of an epoch, arrays (n,).

    Attributes
    ----------
    shift : int64 samples to the right. mixed : bool, noise or none. start : int64, where in the bank the noise begins.
    snr_db, gain_db, rate : float32. decoy : int64, 0 for none, 1 for a clip that is reversed, 2 for one that goes on as
    another; partner : int64, that other clip.
    masks : float32 (n, masks, 2) from 0 to 1: where masks of time, then those of bands, begin, and how wide they are.
    curves : float32 (n, CURVE_POINTS) decibels of each clip's filter; (n, 0) without filters.
    """

    shift: np.ndarray
    mixed: np.ndarray
    start: np.ndarray
    snr_db: np.ndarray
    gain_db: np.ndarray
    rate: np.ndarray
    decoy: np.ndarray
    partner: np.ndarray
    masks: np.ndarray
    curves: np.ndarray


class Augmenter:
    """Draws for every clip of an epoch, and applies them to batches.

    Parameters
    ----------
    settings : what to vary.
    n, n_samples, rate : clips of the side, samples a clip, samples a second.
    recordings : int16 noise recordings of the training side at ``rate``; may be none.
    seed : of all draws and of the coloured noise.
    words : bool (n,), clips that may become decoys; targets : int64 (n,), which word each is.
    """

    def __init__(
        self,
        settings: Augmentation,
        n: int,
        n_samples: int,
        rate: int,
        recordings: Sequence[np.ndarray],
        seed: int,
        device: str,
        words: np.ndarray | None = None,
        targets: np.ndarray | None = None,
    ) -> None:
        import torch

        self.words = np.zeros(n, bool) if words is None else words
        self.targets = np.zeros(n, np.int64) if targets is None else targets
        self.settings, self.n, self.n_samples, self.seed = settings, n, n_samples, seed
        self.rate = rate
        self.reach = round(settings.shift_ms * rate / 1000)
        colored = [_color_track(color, max(COLOR_SECONDS * rate, n_samples), seed) for color in COLORS]
        sources = [_at_least(x, n_samples) for x in recordings if np.any(x)] if settings.noise_share else []
        self.n_recorded = len(sources)
        sources += colored if settings.noise_share else [np.zeros(n_samples, np.int16)]
        lengths = np.array([len(x) for x in sources])
        self.begins = np.cumsum(lengths) - lengths
        self.room = lengths - n_samples + 1  # places a stretch of each source may begin at
        self.bank = torch.from_numpy(np.concatenate(sources)).to(device)

    def draw(self, epoch: int) -> Draws:
        """The draws of an epoch, for all clips of the side."""
        rng = np.random.default_rng(derive_seed(self.seed, "augment", epoch))
        n, settings = self.n, self.settings
        recorded = rng.random(n) < (0.5 if self.n_recorded else 0.0)
        pick = rng.random(n)
        source = np.where(
            recorded,
            (pick * self.n_recorded).astype(np.int64),
            self.n_recorded + (pick * (len(self.begins) - self.n_recorded)).astype(np.int64),
        )
        shift = rng.integers(-self.reach, self.reach + 1, n)
        mixed = rng.random(n) < settings.noise_share
        start = self.begins[source] + (rng.random(n) * self.room[source]).astype(np.int64)
        snr_db = rng.uniform(settings.snr_low_db, settings.snr_high_db, n).astype(np.float32)
        gain_db = rng.uniform(-settings.gain_db, settings.gain_db, n).astype(np.float32)
        decoy = (rng.random(n) < settings.decoy_share) * self.words * rng.integers(1, 3, n)
        if settings.decoys != "both":
            decoy[decoy > 0] = 1 if settings.decoys == "reversed" else 2
        partner = rng.permutation(n)
        decoy[(decoy == 2) & ((self.targets[partner] == self.targets) | ~self.words[partner])] = 1
        rate = rng.uniform(1 - settings.speed, 1 + settings.speed, n).astype(np.float32)
        curves = _curves(rng, n, settings.filter_db) if settings.filter_db else np.empty((n, 0), np.float32)
        # last, so that a teacher without masks hears the same clips
        masks = rng.random((n, settings.time_masks + settings.band_masks, 2), np.float32)
        return Draws(shift, mixed, start, snr_db, gain_db, rate, decoy, partner, masks, curves)

    def apply(self, waves: "Tensor", lengths: "Tensor", draws: Draws, index: np.ndarray) -> "Tensor":
        """A varied batch, float32 (b, samples) in [-1, 1].

        Parameters
        ----------
        waves : float32 (b, samples) in [-1, 1).
        lengths : (b,) true samples of each clip, padding aside: the power of a clip is that of its own samples.
        draws, index : of the epoch; (b,) places of the batch's clips in the side.
        """
        import torch

        if self.settings.speed:
            waves = played(waves, torch.from_numpy(draws.rate[index]).to(waves.device))
        if self.reach:
            waves = shifted(waves, torch.from_numpy(draws.shift[index]).to(waves.device), self.reach)
        mixed = np.flatnonzero(draws.mixed[index])
        if len(mixed):
            rows = torch.from_numpy(mixed).to(waves.device)
            starts = torch.from_numpy(draws.start[index[mixed]]).to(waves.device)
            snr = torch.from_numpy(draws.snr_db[index[mixed]]).to(waves.device)
            noise = self.bank.unfold(0, self.n_samples, 1)[starts].float()
            waves = waves.index_copy(0, rows, with_noise(waves[rows], noise, snr, lengths[rows]))
        gain = torch.from_numpy(10 ** (draws.gain_db[index] / 20)).to(waves.device)
        return (waves * gain[:, None]).clamp_(-1, 1)

    def color(self, waves: "Tensor", draws: Draws, index: np.ndarray) -> "Tensor":
        """The batch as each clip's own microphone hears it; the last of all that happens to waveforms."""
        import torch

        if not self.settings.filter_db:
            return waves
        return filtered(waves, torch.from_numpy(draws.curves[index]).to(waves.device), self.rate)


def shifted(waves: "Tensor", shift: "Tensor", reach: int) -> "Tensor":
    """Each row moved right by its own number of samples (at most ``reach`` either way), zeros moving in."""
    import torch
    from torch.nn import functional as F

    rows = torch.arange(len(waves), device=waves.device)
    return F.pad(waves, (reach, reach)).unfold(1, waves.shape[1], 1)[rows, reach - shift]


def played(waves: "Tensor", rate: "Tensor") -> "Tensor":
    """Each row at its own rate about its middle, between samples in a line, zeros beyond its ends."""
    import torch
    from torch.nn import functional as F

    n = waves.shape[1]
    middle = (n - 1) / 2
    at = (torch.arange(n, device=waves.device) - middle) * rate[:, None] + middle
    left = at.floor()
    inside = F.pad(waves, (1, 1))
    place = left.long().clamp(-1, n - 1) + 1
    here, after = inside.gather(1, place), inside.gather(1, (place + 1).clamp(max=n + 1))
    return torch.lerp(here, after, (at - left)) * ((at > -1) & (at < n))


def filtered(waves: "Tensor", curves: "Tensor", rate: int) -> "Tensor":
    """Each row through its own filter without delay: decibels (b, CURVE_POINTS), evenly in mel from 0 to rate / 2."""
    import torch

    n = waves.shape[1]
    mels = torch.log1p(torch.arange(n // 2 + 1, device=waves.device) * (rate / n / 700.0))
    place = mels * ((CURVE_POINTS - 1) / np.log1p(rate / 2 / 700.0))
    left = place.long().clamp(max=CURVE_POINTS - 2)
    decibels = torch.lerp(curves[:, left], curves[:, left + 1], place - left)
    return torch.fft.irfft(torch.fft.rfft(waves) * torch.exp(decibels * (np.log(10) / 20)), n).clamp_(-1, 1)


def as_decoys(waves: "Tensor", others: "Tensor", decoy: "Tensor") -> "Tensor":
    """Rows as they are (0), reversed (1), or with the second half of ``others`` (2)."""
    import torch

    half = waves.shape[1] // 2
    joined = torch.cat([waves[:, :half], others[:, half:]], 1)
    decoy = decoy[:, None]
    return torch.where(decoy == 1, waves.flip(1), torch.where(decoy == 2, joined, waves))


def masked(frames: "Tensor", masks: "Tensor", settings: Augmentation) -> "Tensor":
    """Frames (b, frames, dims) with their clip's mean in place of what ``masks`` (b, masks, 2) cover."""
    import torch

    hidden = torch.zeros(frames.shape, dtype=torch.bool, device=frames.device)
    kinds = [(1, settings.time_mask)] * settings.time_masks + [(2, settings.band_mask)] * settings.band_masks
    for (dim, widest), (begin, width) in zip(kinds, masks.permute(1, 2, 0), strict=True):
        size = frames.shape[dim]
        wide = (width * (min(widest, size) + 1)).floor()
        first = (begin * (size - wide + 1)).floor()
        place = torch.arange(size, device=frames.device)
        own = (place >= first[:, None]) & (place < (first + wide)[:, None])
        hidden |= own[:, :, None] if dim == 1 else own[:, None, :]
    return torch.where(hidden, frames.mean((1, 2), keepdim=True), frames)


def with_noise(waves: "Tensor", noise: "Tensor", snr_db: "Tensor", lengths: "Tensor") -> "Tensor":
    """Rows of ``waves`` plus rows of ``noise`` at the given ratio of mean power, of which a clip of zeros gets none."""
    clip_power = waves.square().sum(1) / lengths.clamp(min=1)
    noise_power = noise.square().mean(1).clamp(min=1e-12)
    scale = (clip_power / noise_power).sqrt() * 10 ** (-snr_db / 20)
    return waves + scale[:, None] * noise


def _curves(rng: np.random.Generator, n: int, filter_db: float) -> np.ndarray:
    """float32 (n, CURVE_POINTS): a line through gains drawn at both ends and at the edges of bands, for each clip."""
    n_bands = rng.integers(FEWEST_BANDS, MOST_BANDS + 1, n)
    gains = rng.uniform(-filter_db, filter_db, (n, MOST_BANDS + 1))
    edges = rng.random((n, MOST_BANDS - 1))
    edges[np.arange(1, MOST_BANDS) >= n_bands[:, None]] = 1.0  # of bands that this clip has not
    places = np.column_stack([np.zeros(n), np.sort(edges, axis=1), np.ones(n)])
    points = np.linspace(0, 1, CURVE_POINTS)
    curves = np.empty((n, CURVE_POINTS), np.float32)
    for curve, at, gain, bands in zip(curves, places, gains, n_bands, strict=True):
        curve[:] = np.interp(points, at[: bands + 1], gain[: bands + 1])
    return curves


def _color_track(color: str, n: int, seed: int) -> np.ndarray:
    """int16 (n,) of one coloured noise."""
    rng = np.random.default_rng(derive_seed(seed, "noise", color))
    return np.clip(COLOR_RMS * colored_noise(color, n, rng), -32768, 32767).astype(np.int16)


def _at_least(x: np.ndarray, n: int) -> np.ndarray:
    """A recording, repeated until it has ``n`` samples."""
    return np.tile(x, -(-n // len(x))) if len(x) < n else x
