"""How sure scores should be: the scale of a softmax, from clips that were not trained on.

Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2.
"""

import numpy as np

RANGE = 12.0  # e to the plus or minus of this is searched, around scores of deviation 1


def fitted_scale(values: np.ndarray, targets: np.ndarray) -> float:
    """What scores (n, labels) are multiplied by so that softmax gives the right labels int (n,) the largest likelihood.

    Scores that are all equal say nothing: 1.
    """
    from scipy.optimize import minimize_scalar

    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True, initial=-np.inf)
    unit = float(shifted.std()) if shifted.size else 0.0
    if not unit > 0:
        return 1.0
    right = shifted[np.arange(len(targets)), targets]

    def loss(log_scale: float) -> float:
        scale = np.exp(log_scale) / unit
        return float(np.log(np.exp(scale * shifted).sum(axis=1)).sum() - scale * right.sum())

    found = minimize_scalar(loss, bounds=(-RANGE, RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x) / unit)
