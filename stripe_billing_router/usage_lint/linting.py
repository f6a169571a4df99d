"""The whole lint: list the files, check each, and leave out what is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from ..errors import ConfigurationError, InvalidRequestError
from ..frozen import frozen
from ..redaction import printable
from .allowances import allowances, bad_settings, project_allowances
from .files import scan_file, unreadable
from .findings import Finding, Hit
from .keys import without_keys
from .listing import Listing, listed

AnyPath = str | os.PathLike[str]


@frozen
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
    names = [os.fspath(one) for one in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not names:
        raise InvalidRequestError("There is no path to check; name one.", parameter="paths")
    given, faults = allowances(allow or {}, os.path.realpath(os.curdir), "allow")
    if faults:
        raise bad_settings(faults)
    allowed = [*project_allowances(names), *given]
    listing = listed(names, with_ignored=with_ignored)
    findings = {
        Finding(_printable(shown), hit.line, hit.column, hit.rule, hit.message)
        for real, shown, hits in _hits(listing)
        for hit in hits
        # every allowance that fits is used, not only the first
        if not [one for one in allowed if one.allows(hit.rule, real)]
    }
    unused = [one for one in allowed if not one.used and one.concerns_only(listing.folders)]
    useless = tuple(one.fault() for one in unused)
    return Report(sorted(findings), len(listing.files), tuple(listing.notes), useless)


def _hits(listing: Listing) -> Iterable[tuple[str, str, list[Hit]]]:
    for shown, error in listing.failures:
        yield os.path.realpath(shown), shown, [unreadable(error)]
    for real, shown in listing.files.items():
        yield real, shown, scan_file(real)


def _printable(path: str) -> str:
    """Return a path as one line of text without keys, whatever bytes the name has."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return without_keys(printable(text))
