"""The watchdog's file, `config/stripe_watchdog.yaml`: what is in order, and how it is told."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Final

from ..frozen import frozen
from ..models import BotId, Fault
from ..redaction import shown
from ..routing import dotted
from .checking import Check, Wrong, entries, items, mapping, number, whole_number, wrong
from .documents import read_document
from .faults import faulty, plain_path

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


def _endpoint(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _ENDPOINT.fullmatch(text):
        raise wrong(_NOT_ENDPOINT)
    return text


def _workflow(value: object) -> str:
    try:
        return str(BotId.parse(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise wrong(f"is wrong: {error}") from None


_ADDING: Final[Mapping[str, tuple[str, Callable[[object], str]]]] = {
    "STRIPE_ALLOWED_WEBHOOKS": ("authorized_webhooks", _endpoint),
    "STRIPE_APPROVED_WORKFLOWS": ("approved_workflows", _workflow),
}


def _account(value: object) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise wrong("is no account id such as acct_123")
    return value


@frozen
class Tolerances:
    """What is no finding. `revenue`, `amount`, `balance`: minor units; the others: seconds."""

    revenue: int = 0
    amount: int = 0
    balance: int = 0
    settlement_lag: float = 259_200.0
    stale_after: float = 3600.0


@frozen
class LogRotation:
    """The audit log is put away, compressed, when it has more than `max_bytes`."""

    max_bytes: int = 10_000_000


@frozen
class WatchdogConfig:
    """The whole file; what is absent has its default. Times are in seconds.

    A finding that stays is told once, and again after `suppression_window`. Each run begins
    `overlap` before the place where the last one said that the next has to begin.
    """

    authorized_webhooks: frozenset[str] = frozenset()
    approved_workflows: frozenset[str] = frozenset()
    allowed_accounts: frozenset[str] = frozenset()
    tolerances: Tolerances = field(default_factory=Tolerances)
    severities: Mapping[str, float] = field(default_factory=dict)
    suppression_window: float = 2_592_000.0
    overlap: float = 3600.0
    log_rotation: LogRotation = field(default_factory=LogRotation)


def _set_of(check: Check) -> Check:
    def every(value: object) -> frozenset[str]:
        if not isinstance(value, list):
            raise wrong("is not a list")
        return frozenset(items(value, check))

    return every


def _unknown(name: str, known: Iterable[str]) -> tuple[tuple[str, ...], str]:
    known = sorted(known)
    if _RENAMED.get(name) in known:
        return (), f"{shown(name)} is called {_RENAMED[name]} now"
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return (), f"{shown(name)} is unknown; {hint}"


_seconds: Final = number(0, 31_536_000, " such as 3600")
_minor: Final = whole_number(15)
_severity: Final = number(1, 5, " such as 3600")
_tolerances: Final = mapping(
    {
        "revenue": _minor,
        "amount": _minor,
        "balance": _minor,
        "settlement_lag": _seconds,
        "stale_after": _seconds,
    },
    unknown=_unknown,
)
_log_rotation: Final = mapping({"max_bytes": whole_number(15, least=1000)}, unknown=_unknown)
_file: Final = mapping(
    {
        "authorized_webhooks": _set_of(_endpoint),
        "approved_workflows": _set_of(_workflow),
        "allowed_accounts": _set_of(_account),
        "tolerances": lambda value: Tolerances(**_tolerances(value)),
        "severities": lambda value: dict(
            entries(value, lambda name, number: (name, _severity(number)))
        ),
        "suppression_window": _seconds,
        "overlap": _seconds,
        "log_rotation": lambda value: LogRotation(**_log_rotation(value)),
    },
    unknown=_unknown,
)


def load_watchdog_config(
    path: Path | None, environ: Mapping[str, str], checks: Collection[str]
) -> WatchdogConfig:
    """Return the file's contents, or the defaults where `path` is None.

    `checks` are the ids that `severities` may name. The variables STRIPE_ALLOWED_WEBHOOKS (ids and
    URLs) and STRIPE_APPROVED_WORKFLOWS (bot ids) add more, comma separated. Raises one
    ConfigurationError with every fault.
    """
    config, faults = (WatchdogConfig(), []) if path is None else _read(path)
    for name in config.severities.keys() - checks:
        faults.append(Fault("severities", _unknown(name, checks)[1]))
    if faults:
        raise faulty(plain_path(path), faults, _THEN)
    return replace(config, **_added(config, environ))


def _read(path: Path) -> tuple[WatchdogConfig, list[Fault]]:
    document = read_document(path, "STRIPE_WATCHDOG_CONFIG")
    data = {} if document.data is None else document.data
    if not isinstance(data, Mapping):
        return WatchdogConfig(), [*document.faults, Fault("", f"is no mapping but {shown(data)}")]
    try:
        given = {name: value for name, value in data.items() if value is not None}
        return WatchdogConfig(**_file(given)), document.faults
    except Wrong as error:
        wrongs = [Fault(dotted(path), message) for path, message in error.faults]
    return WatchdogConfig(), [*document.faults, *wrongs]


def _added(config: WatchdogConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the lists to which variables add, with what they add."""
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for variable, (name, check) in _ADDING.items():
        there: set[str] = set(getattr(config, name))
        for entry in filter(None, map(str.strip, environ.get(variable, "").split(","))):
            try:
                there.add(check(entry))
            except Wrong as error:
                faults.append(Fault(variable, f"{shown(entry)} {error.message}"))
        found[name] = frozenset(there)
    if faults:
        raise faulty("the settings", faults, "Correct them and start again.")
    return found
