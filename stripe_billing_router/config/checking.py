"""Checks of what a file holds. Each takes a value as the readers give it, with numbers as text, and
returns what it means, or raises Wrong with every fault of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

from ..errors import InvalidAmountError
from ..money import currency
from ..redaction import shown

Check = Callable[[Any], Any]
Where = tuple[str, ...]
Faults = list[tuple[Where, str]]

_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}


class Wrong(Exception):
    """What is wrong with a value, and with those inside it: paths from it, and messages."""

    def __init__(self, faults: Iterable[tuple[Where, str]]) -> None:
        super().__init__()
        self.faults = list(faults)

    @property
    def message(self) -> str:
        return "; ".join(message for _, message in self.faults)


def wrong(message: str) -> Wrong:
    """Return the error that says what is wrong with a value as a whole."""
    return Wrong([((), message)])


class _Checked(dict[str, Any]):
    """What values mean, by their names, as long as none is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: Faults = []

    def take(self, name: str, check: Check, value: Any) -> None:
        try:
            self[name] = check(value)
        except Wrong as error:
            self.faults += [((name, *path), message) for path, message in error.faults]

    def all(self) -> dict[str, Any]:
        if self.faults:
            raise Wrong(self.faults)
        return self


def unknown_name(name: str, known: Iterable[str]) -> tuple[Where, str]:
    """Return the fault of a mapping with a name that it cannot have."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
    return (), f"{shown(name)} is unknown; {hint}"


def mapping(
    checks: Mapping[str, Check],
    needed: Collection[str] = (),
    unknown: Callable[[str, Iterable[str]], tuple[Where, str]] = unknown_name,
) -> Check:
    """Return the check of a mapping with these names; it returns those that are there."""

    def check(value: object) -> dict[str, Any]:
        given, found = any_mapping(value), _Checked()
        for name, inner in checks.items():
            if name in given:
                found.take(name, inner, given[name])
            elif name in needed:
                found.faults.append(((), f"{name} is missing"))
        found.faults += [unknown(name, checks) for name in given if name not in checks]
        return found.all()

    return check


def any_mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong("is not a mapping of names to values")
    return value


def entries(value: object, check: Callable[[str, Any], Any]) -> list[Any]:
    """Return what `check` makes of each name of a mapping and its value."""
    found = _Checked()
    for name, inner in any_mapping(value).items():
        found.take(name, partial(check, name), inner)
    return [*found.all().values()]


def listed(check: Check) -> Check:
    """Return the check of a list that is not empty."""

    def every(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong(f"is not a list but {shown(value)}")
        if not value:
            raise wrong("is empty; name at least one, or leave it out")
        return items(value, check)

    return every


def items(values: Iterable[Any], check: Check) -> tuple[Any, ...]:
    """Return what `check` makes of each."""
    found = _Checked()
    for place, value in enumerate(values):
        found.take(str(place), check, value)
    return tuple(found.all().values())


def currency_code(value: object) -> str:
    try:
        return currency(value).code
    except InvalidAmountError as error:
        raise wrong(f"is wrong: {error}") from None


def boolean(value: object) -> bool:
    """Read true or false; JSON's reader gives them as they are, YAML's as text."""
    found = _BOOLEANS.get(str(value).lower()) if isinstance(value, str | bool) else None
    if found is None:
        raise wrong(f"is {shown(value)}; write true or false")
    return found


def number(least: float, most: float, kind: str = "", unit: str = "") -> Check:
    """Return the check of a number; `kind` and `unit` are said to people (` of seconds`)."""

    def check(value: object) -> float:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise wrong(f"is {shown(value)}, not a number{kind}")
        found = float(value)
        if found < least:
            raise wrong(f"is less than {least:g}{unit}")
        if found > most:
            raise wrong(f"is more than {most:g}{unit}")
        return found

    return check


def whole_number(digits: int = 9, least: int = 0) -> Check:
    """Return the check of a whole number of at most so many digits."""
    pattern = re.compile(rf"[0-9]{{1,{digits}}}", re.ASCII)

    def check(value: object) -> int:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise wrong(f"is {shown(value)}, not a whole number such as 100")
        if int(value) < least:
            raise wrong(f"is less than {least}")
        return int(value)

    return check


def one_of(names: Iterable[str]) -> Callable[[object], str]:
    """Return a check that a value is one of `names`."""
    known = tuple(names)

    def check(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        close = difflib.get_close_matches(value[:64], known, 1) if isinstance(value, str) else []
        hint = f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"
        raise wrong(f"is {shown(value)}; {hint}")

    return check
