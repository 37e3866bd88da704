"""How good, how sure: pure functions on arrays and on tables of predictions."""

from kwsbench.evaluate.bootstrap import bootstrap, why_no_interval
from kwsbench.evaluate.metrics import rejection, score_cell

VERSION = 1  # raised when the same predictions would give other metrics

__all__ = ["VERSION", "bootstrap", "rejection", "score_cell", "why_no_interval"]
