"""How good, how sure: pure functions on arrays and on tables of predictions."""

from kwsbench.evaluate.bootstrap import bootstrap, why_no_interval
from kwsbench.evaluate.detection import Detection, detection
from kwsbench.evaluate.metrics import rejection, score_cell
from kwsbench.evaluate.streaming import Listener, Sweep, count, streaming

VERSION = 1  # raised when the same predictions would give other metrics

__all__ = [
    "VERSION",
    "Detection",
    "Listener",
    "Sweep",
    "bootstrap",
    "count",
    "detection",
    "rejection",
    "score_cell",
    "streaming",
    "why_no_interval",
]
