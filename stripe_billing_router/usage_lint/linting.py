"""The whole lint: list the files, check each, and leave out what is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError, InvalidRequestError
from ..redaction import printable
from .allowances import Allowance, allowances, bad_settings, project_allowances
from .files import scan_file, unreadable
from .findings import Finding, Hit
from .keys import without_keys
from .listing import Listing, listed

_GIVEN: Final = "allow"

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in how many files; `notes` say what was not looked at.

    `faults` are entries of allow-lists, as `(origin, what is wrong)`, that nothing needs.
    """

    findings: list[Finding]
    files: int
    notes: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]

    def error(self) -> ConfigurationError | None:
        """Return the error that the faults amount to."""
        return bad_settings(self.faults) if self.faults else None


def lint(
    paths: AnyPath | Iterable[AnyPath] = (".",),
    *,
    allow: Mapping[str, Sequence[str]] | None = None,
    with_ignored: bool = False,
) -> list[Finding]:
    """Return what violates a rule in these files and folders, sorted by place.

    `allow` maps rules to patterns of paths, relative to the working directory, and adds to what
    the project's pyproject.toml allows. `with_ignored` also checks what git ignores.
    InvalidRequestError for a path without any file; ConfigurationError for an allow-list that
    names no rule, or allows what nothing violates.
    """
    report = examine(paths, allow=allow, with_ignored=with_ignored)
    error = report.error()
    if error is not None:
        raise error
    return report.findings


def examine(
    paths: AnyPath | Iterable[AnyPath] = (".",),
    *,
    allow: Mapping[str, Sequence[str]] | None = None,
    with_ignored: bool = False,
) -> Report:
    """Do what `lint` does, and return entries of allow-lists that nothing needs with the rest."""
    names = _names(paths)
    allowed = [*project_allowances(names), *_given(allow or {})]
    listing = listed(names, with_ignored=with_ignored)
    findings = [
        _finding(shown, hit)
        for real, shown, hits in _hits(listing)
        for hit in hits
        if not _is_allowed(hit, real, allowed)
    ]
    unused = [one for one in allowed if not one.used and one.concerns_only(listing.folders)]
    faults = tuple(one.fault() for one in unused)
    return Report(sorted(set(findings)), len(listing.files), tuple(listing.notes), faults)


def _names(paths: AnyPath | Iterable[AnyPath]) -> list[str]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    names = [os.fspath(path) for path in several]
    if not names:
        raise InvalidRequestError(
            "There is no path to check; name at least one.", parameter="paths"
        )
    return names


def _given(allow: Mapping[str, Sequence[str]]) -> list[Allowance]:
    found, faults = allowances(allow, os.path.realpath(os.curdir), _GIVEN)
    if faults:
        raise bad_settings(faults)
    return found


def _hits(listing: Listing) -> Iterable[tuple[str, str, list[Hit]]]:
    for shown, error in listing.failures:
        yield os.path.realpath(shown), shown, [unreadable(error)]
    for real, shown in listing.files.items():
        yield real, shown, scan_file(real)


def _is_allowed(hit: Hit, path: str, allowed: list[Allowance]) -> bool:
    """Every allowance that fits is used, not only the first."""
    fitting = [one for one in allowed if one.allows(hit.rule, path)]
    return bool(fitting)


def _finding(path: str, hit: Hit) -> Finding:
    return Finding(_printable(path), hit.line, hit.column, hit.rule, hit.message)


def _printable(path: str) -> str:
    """Return a path as one line of text without keys, whatever bytes the name has."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return without_keys(printable(text))
