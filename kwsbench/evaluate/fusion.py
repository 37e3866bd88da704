"""Several recognisers answer as one: the mean of their posteriors.

The sum rule, of the fixed rules the one that a member's errors harm least (Kittler and others, On combining
classifiers, IEEE TPAMI 20(3), 1998), after each member's posteriors were made believable by a temperature of its own
(Guo and others, On Calibration of Modern Neural Networks, ICML 2017), so that the surest does not outvote the others.

A network's posteriors hold how often it heard each label in training; where that is not how often they are said, Bayes'
rule puts right what is known of both (Saerens, Latinne & Decaestecker, Adjusting the outputs of a classifier to new a
priori probabilities, Neural Computation 14(1), 2002, eq. 2.4).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from kwsbench.evaluate.metrics import log_posteriors


def fuse(
    members: Sequence[pd.DataFrame],
    temperatures: Sequence[float],
    labels: Sequence[str],
    shifts: Sequence[np.ndarray] | None = None,
) -> pd.DataFrame:
    """One table of predictions of several: float32 scores are ln of the mean over members of softmax(scores / T + s).

    Parameters
    ----------
    members : ``clip, speaker, label, predicted`` and a score a label each, over the same clips, in any order.
    temperatures : T of each, fitted on validation.
    labels : their score columns.
    shifts : s of each, (n_labels,) as ``prior_shift`` has it; None: posteriors stay as they were learned.

    Raises
    ------
    ValueError : no member; as many temperatures as members are not there; members answered different clips.
    """
    if not members or len(members) != len(temperatures):
        raise ValueError(f"{len(members)} members and {len(temperatures)} temperatures")
    first, names = members[0].reset_index(drop=True), list(labels)
    parts = []
    shifts = [np.zeros(len(names))] * len(members) if shifts is None else shifts
    for table, temperature, shift in zip(members, temperatures, shifts, strict=True):
        own = table if table["clip"].equals(first["clip"]) else table.set_index("clip").reindex(first["clip"])
        scores = own[names].to_numpy(dtype=float)
        if len(table) != len(first) or np.isnan(scores).any():
            raise ValueError("members of a fusion answered different clips")
        parts.append(log_posteriors(scores / temperature + shift))
    fused = logsumexp(parts, axis=0) - np.log(len(parts))
    answers = np.asarray(names, dtype=object)[fused.argmax(1)]
    told = first[["clip", "speaker", "label"]].assign(predicted=answers)
    return told.join(pd.DataFrame(fused.astype(np.float32), columns=names))


def prior_shift(learned: Sequence[str], said: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """float64 (n_labels,): ln of how much more often each label is said than learned; 0 where either has none of it.

    Parameters
    ----------
    learned, said : labels of the clips of both sides.
    """
    before, after = Counter(learned), Counter(said)
    both = [(before[one], after[one]) for one in labels]
    return np.log([n * len(learned) / (m * len(said)) if m and n else 1.0 for m, n in both])
