"""The report of a run: one self-contained HTML file with its numbers, its pictures and the SQL that made each."""

from flows.report.page import report_html, write_report

__all__ = ["report_html", "write_report"]
