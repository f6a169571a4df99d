"""What is allowed by path: from the project's settings, or given with the call."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import globs
from .findings import RULES


@dataclass(eq=False, slots=True)
class Allowance:
    """One rule, allowed for the files that one pattern fits below a folder. It counts its use."""

    rule: str
    glob: str
    folder: str
    origin: str
    pattern: re.Pattern[str]
    used: bool = False

    def allows(self, rule: str, path: str) -> bool:
        """Return whether this allows a rule for a file, given by its real path."""
        below = os.path.join(self.folder, "")
        if rule != self.rule or not path.startswith(below):
            return False
        fits = self.pattern.fullmatch(path.removeprefix(below)) is not None
        self.used = self.used or fits
        return fits

    def concerns_only(self, folders: Sequence[str]) -> bool:
        """Return whether all that the pattern may fit is in one of these folders."""
        start = os.path.join(self.folder, globs.fixed_part(self.glob), "")
        return any(start.startswith(os.path.join(folder, "")) for folder in folders)

    def fault(self) -> tuple[str, str]:
        return self.origin, f"{self.rule} is allowed for {self.glob!r}, which violates nothing"


def allowances(
    allow: object, folder: str, origin: str
) -> tuple[list[Allowance], list[tuple[str, str]]]:
    """Return the allowances of a mapping of rules to patterns, and its faults."""
    if not isinstance(allow, Mapping):
        return [], [(origin, "is not a table of rules and lists of patterns")]
    found: list[Allowance] = []
    faults: list[tuple[str, str]] = []
    for rule, patterns in allow.items():
        fault = _fault_of_entry(rule, patterns)
        if fault is not None:
            faults.append((origin, fault))
            continue
        found += (_allowance(rule, glob, folder, origin) for glob in dict.fromkeys(patterns))
    return found, faults


def _allowance(rule: str, glob: str, folder: str, origin: str) -> Allowance:
    return Allowance(rule, glob, folder, origin, globs.compiled(glob))


def _fault_of_entry(rule: Any, patterns: Any) -> str | None:
    if rule not in RULES:
        return f"{str(rule)!r} is not a rule; the rules are {', '.join(RULES)}"
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        return f"what {rule} is allowed for is not a list of patterns"
    for glob in patterns:
        fault = globs.fault_of(glob)
        if fault is not None:
            return f"{str(glob)!r}, for which {rule} is allowed, {fault}"
    return None
