"""The watchdog's file, `config/stripe_watchdog.yaml`: what is in order, and how it is told."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ..models import BotId, Fault
from ..redaction import shown
from ..routing import dotted
from .documents import read_document
from .faults import faulty, plain_path

_STRICT: Final = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
_ENDPOINT: Final = re.compile(r"we_[A-Za-z0-9]{1,255}|https?://[^\s,]{1,2000}", re.ASCII)
_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{1,64}", re.ASCII)
_NOT_ENDPOINT: Final = "is neither the id (we_…) nor the URL of a webhook endpoint"
_RENAMED: Final = {
    "allowed_webhooks": "authorized_webhooks",
    "webhooks": "authorized_webhooks",
    "allowed_workflows": "approved_workflows",
    "authorized_workflows": "approved_workflows",
    "approved_bots": "approved_workflows",
    "authorized_accounts": "allowed_accounts",
}
"""Names that the file had before, or that its users write for those it has."""
_THEN: Final = "Correct it and start again; `stripe-billing-router init` writes an example."


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{message}", {"message": message})


def _number(value: object) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    raise _wrong(f"is {shown(value)}, not a number such as 3600")


def _whole(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value, re.ASCII):
        return int(value)
    raise _wrong(f"is {shown(value)}, not a whole number such as 100")


def _list(value: object) -> object:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong("is not a list")
    return value


def _endpoint(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _ENDPOINT.fullmatch(text):
        raise _wrong(_NOT_ENDPOINT)
    return text


def _workflow(value: object) -> str:
    try:
        return str(BotId.parse(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise _wrong(f"is wrong: {error}") from None


_ADDING: Final[Mapping[str, tuple[str, Callable[[object], str]]]] = {
    "STRIPE_ALLOWED_WEBHOOKS": ("authorized_webhooks", _endpoint),
    "STRIPE_APPROVED_WORKFLOWS": ("approved_workflows", _workflow),
}


def _account(value: object) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise _wrong("is no account id such as acct_123")
    return value


_Seconds = Annotated[float, BeforeValidator(_number), Field(ge=0, le=31_536_000)]
_Minor = Annotated[int, BeforeValidator(_whole)]
_Severity = Annotated[float, BeforeValidator(_number), Field(ge=1, le=5)]
_LIST: Final = BeforeValidator(_list)


class Tolerances(BaseModel):
    """What is no finding. `revenue`, `amount`, `balance`: minor units; the others: seconds."""

    model_config = _STRICT

    revenue: _Minor = 0
    amount: _Minor = 0
    balance: _Minor = 0
    settlement_lag: _Seconds = 259_200.0
    stale_after: _Seconds = 3600.0


class LogRotation(BaseModel):
    """The audit log is put away, compressed, when it has more than `max_bytes`."""

    model_config = _STRICT

    max_bytes: Annotated[int, BeforeValidator(_whole), Field(ge=1000)] = 10_000_000


class WatchdogConfig(BaseModel):
    """The whole file; what is absent has its default. Times are in seconds.

    A finding that stays is told once, and again after `suppression_window`. Each run begins
    `overlap` before the place where the last one said that the next has to begin.
    """

    model_config = _STRICT

    authorized_webhooks: Annotated[frozenset[Annotated[str, PlainValidator(_endpoint)]], _LIST] = (
        frozenset()
    )
    approved_workflows: Annotated[frozenset[Annotated[str, PlainValidator(_workflow)]], _LIST] = (
        frozenset()
    )
    allowed_accounts: Annotated[frozenset[Annotated[str, PlainValidator(_account)]], _LIST] = (
        frozenset()
    )
    tolerances: Tolerances = Tolerances()
    severities: Mapping[str, _Severity] = Field(default_factory=dict)
    suppression_window: _Seconds = 2_592_000.0
    overlap: _Seconds = 3600.0
    log_rotation: LogRotation = LogRotation()


def load_watchdog_config(
    path: Path | None, environ: Mapping[str, str], checks: Collection[str]
) -> WatchdogConfig:
    """Return the file's contents, or the defaults where `path` is None.

    `checks` are the ids that `severities` may name. The variables STRIPE_ALLOWED_WEBHOOKS (ids and
    URLs) and STRIPE_APPROVED_WORKFLOWS (bot ids) add more, comma separated. Raises one
    ConfigurationError with every fault.
    """
    config, faults = (WatchdogConfig(), []) if path is None else _read(path)
    faults += [_unknown("severities", name, checks) for name in config.severities.keys() - checks]
    if faults:
        raise faulty(plain_path(path), faults, _THEN)
    return config.model_copy(update=_added(config, environ))


def _read(path: Path) -> tuple[WatchdogConfig, list[Fault]]:
    document = read_document(path, "STRIPE_WATCHDOG_CONFIG")
    data = {} if document.data is None else document.data
    if not isinstance(data, Mapping):
        return WatchdogConfig(), [*document.faults, Fault("", f"is no mapping but {shown(data)}")]
    given = {name: value for name, value in data.items() if value is not None}
    try:
        return WatchdogConfig.model_validate(given), document.faults
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    return WatchdogConfig(), [*document.faults, *_faults(details)]


def _added(config: WatchdogConfig, environ: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return the lists to which variables add, with what they add."""
    found: dict[str, frozenset[str]] = {}
    faults: list[Fault] = []
    for variable, (field, check) in _ADDING.items():
        entries: set[str] = set(getattr(config, field))
        for entry in filter(None, map(str.strip, environ.get(variable, "").split(","))):
            try:
                entries.add(check(entry))
            except PydanticCustomError as error:
                faults.append(Fault(variable, f"{shown(entry)} {error.message()}"))
        found[field] = frozenset(entries)
    if faults:
        raise faulty("the settings", faults, "Correct them and start again.")
    return found


def _faults(details: list[ErrorDetails]) -> Iterator[Fault]:
    for detail in details:
        where = detail["loc"]
        if detail["type"] == "extra_forbidden":
            yield _unknown(dotted(map(str, where[:-1])), str(where[-1]), _names(where[:-1]))
        else:
            yield Fault(dotted(map(str, where)), _message(detail))


def _names(parents: tuple[int | str, ...]) -> list[str]:
    sections: Mapping[str, type[BaseModel]] = {
        "tolerances": Tolerances,
        "log_rotation": LogRotation,
    }
    model = sections[str(parents[0])] if parents else WatchdogConfig
    return list(model.model_fields)


def _unknown(where: str, name: str, known: Collection[str]) -> Fault:
    if _RENAMED.get(name) in known:
        return Fault(where, f"{shown(name)} is called {_RENAMED[name]} now")
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    return Fault(where, f"{shown(name)} is unknown; {hint}")


def _message(detail: ErrorDetails) -> str:
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "fault":
            return str(context["message"])
        case "greater_than_equal":
            return f"is less than {context['ge']:g}"
        case "less_than_equal":
            return f"is more than {context['le']:g}"
        case _:
            return "is not a mapping of names to values"
