"""`config/billing_instructions.yaml`: what the host says about anomalies and alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..models import BillingInstructions, EventInstruction, Fault
from ..redaction import redact, shown
from ..routing import dotted
from .checking import Check, Wrong, entries, mapping, number, wrong
from .documents import read_document
from .faults import faulty, plain_path

INSTRUCTIONS_FILE: Final = "billing_instructions.yaml"


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.strip() and len(value) <= 4000:
        return redact(value.strip())
    raise wrong(f"is {shown(value)}, not a text of 1 to 4000 characters")


def _if_given(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _unknown(name: str, known: Iterable[str]) -> tuple[tuple[str, ...], str]:
    return (name,), f"is unknown; there are {', '.join(known)}"


_severity: Final = _if_given(number(0, 5, " from 0 to 5"))
_seconds: Final = _if_given(number(0, 31_536_000, " of seconds such as 3600"))
_event: Final = mapping({"instruction": _text, "severity": _severity}, unknown=_unknown)
_thresholds: Final = mapping({"send_from": _severity, "repeat_window": _seconds}, unknown=_unknown)


def _events(value: object) -> dict[str, EventInstruction]:
    return dict(
        entries(
            {} if value is None else value,
            lambda name, told: (name, EventInstruction(**_event({} if told is None else told))),
        )
    )


_file: Final = mapping(
    {"thresholds": lambda value: _thresholds({} if value is None else value), "events": _events},
    unknown=_unknown,
)


def load_instructions(path: Path) -> BillingInstructions:
    """Return the file's contents. ConfigurationError with every fault, each with its path."""
    document = read_document(path)
    found, wrongs = _checked(document.data)
    if faults := [*document.faults, *wrongs]:
        raise faulty(plain_path(path), faults, "Correct the file; until then it is not used.")
    return found


def with_shipped(found: BillingInstructions) -> BillingInstructions:
    """Where a host has no text of its own, the shipped one stands; severities are the host's."""
    events = dict(found.events)
    for name, ours in _shipped().events.items():
        theirs = events.get(name, EventInstruction())
        events[name] = replace(theirs, instruction=theirs.instruction or ours.instruction)
    return replace(found, events=events)


@cache
def _shipped() -> BillingInstructions:
    return load_instructions(Path(__file__).with_name("templates") / INSTRUCTIONS_FILE)


def _checked(data: Any) -> tuple[BillingInstructions, list[Fault]]:
    try:
        file = _file({} if data is None else data)
    except Wrong as error:
        return BillingInstructions(), [Fault(dotted(path), told) for path, told in error.faults]
    given = {name: value for name, value in file.get("thresholds", {}).items() if value is not None}
    return BillingInstructions(**given, events=file.get("events", {})), []
