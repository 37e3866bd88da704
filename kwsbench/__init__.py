"""kwsbench: which recogniser of spoken words is better, by how much, how surely, at what cost."""

from kwsbench.errors import UserError

__version__ = "0.1.0"

__all__ = ["UserError", "__version__"]
