"""`config/billing_instructions.yaml`: what the host says about anomalies and alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError

from ..models import BillingInstructions, EventInstruction, Fault
from ..redaction import redact, shown
from ..routing import dotted
from .documents import read_document
from .faults import faulty, plain_path
from .scalars import STRICT, number, wrong

INSTRUCTIONS_FILE: Final = "billing_instructions.yaml"


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.strip() and len(value) <= 4000:
        return redact(value.strip())
    raise wrong(f"is {shown(value)}, not a text of 1 to 4000 characters")


def _severity(value: object) -> object:
    return None if value is None else number(value, of=" from 0 to 5")


_Severity = Annotated[float | None, BeforeValidator(_severity), Field(ge=0, le=5)]
_Seconds = Annotated[
    float,
    BeforeValidator(lambda value: number(value, of=" of seconds such as 3600")),
    Field(ge=0, le=31_536_000),
]


@dataclass(frozen=True, slots=True)
class _Event:
    __pydantic_config__ = STRICT

    instruction: Annotated[str | None, PlainValidator(_text)] = None
    severity: _Severity = None


@dataclass(frozen=True, slots=True)
class _Thresholds:
    __pydantic_config__ = STRICT

    send_from: _Severity = None
    repeat_window: _Seconds | None = None


def _of_nothing(value: object) -> object:
    return {} if value is None else value


@dataclass(frozen=True, slots=True)
class _File:
    __pydantic_config__ = STRICT

    thresholds: Annotated[_Thresholds, BeforeValidator(_of_nothing)] = _Thresholds()
    events: Annotated[
        Mapping[str, Annotated[_Event, BeforeValidator(_of_nothing)]], BeforeValidator(_of_nothing)
    ] = Field(default_factory=dict)


_KNOWN: Final = (_File, _Thresholds, _Event)


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
        file = TypeAdapter(_File).validate_python(_of_nothing(data))
    except ValidationError as error:
        return BillingInstructions(), list(_faults(error))
    default = BillingInstructions()
    send_from, window = file.thresholds.send_from, file.thresholds.repeat_window
    events = {
        name: EventInstruction(event.instruction, event.severity)
        for name, event in file.events.items()
    }
    return BillingInstructions(
        default.send_from if send_from is None else send_from,
        default.repeat_window if window is None else window,
        events,
    ), []


def _faults(error: ValidationError) -> Iterator[Fault]:
    for detail in error.errors(include_url=False, include_input=False):
        context = detail.get("ctx", {})
        path = dotted(map(str, detail["loc"]))
        match detail["type"]:
            case "fault":
                yield Fault(path, str(context["message"]))
            case "unexpected_keyword_argument":
                yield Fault(path, f"is unknown; there are {', '.join(_known(detail['loc']))}")
            case "less_than_equal":
                yield Fault(path, f"is more than {context['le']:g}")
            case _:
                yield Fault(path, "is not a mapping of names to values")


def _known(place: tuple[int | str, ...]) -> list[str]:
    return [field.name for field in fields(_KNOWN[min(len(place), len(_KNOWN)) - 1])]
