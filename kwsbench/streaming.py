"""One cell's step after the test is scored: the same model listens to streams of words, window after window.

    long     ``hours`` of background with words of the test side in it: misses against false alarms an hour, and the
             threshold that gives at most one of them
    short    1,200 s with 50 keywords, as MLPerf Tiny's streaming wake word has it: hits, misses and false alarms at
             that threshold, which was chosen without it; other words come as often as in the long one

What is said when depends on the seed and the task, never on the model. A clip is said again only where the test side
has fewer than both streams want, and in no other case is a clip in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kwsbench.audio import resample, to_int16
from kwsbench.corruptions import NoiseBank
from kwsbench.errors import UserError
from kwsbench.evaluate.streaming import Listener, count, smooth, streaming
from kwsbench.labels import UNKNOWN
from kwsbench.noise import COLORS, colored_noise
from kwsbench.progress import Progress, silent
from kwsbench.recordings import Recordings
from kwsbench.seeds import derive_seed, fingerprint
from kwsbench.silence import SILENCE
from kwsbench.timeline import LONG, SHORT, SHORT_SECONDS, Form, Streaming, Timeline, build_timeline
from kwsbench.waves import GENERATED_RMS, Sources

if TYPE_CHECKING:
    from kwsbench.clips import Clips

VERSION = 1
GAP_S = 0.5  # at least, between words
CHOSEN_AT = 1.0  # false alarms an hour that the threshold for the short stream may give
GENERATED_S = 60.0  # of each colour, where there is no recording to be heard
BLOCK = 2000  # windows at a time: memory stays flat
DIGITS = 5  # of a posterior; more would make what is kept of hours several times as large
STREAM, TIME, BEST = "stream_name", "window_end_s", "best_keyword"  # columns beside those of the labels


@dataclass(frozen=True)
class Script:
    """What is said in the streams of a task, and over which background; the same for every model.

    Attributes
    ----------
    asked : settings.
    rows : form → the rows of the task that are said in it.
    recordings : that they are of. bank : noise recordings that are held out for the test.
    rate : Hz of the streams: the one that most of the words have.
    seed : of all draws.
    """

    asked: Streaming
    rows: dict[str, pd.DataFrame]
    recordings: Recordings
    bank: NoiseBank
    rate: int
    seed: int

    def timeline(self, form: Form, test: Clips) -> Timeline:
        """The stream itself; ``test`` lends its way to read samples, nothing of its frontend is heard."""
        rows = self.rows[form.name]
        sources = Sources(rows, self.recordings, test.frontend)
        clips = [resample(*sources.of_row(i), self.rate) for i in range(len(rows))]
        return build_timeline(
            clips,
            rows[["word", "label", "speaker"]],
            self.backgrounds(),
            rate=self.rate,
            seconds=form.seconds,
            gap_s=GAP_S,
            snr_db=self.asked.snr_db,
            seed=derive_seed(self.seed, form.name),
        )

    def backgrounds(self) -> Sequence[np.ndarray]:
        """int16 (samples,) each: the recordings, or noise of every colour where none sounds."""
        return self.bank.at(self.rate) or [
            to_int16(GENERATED_RMS * colored_noise(color, round(GENERATED_S * self.rate), self._rng(color)))
            for color in COLORS
        ]

    @property
    def background(self) -> str:
        n = len(self.bank.at(self.rate))
        recordings = f"{n} noise recording{'s' * (n != 1)} held out for the test"
        return recordings if n else f"generated noise ({', '.join(COLORS)})"

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.seed, "background", what))


def script(asked: Streaming, rows: pd.DataFrame, recordings: Recordings, bank: NoiseBank, seed: int) -> Script:
    """Who says what in which stream.

    Parameters
    ----------
    rows : of the task's test side. bank : noise recordings that are held out for the test.
    seed : of all draws, from axes that all models of a task share.

    Raises
    ------
    UserError : the test side has no keyword; the words do not fit into a stream.
    """
    spoken = rows[rows["label"] != SILENCE]
    keywords, others = spoken[spoken["label"] != UNKNOWN], spoken[spoken["label"] == UNKNOWN]
    if not len(keywords):
        raise UserError("no clip of a keyword is on the test side", "streaming", "choose another split")
    table = recordings.table.drop_duplicates("path").set_index("path")
    lengths = table["n_samples"] / table["rate"]
    found, begun = {}, [0, 0]
    order = [_drawn(part, derive_seed(seed, kind)) for part, kind in ((keywords, "keywords"), (others, "others"))]
    for form in asked.forms:
        counts = (form.n_keywords, form.n_others)
        parts = [turn(first, n) for turn, first, n in zip(order, begun, counts, strict=True)]
        begun = [first + n for first, n in zip(begun, counts, strict=True)]
        said = found[form.name] = pd.concat(parts, ignore_index=True)
        needed = float(lengths[said["path"]].sum()) + GAP_S * (len(said) + 1)
        if needed > form.seconds:
            what = f"{len(said):,} words and their gaps take {needed:,.0f} s, the {form.name} stream {form.seconds:g} s"
            raise UserError(what, "streaming.words_an_hour", "ask for fewer")
    return Script(asked, found, recordings, bank, int(table["rate"][spoken["path"]].mode().iloc[0]), seed)


def _drawn(rows: pd.DataFrame, seed: int) -> Callable[[int, int], pd.DataFrame]:
    """``turn(first, n)``: n rows from place ``first`` of a drawn order on, which begins anew at its end."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return lambda first, n: rows.iloc[order.take(np.arange(first, first + n), mode="wrap") if len(order) else []]


@dataclass(frozen=True)
class _Stream(Recordings):
    """A stream as the only recording of a corpus."""

    wave: np.ndarray

    def all_samples(self) -> np.ndarray:
        return self.wave


