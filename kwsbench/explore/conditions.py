"""How was each clip recorded? Noise floor, bandwidth, clusters of both, and what can be told from them alone.

A condition is what the microphone, the room and the coding leave in a clip whatever is said in it. Where the word can
be told from it, a model can score without listening to the word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.evaluate.bootstrap import Resamples
from kwsbench.explore.counts import STILL, to_dbfs
from kwsbench.explore.material import Material
from kwsbench.seeds import derive_seed

FRAME_S = 0.032
QUIETEST = 0.2  # share of the frames that show the background
LEAST_FRAMES = 3
RUMBLE_HZ = 50.0  # below lies no speech: DC and rumble are left out
LOW_HZ, HIGH_HZ = 300.0, 3400.0  # what a telephone passes (ITU-T G.712)
BAND_HZ = 250.0
BELOW_PEAK_DB = 60.0  # bands that much weaker than the strongest are empty
EDGE_DB = 20.0  # a fall within 500 Hz that speech alone does not have
LEAST_SHARE, ONSET_DB = 0.05, 6.0  # so far above the quietest of the frames something is said
BEFORE_FRAMES = 6  # the last frames before that, 0.1 s, may hold a breath or a soft beginning of the word
QUIET = ("noise_dbfs", "noise_low_db", "noise_high_db")
LEAD_IN = ("lead_dbfs", "lead_low_db", "lead_high_db")
WHOLE = ("bandwidth_hz", "edge_db")
MEASURES = (*QUIET, *LEAD_IN, *WHOLE)
CLUSTERED = (*QUIET, "bandwidth_hz")
NO_SOUND = -1  # cluster of clips without a frame of sound

MOST_FITTED = 5000  # clips that a mixture is fitted to
MOST_CLUSTERS = 6
MOST_ASKED = 6000  # clips that a question is asked of
LEAST_SPEAKERS = 5  # of a word or a side, and folds of the cross-validation
LEAST_CLIPS = 20
LEAST_LEAD_INS = 0.1  # share of the clips that have one; where nearly all are cut to the word, the rest are odd ones
MOST_CLASSES = 40
DRAWS = 2000
LEVEL = 0.99  # of the intervals: forests share clips they learn from, so that 95 % would be passed too often


def condition_measures(material: Material) -> pd.DataFrame:
    """One pass over all clips, at their own rates.

    Returns
    -------
    Index ``clip``, in the corpus's order, float, all NaN but the first where a clip has no frame of sound:
    ``noise_dbfs``, level from 50 Hz on of the quietest fifth of the frames of 32 ms, those of digital silence left out;
    ``noise_low_db`` and ``noise_high_db``, of the same frames, level per Hz below 300 Hz and above 3.4 kHz (or 85 % of
    half the rate, if that is lower), to that between;
    ``lead_dbfs``, ``lead_low_db``, ``lead_high_db``, the same of the lead-in: the frames up to 0.1 s before the first
    that is 6 dB above the quietest twentieth; NaN where there are fewer than three, or no such frame;
    ``bandwidth_hz``, upper end of the highest of two neighbouring bands of 250 Hz that are no more than 60 dB weaker
    than the strongest, over the whole clip;
    ``edge_db``, by how much the level falls there within 500 Hz; 0 where the bandwidth is half the rate.
    """
    rows = material.measure("measuring conditions", measure_condition, rate=None)
    return pd.DataFrame(rows, columns=list(MEASURES), index=pd.Index(material.clips["clip"], name="clip"))


def measure_condition(signal: np.ndarray, rate: int) -> tuple[float, ...]:
    """The ``MEASURES`` of one signal, float32 (n_samples,) in [−1, 1) at ``rate`` Hz."""
    size = max(2, round(FRAME_S * rate))
    padded = np.pad(signal, (0, max(0, size - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    frames = frames[np.abs(frames).max(1) >= STILL]
    if not len(frames):
        return (to_dbfs(0.0), *([float("nan")] * (len(MEASURES) - 1)))
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    # of a frame, sums over the bins to the mean square of its samples (Parseval)
    power = 2 * np.abs(np.fft.rfft((frames - frames.mean(1, keepdims=True)) * window)) ** 2
    power /= size * np.square(window).sum()
    hz = np.fft.rfftfreq(size, 1 / rate)
    energy = power[:, hz >= RUMBLE_HZ].sum(1)
    n_quiet = min(len(frames), max(LEAST_FRAMES, round(QUIETEST * len(frames))))
    quietest = np.argpartition(energy, n_quiet - 1)[:n_quiet]
    # where nothing rises above the background there may be a word all over
    loud = np.flatnonzero(energy > np.quantile(energy, LEAST_SHARE) * 10 ** (ONSET_DB / 10))
    lead_in = power[: max(0, loud[0] - BEFORE_FRAMES) if len(loud) else 0]
    lead = _background(lead_in, hz, rate) if len(lead_in) >= LEAST_FRAMES else [float("nan")] * 3
    return (*_background(power[quietest], hz, rate), *lead, *_band_edge(power.mean(0), hz, rate / 2))


def _background(power: np.ndarray, hz: np.ndarray, rate: int) -> list[float]:
    """Power (frames, bins) → level in dBFS, low and high end to the middle in dB."""
    mean, high = power.mean(0), min(HIGH_HZ, 0.85 * rate / 2)
    audible = hz >= RUMBLE_HZ
    low, middle, top = (
        float(_db(mean[inside].mean())) if inside.any() else float("nan")
        for inside in (audible & (hz < LOW_HZ), (hz >= LOW_HZ) & (hz < high), hz >= high)
    )
    return [to_dbfs(float(np.sqrt(mean[audible].sum()))), low - middle, top - middle]


def _band_edge(power: np.ndarray, hz: np.ndarray, nyquist: float) -> tuple[float, float]:
    """Bandwidth in Hz and the fall above it in dB."""
    n_bands = max(1, round(nyquist / BAND_HZ))
    band = np.minimum((hz / BAND_HZ).astype(int), n_bands - 1)
    level = _db(np.bincount(band, power, n_bands) / np.maximum(np.bincount(band, minlength=n_bands), 1))
    full = level >= level.max() - BELOW_PEAK_DB
    # a band alone may be a whistle of the electronics; the strongest stands where no two are neighbours
    both = np.flatnonzero(full[1:] & full[:-1]) + 1
    last = int(both[-1]) if len(both) else int(level.argmax())
    if last >= n_bands - 2:
        return nyquist if last == n_bands - 1 else (last + 1) * BAND_HZ, 0.0
    return (last + 1) * BAND_HZ, float(level[max(0, last - 1) : last + 1].mean() - level[last + 2 : last + 4].mean())


def _db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + 1e-14)


def limited(conditions: pd.DataFrame) -> pd.Series:
    """bool by clip: does the band end at or below 4.5 kHz in a steep fall, as behind a telephone or a speech codec?

    A fall of 20 dB within 500 Hz, over the clip's whole spectrum. Of no meaning for rates below 12 kHz.
    """
    return (conditions["bandwidth_hz"] <= 4500) & (conditions["edge_db"] >= EDGE_DB)


@dataclass(frozen=True)
class Clusters:
    """Conditions that clips fall into.

    Attributes
    ----------
    of : clip → number of its cluster, from 0, the largest first; −1: no sound.
    table : index ``cluster``: ``clips``, ``speakers``, then the median of each measure.
    bic : number of clusters → Bayesian information criterion of a mixture of so many, the lower the better.
    """

    of: pd.Series
    table: pd.DataFrame
    bic: pd.Series


def condition_clusters(material: Material, conditions: pd.DataFrame, most: int = MOST_CLUSTERS) -> Clusters:
    """A mixture of Gaussians over noise floor, its low and high end, and bandwidth, each in standard deviations.

    So many Gaussians as the BIC likes best (Fraley & Raftery, JASA 97, 2002), at most ``most``; fitted to at most 5,000
    clips drawn by chance. ``conditions`` are those of ``condition_measures``.
    """
    from sklearn.mixture import GaussianMixture

    heard = conditions[conditions["bandwidth_hz"].notna()]
    columns = [c for c in CLUSTERED if len(heard) and heard[c].notna().all() and heard[c].std() > 1e-6]
    of = pd.Series(NO_SOUND, conditions.index, name="cluster")
    of[heard.index] = 0
    bic = pd.Series(dtype=float)
    if columns and len(heard) >= 10 * most:
        X = ((heard[columns] - heard[columns].mean()) / heard[columns].std()).to_numpy()
        rng = material.rng("clusters")
        fitted = X if len(X) <= MOST_FITTED else X[rng.choice(len(X), MOST_FITTED, replace=False)]
        seed = int(rng.integers(2**31))
        # the bandwidth comes in steps of 250 Hz and piles up at half the rate: no Gaussian may shrink to one value
        mixtures = [
            GaussianMixture(k, reg_covar=0.02, n_init=2, random_state=seed).fit(fitted) for k in range(1, most + 1)
        ]
        bic = pd.Series([m.bic(fitted) for m in mixtures], range(1, most + 1))
        found = mixtures[int(np.argmin(bic))].predict(X)
        largest_first = pd.Series(found).value_counts().index
        of[heard.index] = pd.Series(found).map({old: new for new, old in enumerate(largest_first)}).to_numpy()
    speaker = material.clips.set_index("clip")["speaker"].reindex(of.index)
    table = pd.DataFrame({"clips": of.groupby(of).size()})
    table["speakers"] = speaker[speaker != ""].groupby(of).nunique().reindex(table.index, fill_value=0)
    table = table.join(conditions.groupby(of)[list(MEASURES)].median())
    return Clusters(of, table.rename_axis("cluster"), bic)


def predictable(material: Material, conditions: pd.DataFrame, sides: pd.Series | None = None) -> pd.DataFrame:
    """What can be told of a clip from its recording condition alone, by a random forest that is cross-validated?

    Words and sides are told for speakers that the forest has not seen, speakers for clips that it has not seen. The
    interval of 99 % is of speakers drawn anew (of clips for the question of the speaker), see ``evaluate.bootstrap``.

    Parameters
    ----------
    conditions : of ``condition_measures``.
    sides : clip → side of a split; None: the question of the side is not asked.

    Returns
    -------
    A row a question: ``what`` (word, side, speaker), ``by`` (what it is told from), ``clips`` asked of, ``classes``,
    ``accuracy`` (mean recall of the classes), ``low``, ``high`` (NaN: no interval), ``chance``, ``why_not`` ("" or why
    it could not be asked).
    A word told from the lead-in better than by chance is a leak: a model can score before anything is said. Told from
    the quietest frames alone it is none, for where a word fills its clip they hold the word. A side above chance is a
    shift: one side was recorded otherwise than another. A speaker above chance is what speaker-disjoint splits are for.
    """
    rows = material.clips.set_index("clip")
    heard = conditions[conditions["bandwidth_hz"].notna()]
    said = heard
    if "official_label" in rows:  # the silence of the official test set is no word
        said = heard[(rows["official_label"].reindex(heard.index) == "").to_numpy()]
    before = said["lead_dbfs"].notna()
    cut = 0 < before.mean() < LEAST_LEAD_INS
    asked = [
        ("word", "the lead-in", said.loc[before & (not cut), list(LEAD_IN)]),
        ("word", "the quietest frames", said[list(QUIET)]),
        ("speaker", "the quietest frames and the bandwidth", heard[[*QUIET, *WHOLE]]),
    ]
    columns = {"word": rows["word"], "speaker": rows["speaker"]}
    if sides is not None:
        asked.insert(2, ("side", "the quietest frames and the bandwidth", heard[[*QUIET, *WHOLE]]))
        columns["side"] = sides
    found = []
    for what, by, features in asked:
        target = columns[what].reindex(features.index).fillna("")
        group = None if what == "speaker" else rows["speaker"].reindex(features.index).fillna("")
        found.append({"what": what, "by": by, **_asked(material, what, features.fillna(0.0), target, group)})
    if cut:
        found[0]["why_not"] = f"of {before.mean():.1%} of the clips alone, the others begin with the word"
    return pd.DataFrame(found)


def _asked(
    material: Material, what: str, features: pd.DataFrame, target: pd.Series, group: pd.Series | None
) -> dict[str, object]:
    rng = material.rng(f"predictable {what}")
    kept = _enough(target, group, rng)
    target = target[kept]
    n_classes = target.nunique()
    answer: dict[str, object] = {
        "clips": len(target), "classes": n_classes, "accuracy": np.nan, "low": np.nan, "high": np.nan,
        "chance": 1 / max(n_classes, 1), "why_not": "",
    }  # fmt: skip
    if n_classes < 2:
        least = f"{LEAST_CLIPS} clips" + (f" of {LEAST_SPEAKERS} speakers" if group is not None else "")
        return {**answer, "why_not": f"fewer than two {what}s have {least}"}
    code, _ = pd.factorize(target, sort=True)
    groups = None if group is None else _one_each(group[kept])
    right = _cross_validated(features[kept].to_numpy(), code, groups, material, what) == code
    clusters = np.full(len(code), "", object) if group is None else group[kept].to_numpy(object)
    resamples = Resamples(clusters, DRAWS, seed=derive_seed(material.seed, "predictable", what))
    # sums of each cluster: clips of every class, then those told right
    each = np.eye(n_classes)[code]
    sums = resamples.sums(np.hstack([each, each * right[:, None]]))
    found = resamples.estimate(_mean_recall, sums, LEVEL)
    return {**answer, "accuracy": found.value, "low": found.low, "high": found.high}


def _mean_recall(sums: np.ndarray) -> np.ndarray:
    """Clips and right ones of each class (…, 2 · classes) → mean over classes that have clips (…)."""
    n, right = np.split(sums, 2, axis=-1)
    recall = np.divide(right, n, out=np.zeros_like(right, dtype=float), where=n > 0)
    return np.asarray(recall.sum(-1) / np.maximum((n > 0).sum(-1), 1))


def _enough(target: pd.Series, group: pd.Series | None, rng: np.random.Generator) -> np.ndarray:
    """bool (clips,): those asked of; every class with enough clips and speakers, no more of one than fit."""
    n = target.groupby(target).size()
    if group is not None:
        named = _one_each(group)
        n = n[pd.Series(named, target.index).groupby(target).nunique() >= LEAST_SPEAKERS]
    classes = [c for c in n.index[n >= LEAST_CLIPS] if c != ""]
    if len(classes) > MOST_CLASSES:
        classes = list(rng.choice(np.array(classes, object), MOST_CLASSES, replace=False))
    kept = np.zeros(len(target), bool)
    where = target.reset_index(drop=True).groupby(target.to_numpy()).indices
    for name in classes:
        rows, most = where[name], MOST_ASKED // len(classes)
        kept[rows if len(rows) <= most else rng.choice(rows, most, replace=False)] = True
    return kept


def _one_each(group: pd.Series) -> np.ndarray:
    """Speakers as numbers, each nameless clip a speaker of its own, int (clips,)."""
    nameless = (group == "").to_numpy()
    code, names = pd.factorize(group)
    return np.where(nameless, len(names) + np.arange(len(group)), code)


def _cross_validated(
    X: np.ndarray, code: np.ndarray, groups: np.ndarray | None, material: Material, what: str
) -> np.ndarray:
    """The class told of each clip by a forest that has seen neither it nor, with groups, its speaker."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    seed = derive_seed(material.seed, "forest", what) % 2**31
    forest = RandomForestClassifier(
        40, min_samples_leaf=10, class_weight="balanced", random_state=seed, n_jobs=material.workers
    )
    folds = (StratifiedKFold if groups is None else StratifiedGroupKFold)(LEAST_SPEAKERS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(forest, X, code, groups=groups, cv=folds))


def condition_of_speakers(material: Material, conditions: pd.DataFrame, least: int = 3) -> pd.DataFrame:
    """Index ``speaker``, those with ``least`` clips of sound and more: ``clips``, medians of noise floor and bandwidth,
    ``limited`` (share of clips whose band is), ``widest_hz`` (90 % of the clips reach no higher).

    One voice, one microphone: a word without hiss says nothing of the bandwidth, the widest of all words does.
    """
    clips = material.clips.set_index("clip")["speaker"]
    heard = conditions[conditions["bandwidth_hz"].notna()].assign(limited=limited(conditions))
    heard = heard[(clips.reindex(heard.index) != "").to_numpy()]
    by_speaker = heard.groupby(clips.reindex(heard.index))
    found = pd.DataFrame(
        {
            "clips": by_speaker.size(),
            "noise_dbfs": by_speaker["noise_dbfs"].median(),
            "bandwidth_hz": by_speaker["bandwidth_hz"].median(),
            "limited": by_speaker["limited"].mean(),
            "widest_hz": by_speaker["bandwidth_hz"].quantile(0.9),
        }
    )
    return found[found["clips"] >= least].rename_axis("speaker")
