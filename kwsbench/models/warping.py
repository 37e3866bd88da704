"""Dynamic time warping of one clip against many templates at once, compiled.

Sakoe and Chiba, IEEE Trans. ASSP 26(1), 1978: the symmetric form without slope constraint, in which a step along both
clips counts twice. Templates run in step, so that the innermost loop has no dependence from one element to the next.
"""

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")
def warped_sums(local: Any, lengths: Any, sums: Any) -> None:
    """Smallest sum of distances along a path, for each template.

    Parameters
    ----------
    local : float32 (frames, template frames, templates): distances of frames; what lies behind a template's end is
        not looked at.
    lengths : int64 (templates,), at least 1.
    sums : float32 (templates,), written.
    """
    frames, size, n = local.shape
    before, now = np.empty((size, n), np.float32), np.empty((size, n), np.float32)
    for i in range(frames):
        for j in range(size):
            if i == 0 and j == 0:
                for k in range(n):
                    now[0, k] = 2 * local[0, 0, k]
            elif i == 0:
                for k in range(n):
                    now[j, k] = now[j - 1, k] + local[0, j, k]
            elif j == 0:
                for k in range(n):
                    now[0, k] = before[0, k] + local[i, 0, k]
            else:
                for k in range(n):
                    d = local[i, j, k]
                    now[j, k] = min(min(before[j, k], now[j - 1, k]) + d, before[j - 1, k] + 2 * d)
        before, now = now, before
    for k in range(n):
        sums[k] = before[lengths[k] - 1, k]