def listened(
    test: Clips,
    said: Script,
    posteriors: Callable[[Clips], np.ndarray],
    labels: Sequence[str],
    folder: Path,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a model hears in both streams, a row a window, and what is said in them, a row a word.

    Parameters
    ----------
    test : clips of the test side, whose frontend and statistics every window goes through.
    posteriors : clips → (n, labels) in 0..1.
    folder : what is computed of a block of windows lies there for as long as the block takes.

    Returns
    -------
    ``stream_name, window_end_s, best_keyword`` and one float32 posterior column a label, not smoothed; and
    ``stream_name`` with the columns of ``Timeline.events``.
    """
    window, asked, labels = test.frontend.seconds, said.asked, list(labels)
    spotted = [label for label in labels if label not in (UNKNOWN, SILENCE)]
    folder.mkdir(parents=True, exist_ok=True)
    heard, events = [], []
    for form in asked.forms:
        timeline = said.timeline(form, test)

        def tell(done: int, total: int, name: str = form.name) -> None:
            progress("streaming", done, total, f"{name} stream, {done:,} of {total:,} windows")

        found = _heard(timeline, test, posteriors, asked.hop_s, folder, tell)
        table = pd.DataFrame(found, columns=pd.Index(labels))
        best = smooth(table[spotted].to_numpy(float), asked.smoothed).argmax(axis=1)
        table.insert(0, STREAM, form.name)
        table.insert(1, TIME, listener(asked, window).ends(len(table)))
        table.insert(2, BEST, np.array(spotted, object)[best])
        heard.append(table)
        events.append(timeline.events.assign(**{STREAM: form.name})[[STREAM, *timeline.events.columns]])
    return pd.concat(heard, ignore_index=True), pd.concat(events, ignore_index=True)


def _heard(
    timeline: Timeline, test: Clips, posteriors: Callable[[Clips], np.ndarray], hop_s: float, folder: Path,
    tell: Callable[[int, int], None],
) -> np.ndarray:  # fmt: skip
    """float32 (windows, labels); the last window ends where the stream does."""
    samples, rate = timeline.waveform, timeline.rate
    size = round(test.frontend.seconds * rate)
    n = 1 + int(np.ceil(round((len(samples) - size) / (hop_s * rate), 9)))
    starts = np.minimum(np.round(np.arange(n) * hop_s * rate).astype(np.int64), len(samples) - size)
    columns = ["path", "sha256", "n_samples", "rate", "offset", "error"]
    known = ["stream", hashlib.sha256(samples.data).hexdigest(), len(samples), rate, 0, ""]
    table = pd.DataFrame([known], index=pd.Index(["stream"], name="clip"), columns=pd.Index(columns))
    stream = _Stream(table, Path(), samples)
    parts = []
    for first in range(0, n, BLOCK):
        tell(first, n)
        own = starts[first : first + BLOCK]
        rows = pd.DataFrame({"clip": [f"stream/{i}" for i in own], "path": "stream", "start": own, "stop": own + size})
        rows = rows.assign(gain=1.0, peak=False, word="", label="", target=0, speaker="", side=test.side)
        with TemporaryDirectory(dir=folder, prefix="windows-") as scratch:
            heard = posteriors(test.elsewhere(rows, stream, Path(scratch)))
            parts.append(np.round(heard, DIGITS).astype(np.float32))
    tell(n, n)
    return np.concatenate(parts)


def as_posteriors(scores: np.ndarray) -> np.ndarray:
    """float64 (n, labels): softmax of each row; equal shares where nothing is possible."""
    best = scores.max(axis=1, keepdims=True).astype(float)
    shares = np.exp(np.where(np.isfinite(best), scores - np.where(np.isfinite(best), best, 0.0), 0.0))
    found: np.ndarray = shares / shares.sum(axis=1, keepdims=True)
    return found


def listener(asked: Streaming, window_s: float) -> Listener:
    """How windows of so many seconds are listened to."""
    return Listener(asked.hop_s, window_s, asked.smoothed, asked.refractory_s, asked.tolerance_s)


def of_stream(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of one stream."""
    return table[table[STREAM] == name]


def as_evaluated(
    windows: pd.DataFrame, events: pd.DataFrame, labels: Sequence[str], name: str
) -> tuple[np.ndarray, Sequence[str], pd.DataFrame]:
    """Posteriors, labels and events of one stream as ``evaluate.streaming`` takes them; a word goes by its label."""
    said = of_stream(events, name)
    return of_stream(windows, name)[list(labels)].to_numpy(float), labels, said.assign(word=said["label"])


def summary(
    windows: pd.DataFrame, events: pd.DataFrame, labels: Sequence[str], said: Script, window_s: float
) -> dict[str, Any]:
    """What a record says of both streams; from what is kept beside the predictions the same comes out again."""
    how = listener(said.asked, window_s)
    long, short = (as_evaluated(windows, events, labels, name) for name in (LONG, SHORT))
    swept = streaming(*long, how)
    threshold = swept.threshold_at(CHOSEN_AT)
    counts = count(*short, how, threshold)
    return {
        "hours": said.asked.hours,
        "window_s": window_s,
        "n_words": len(of_stream(events, LONG)),
        "n_events": swept.n_events,
        "snr_db": list(said.asked.snr_db),
        "background": said.background,
        "timeline": fingerprint(events.round(6).to_csv(index=False)),
        "false_rejection": {f"{rate:g}": share for rate, share in swept.at_alarms.items()},
        "threshold": threshold,
        "short": {"seconds": SHORT_SECONDS, "n_events": sum(counts[:2]), **counts._asdict()},
    }
