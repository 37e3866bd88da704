"""kwsbench: which recogniser of spoken words is better, by how much, how surely, at what cost."""

from typing import TYPE_CHECKING, Any

from kwsbench.errors import UserError

if TYPE_CHECKING:
    from kwsbench.report.frames import load

__version__ = "0.1.0"

__all__ = ["UserError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":  # pandas only where it is asked for
        from kwsbench.report.frames import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
