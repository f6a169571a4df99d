"""Runs checks in their order; what builds on a fault is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from ...errors import BillingError
from ...frozen import frozen
from .facts import Facts


class Problem(Exception):
    """What a check found wrong, and how to mend it."""


class Concern(Exception):
    """What works, and had better be otherwise."""


class Skipped(Exception):
    """Why a check cannot be done now."""


def refuse(faults: Iterable[str]) -> None:
    """Raise one Problem with all faults, if there are any."""
    found = "\n".join(faults)
    if found:
        raise Problem(found)


@frozen
class Check:
    """One question. `examine` returns what was found good, or raises Problem, Concern, Skipped
    or the library's error; `needs` names the checks without which it makes no sense."""

    name: str
    examine: Callable[[Facts], str]
    needs: tuple[str, ...] = ()


@frozen
class Diagnosis:
    """What one check came to. A problem's `message` ends with how to mend it."""

    check: str
    result: Literal["ok", "warning", "problem", "skipped"]
    message: str


def examine(facts: Facts, checks: Iterable[Check]) -> Iterator[Diagnosis]:
    """Yield what each check comes to, as soon as it is known."""
    unmet: set[str] = set()
    for check in checks:
        lacking = next((name for name in check.needs if name in unmet), None)
        found = _diagnosed(check, facts) if lacking is None else _built_on(check, lacking)
        if found.result in ("problem", "skipped"):
            unmet.add(check.name)
        yield found


def _diagnosed(check: Check, facts: Facts) -> Diagnosis:
    try:
        return Diagnosis(check.name, "ok", check.examine(facts))
    except Concern as found:
        return Diagnosis(check.name, "warning", str(found))
    except Skipped as why:
        return Diagnosis(check.name, "skipped", str(why))
    except (Problem, BillingError) as wrong:
        return Diagnosis(check.name, "problem", str(wrong))


def _built_on(check: Check, lacking: str) -> Diagnosis:
    return Diagnosis(check.name, "skipped", f"needs {lacking}")
