"""The rules for Python programs: what they import, by whatever name, and what their strings say."""

from .programs import scan_program, scan_source

__all__ = ["scan_program", "scan_source"]
