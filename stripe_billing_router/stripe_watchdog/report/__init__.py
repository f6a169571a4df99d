"""The report: one page of HTML that needs nothing else, neither network nor JavaScript."""

from .page import page, write_report

__all__ = ["page", "write_report"]
