"""Several recognisers answer as one: the mean of their posteriors.

The sum rule, of the fixed rules the one that a member's errors harm least (Kittler and others, On combining
classifiers, IEEE TPAMI 20(3), 1998), after each member's posteriors were made believable by a temperature of its own
(Guo and others, On Calibration of Modern Neural Networks, ICML 2017), so that the surest does not outvote the others.

A network's posteriors hold how often it heard each label in training; where that is not how often they are said, Bayes'
rule puts right what is known of both (Saerens, Latinne & Decaestecker, Adjusting the outputs of a classifier to new a
priori probabilities, Neural Computation 14(1), 2002, eq. 2.4).

How much each member counts may be learned from clips that none of them was trained on, by expectation maximisation, as
weights of interpolated language models are (Jelinek & Mercer, Interpolated estimation of Markov source parameters from
sparse data, 1980): the likelihood of what was said has one maximum.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from kwsbench.evaluate.metrics import log_posteriors

MOST_PASSES, SETTLED = 10_000, 1e-7  # of expectation maximisation, and the change of weights below which it ends


def fuse(
    members: Sequence[pd.DataFrame],
    temperatures: Sequence[float],
    labels: Sequence[str],
    shifts: Sequence[np.ndarray] | None = None,
    weights: Sequence[float] | np.ndarray | None = None,
) -> pd.DataFrame:
    """One table of predictions of several: float32 scores are ln of the mean over members of softmax(scores / T + s).

    Parameters
    ----------
    members : ``clip, speaker, label, predicted`` and a score a label each, over the same clips, in any order.
    temperatures : T of each, fitted on validation.
    labels : their score columns.
    shifts : s of each, (n_labels,) as ``prior_shift`` has it; None: posteriors stay as they were learned.
    weights : of each in the mean, with a sum of 1, as ``mixture_weights`` has them; None: all count alike.

    Raises
    ------
    ValueError : no member; as many temperatures as members are not there; members answered different clips.
    """
    if not members or len(members) != len(temperatures):
        raise ValueError(f"{len(members)} members and {len(temperatures)} temperatures")
    first, names = members[0].reset_index(drop=True), list(labels)
    parts = _log_posteriors(members, temperatures, names, shifts)
    shares = np.full(len(parts), 1 / len(parts)) if weights is None else np.asarray(weights, float)
    fused = logsumexp(parts, axis=0, b=shares[:, None, None])
    answers = np.asarray(names, dtype=object)[fused.argmax(1)]
    told = first[["clip", "speaker", "label"]].assign(predicted=answers)
    return told.join(pd.DataFrame(fused.astype(np.float32), columns=names))


def mixture_weights(
    members: Sequence[pd.DataFrame],
    temperatures: Sequence[float],
    labels: Sequence[str],
    shifts: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """float64 (n_members,): the weights under which the mean of posteriors makes the right labels likeliest.

    Parameters
    ----------
    members : answers to clips that none of them was trained on; otherwise all is as for ``fuse``.
    """
    names = list(labels)
    right = members[0]["label"].map(names.index).to_numpy(dtype=int)
    parts = _log_posteriors(members, temperatures, names, shifts)
    logs = parts[:, np.arange(len(right)), right]  # (members, clips)
    likelihoods = np.exp(logs - logs.max(0))  # what all members say of a clip alike moves no weight
    weights = np.full(len(parts), 1 / len(parts))
    for _ in range(MOST_PASSES):
        shares = weights[:, None] * likelihoods
        before, weights = weights, (shares / shares.sum(0)).mean(1)
        if np.abs(weights - before).max() < SETTLED:
            break
    return weights


def _log_posteriors(
    members: Sequence[pd.DataFrame],
    temperatures: Sequence[float],
    names: list[str],
    shifts: Sequence[np.ndarray] | None,
) -> np.ndarray:
    """float64 (members, clips, labels), clips in the order of the first member's."""
    clips, parts = members[0]["clip"].reset_index(drop=True), []
    shifts = [np.zeros(len(names))] * len(members) if shifts is None else shifts
    for table, temperature, shift in zip(members, temperatures, shifts, strict=True):
        own = table if table["clip"].reset_index(drop=True).equals(clips) else table.set_index("clip").reindex(clips)
        scores = own[names].to_numpy(dtype=float)
        if len(table) != len(clips) or np.isnan(scores).any():
            raise ValueError("members of a fusion answered different clips")
        parts.append(log_posteriors(scores / temperature + shift))
    return np.stack(parts)


def prior_shift(learned: Sequence[str], said: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """float64 (n_labels,): ln of how much more often each label is said than learned; 0 where either has none of it.

    Parameters
    ----------
    learned, said : labels of the clips of both sides.
    """
    before, after = Counter(learned), Counter(said)
    both = [(before[one], after[one]) for one in labels]
    return np.log([n * len(learned) / (m * len(said)) if m and n else 1.0 for m, n in both])
