"""kwsbench: which recogniser of spoken words is better, by how much, how surely, at what cost."""

from typing import TYPE_CHECKING, Any

from kwsbench.errors import UserError

if TYPE_CHECKING:
    from kwsbench.explore.material import open_corpus
    from kwsbench.report.frames import load

__version__ = "0.1.0"

__all__ = ["UserError", "__version__", "load", "open_corpus"]


def __getattr__(name: str) -> Any:
    if name == "load":  # pandas only where it is asked for
        from kwsbench.report.frames import load

        return load
    if name == "open_corpus":
        from kwsbench.explore.material import open_corpus

        return open_corpus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
