"""Settings from the environment and from code, with every path made absolute.

Keys, webhook secrets and Vault are the business of `keys/`, which reads its own variables.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Final

from ..frozen import frozen
from ..models import Fault
from ..redaction import shown
from . import api_base as bases
from . import ledger_url as ledgers
from .faults import faulty
from .locations import absolute, find_routing_file, home_of

_log = logging.getLogger(__name__)
_told: set[Fault] = set()

_VARIABLES: Final = {
    "routing_config": "STRIPE_ROUTING_CONFIG",
    "home": "STRIPE_ROUTER_HOME",
    "ledger_url": "STRIPE_LEDGER_URL",
    "ledger_fallback": "STRIPE_LEDGER_FALLBACK",
    "api_base": "STRIPE_API_BASE",
    "watchdog_config": "STRIPE_WATCHDOG_CONFIG",
}
_OF_OTHERS: Final = frozenset(
    """
    STRIPE_ALERT_URLS STRIPE_ALLOWED_SECRET_KEYS STRIPE_ALLOWED_WEBHOOKS STRIPE_APPROVED_WORKFLOWS
    STRIPE_ASYNC_WORKERS
    STRIPE_EVENTS_REDIS_URL STRIPE_PUBLIC_KEY STRIPE_ROUTER_SEAL_KEY STRIPE_SECRET_KEY
    STRIPE_VAULT_MOUNT STRIPE_VAULT_PATH STRIPE_WEBHOOK_SECRET
    VAULT_ADDR VAULT_NAMESPACE VAULT_ROLE_ID VAULT_SECRET_ID VAULT_TOKEN
    """.split()
)
KNOWN_VARIABLES: Final = _OF_OTHERS | set(_VARIABLES.values())
"""Every variable that this library reads."""

_NEARLY: Final = 0.9
_LEDGER_FALLBACK: Final = "finance_logs/stripe_ledger.jsonl"
_WATCHDOG_CONFIG: Final = "config/stripe_watchdog.yaml"


@frozen
class Settings:
    """Where things are. Every path is absolute; `ledger_url` may hold a password."""

    routing_config: Path
    home: Path
    ledger_url: str = field(repr=False)
    ledger_fallback: Path
    api_base: str
    watchdog_config: Path

    @property
    def is_sandbox(self) -> bool:
        """Whether requests go to a stand-in, and not to Stripe itself."""
        return self.api_base != bases.STRIPE


def load_settings(
    environ: Mapping[str, str], cwd: str | os.PathLike[str], **given: object
) -> Settings:
    """Return the settings in force: what is `given` in code, else the environment's, else defaults.

    `given` takes the names of Settings' fields; None and blank variables count as unset. Relative
    paths start at `home`; `home` itself, and the search for a routing file without a home, start
    at `cwd`. Looks for the routing file, reads nothing. ConfigurationError with every fault; a
    variable that looks mistyped is logged, once.
    """
    _tell(mistyped(environ))
    chosen, faults = _chosen(environ, given)
    if faults:
        raise faulty("the settings", faults, "Correct them and start again.")
    routing_config, home = _places(chosen, Path(cwd).absolute())
    ledger_url, wrong_ledger = ledgers.placed(chosen.get("ledger_url", ledgers.DEFAULT), home)
    base = chosen.get("api_base", bases.STRIPE).removesuffix("/")
    found = (("ledger_url", wrong_ledger), ("api_base", bases.wrong_api_base(base)))
    if faults := [Fault(_VARIABLES[name], wrong) for name, wrong in found if wrong]:
        raise faulty("the settings", faults, "Correct them and start again.")
    return Settings(
        routing_config=routing_config,
        home=home,
        ledger_url=ledger_url,
        ledger_fallback=absolute(chosen.get("ledger_fallback", _LEDGER_FALLBACK), home),
        api_base=base,
        watchdog_config=absolute(chosen.get("watchdog_config", _WATCHDOG_CONFIG), home),
    )


def mistyped(environ: Mapping[str, str]) -> list[Fault]:
    """Return the variables that are hardly anything but one of ours with a slip in its name.

    A name that adds a part to one of ours (STRIPE_SECRET_KEY_OLD) is taken for the host's own.
    """
    found = []
    for name in sorted(set(environ) - KNOWN_VARIABLES):
        if name.startswith(("STRIPE", "VAULT")):
            close = difflib.get_close_matches(name, KNOWN_VARIABLES, 1, _NEARLY)
            if close and not any(name.startswith(f"{known}_") for known in KNOWN_VARIABLES):
                found.append(Fault(name, f"is not a setting; did you mean {close[0]}?"))
    return found


def _tell(faults: list[Fault]) -> None:
    for fault in faults:
        if fault not in _told:
            _told.add(fault)
            _log.warning("%s %s", *fault)


def _chosen(
    environ: Mapping[str, str], given: Mapping[str, object]
) -> tuple[dict[str, str], list[Fault]]:
    chosen = {name: environ.get(variable, "").strip() for name, variable in _VARIABLES.items()}
    faults = []
    for name, value in given.items():
        if name not in _VARIABLES:
            faults.append(Fault("", _unknown(name)))
        elif isinstance(value, str | Path) and str(value):
            chosen[name] = str(value)
        elif value is not None:
            faults.append(Fault(name, f"is {shown(value)}; give a text or a path"))
    return {name: text for name, text in chosen.items() if text}, faults


def _unknown(name: str) -> str:
    known = [setting.name for setting in fields(Settings)]
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"{shown(name)} is not a setting; {hint}"


def _places(chosen: Mapping[str, str], cwd: Path) -> tuple[Path, Path]:
    """Return the routing file and the home."""
    home = absolute(chosen["home"], cwd) if "home" in chosen else None
    start = home or cwd
    if "routing_config" in chosen:
        routing_config = absolute(chosen["routing_config"], start)
    else:
        routing_config = find_routing_file(start)
    return routing_config, home or home_of(routing_config)
