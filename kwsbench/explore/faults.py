"""Are faults found that were put there? Wrong labels, copies under another speaker, silence: injected, then looked for.

Faults that a corpus had before are no false alarms: what a detector flags without any injected fault does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kwsbench.explore.duplicates import near_duplicates
from kwsbench.explore.label_errors import MIN_CLIPS, can_be_found, label_errors
from kwsbench.explore.material import Material
from kwsbench.explore.silence_check import silent_clips
from kwsbench.recordings import Recordings
from kwsbench.seeds import derive_seed
from kwsbench.sound import Sound

LABEL, COPY, SILENT = "another word's label", "copy under another speaker", "silent"
COPIES = "_copy_/"  # so begins the name of a clip that is a copy
GAIN_DB = (-6.0, 6.0)  # of a copy; at most so far from 0
SHIFT_S = 0.02
SOFT = 3.0  # deviation of soft noise in int16 units: −81 dBFS

Detector = Callable[[Material], set[str]]


@dataclass(frozen=True)
class Change:
    """How the samples of a clip are made: those of ``source``, louder by ``gain``, later by ``shift`` samples; without
    a source noise of the deviation ``gain`` in int16 units, as long as the clip was."""

    source: str
    gain: float
    shift: int
    seed: int


@dataclass(frozen=True)
class FaultyRecordings(Recordings):
    """Recordings some of which are made when they are asked for; nothing is written.

    Attributes
    ----------
    changes : clip → how it is made.
    """

    changes: Mapping[str, Change]

    def samples(self, clip: str) -> np.ndarray:
        """int16 (n_samples,), as ``Recordings.samples``."""
        change = self.changes.get(clip)
        if change is None:
            return self._before.samples(clip)
        if not change.source:
            size = int(self.table["n_samples"][clip])
            return np.rint(change.gain * np.random.default_rng(change.seed).standard_normal(size)).astype(np.int16)
        wave = self._before.samples(change.source)
        moved = np.zeros(len(wave))
        first = max(0, change.shift)
        kept = wave[max(0, -change.shift) : len(wave) - first]
        moved[first : first + len(kept)] = kept
        return np.clip(np.rint(change.gain * moved), -32768, 32767).astype(np.int16)

    @property
    def _before(self) -> Recordings:
        return Recordings(self.table, self.folder)

    def all_samples(self) -> np.ndarray:
        """Not to be had: ``offset`` of the table leads to what was there before the faults."""
        raise NotImplementedError("samples of made-up clips lie in no file; ask for them clip by clip")


@dataclass(frozen=True)
class Faulty:
    """A corpus with faults in it.

    Attributes
    ----------
    material : with the faults.
    truth : ``clip, fault, was``: a row a clip that is at fault; ``was``: its word before, or the other of two copies.
    """

    material: Material
    truth: pd.DataFrame


def inject(material: Material, share: float = 0.01, seed: int = 0) -> Faulty:
    """A corpus with three kinds of faults, each in a ``share`` of its clips (at least one), no clip with two of them.

    Labels are those of another word of at least ``MIN_CLIPS`` clips (none where there is one such word); copies are
    new clips of the same word under another speaker (none where there is no other), up to 6 dB louder or softer and up
    to 20 ms earlier or later; silence is zeros, and every second time noise at −81 dBFS. Both a copy and what it is a
    copy of are at fault, for nobody can tell which is which.
    """
    rng = np.random.default_rng(derive_seed(seed, material.sound.corpus.name, "faults"))
    clips = material.clips.reset_index(drop=True)
    n = max(1, round(share * len(clips)))
    order = rng.permutation(len(clips))
    common = clips["word"].value_counts()
    common = common[common >= MIN_CLIPS]
    wrong = order[clips["word"].iloc[order].isin(common.index).to_numpy()][: n if len(common) > 1 else 0]
    others = order[~np.isin(order, wrong)]
    copied, silenced = others[:n], others[n : 2 * n]
    words, speakers = sorted(common.index), sorted(set(clips["speaker"]) - {""})
    truth: list[tuple[str, str, str]] = []
    changes: dict[str, Change] = {}

    labels = clips["word"].to_numpy(dtype=object).copy()
    for row in wrong:
        own = labels[row]
        labels[row] = rng.choice([word for word in words if word != own])
        truth.append((clips["clip"][row], LABEL, own))
    for i, row in enumerate(silenced):
        changes[clips["clip"][row]] = Change("", SOFT * (i % 2), 0, derive_seed(seed, clips["clip"][row]))
        truth.append((clips["clip"][row], SILENT, clips["word"][row]))
    added = []
    for row in copied if len(speakers) > 1 else ():
        clip, own = clips["clip"][row], clips["speaker"][row]
        other = rng.choice([speaker for speaker in speakers if speaker != own])
        added.append(clips.loc[row].to_dict() | {"clip": f"{COPIES}{clip}", "speaker": other})
        reach = SHIFT_S * material.sound.recordings.table["rate"][clip]
        gain, shift = 10 ** (rng.uniform(*GAIN_DB) / 20), round(rng.uniform(-reach, reach))
        changes[f"{COPIES}{clip}"] = Change(clip, gain, shift, 0)
        truth += [(f"{COPIES}{clip}", COPY, clip), (clip, COPY, f"{COPIES}{clip}")]

    changed = clips.assign(word=labels)
    if added:
        changed = pd.concat([changed, pd.DataFrame(added)], ignore_index=True)
    corpus = replace(material.sound.corpus, clips=changed)
    recordings = _recordings(material.sound.recordings, changes)
    sound = Sound(corpus, recordings, material.sound.quarantined)
    return Faulty(replace(material, sound=sound), pd.DataFrame(truth, columns=["clip", "fault", "was"]))


def _recordings(before: Recordings, changes: Mapping[str, Change]) -> FaultyRecordings:
    """With rows and hashes of what was changed."""
    sources = [change.source or clip for clip, change in changes.items()]
    rows = before.table.loc[sources].set_axis(pd.Index(list(changes), name=before.table.index.name))
    table = pd.concat([before.table.drop(index=list(changes), errors="ignore"), rows])
    made = FaultyRecordings(table, before.folder, changes)
    hashes = [hashlib.sha256(made.samples(c).tobytes() + str(table["rate"][c]).encode()).hexdigest() for c in changes]
    table.loc[list(changes), "sha256"] = hashes
    return made


def wrong_labels(material: Material) -> set[str]:
    """Clips that ``label_errors`` calls an issue."""
    table = label_errors(material)
    return set(table["clip"][table["issue"]])


def copies(material: Material) -> set[str]:
    """Clips that are nearly the same as one of another speaker, see ``explore.duplicates``."""
    pairs = near_duplicates(material)
    apart = pairs[~pairs["same_speaker"].astype(bool)]
    return {*apart["clip_a"], *apart["clip_b"]}


DETECTORS: dict[str, Detector] = {LABEL: wrong_labels, COPY: copies, SILENT: silent_clips}


def flagged_by(material: Material, detectors: Mapping[str, Detector] | None = None) -> dict[str, set[str]]:
    """Fault → the clips that its detector flags; default all of ``DETECTORS``, less labels without cleanlab."""
    usable = {fault: detector for fault, detector in DETECTORS.items() if fault != LABEL or can_be_found()}
    return {fault: detector(material) for fault, detector in (detectors or usable).items()}


def found(
    truth: pd.DataFrame, flagged: Mapping[str, set[str]], before: Mapping[str, set[str]] | None = None
) -> pd.DataFrame:
    """How many of the injected faults are found, and how many that are found were injected.

    Clips with an injected fault of another kind count for nothing: silence has the wrong label too.

    Parameters
    ----------
    truth : see ``Faulty``. flagged : fault → clips.
    before : fault → clips that were flagged without the injected faults; those are faults that were there, or false
        alarms that the corpus has anyway, and left out. Default: none.

    Returns
    -------
    ``fault, injected, flagged, found, precision, recall``, a row a kind of fault that was looked for; shares in 0..1,
    NaN where there is nothing to share.
    """
    lines = []
    for fault, clips in flagged.items():
        own = set(truth["clip"][truth["fault"] == fault])
        others = set(truth["clip"]) - own
        counted = clips - others - ((before or {}).get(fault, set()) - own)
        hits = len(counted & own)
        precision = hits / len(counted) if counted else float("nan")
        recall = hits / len(own) if own else float("nan")
        lines.append((fault, len(own), len(counted), hits, precision, recall))
    return pd.DataFrame(lines, columns=["fault", "injected", "flagged", "found", "precision", "recall"])
