"""The study as one self-contained page: a file a section."""

from kwsbench.report.page.build import build_page

__all__ = ["build_page"]
