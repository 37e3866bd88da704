"""What people see of a study: records and predictions in, table and page out. Sees audio for players alone."""

from kwsbench.report.footnotes import footnotes
from kwsbench.report.table import build_table
from kwsbench.report.terminal import terminal_report
from kwsbench.report.write import write_audio_page, write_report

__all__ = ["build_table", "footnotes", "terminal_report", "write_audio_page", "write_report"]
