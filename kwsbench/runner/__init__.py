"""Who runs the cells: ``run_study`` here, on this machine."""

from kwsbench.runner.local import run_study

__all__ = ["run_study"]
