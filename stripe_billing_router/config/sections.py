"""The reserved sections of the routing file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any, Final

from ..frozen import frozen
from ..hashing import key_fingerprint
from ..models import Declared, Fault, Policies
from ..redaction import shown
from ..routing import dotted
from .checking import Check, Wrong, boolean, currency_code, items, mapping, number, wrong
from .hooks import Hooks, hooks
from .policies import policies

_LIVE_KEY: Final = re.compile(r"[sr]k_live_[A-Za-z0-9_]{1,255}", re.ASCII)
_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{1,64}", re.ASCII)


@frozen
class Recovery:
    """How long things may take, in seconds.

    `http_timeout` bounds one request, `retry_for` the repeats of one step; `in_progress_wait` is
    how long a keyed call waits for its twin; a keyed operation is completed by recovery while it
    is younger than `complete_within`, which stays below Stripe's 24 hours for idempotency keys.
    `keyless_while_away` says whether calls without a key go on for a while, by the journal, where
    the ledger's database is away. `lock_timeout` is how long a statement waits for what somebody
    else has locked in the database.
    """

    http_timeout: float = 30.0
    retry_for: float = 30.0
    in_progress_wait: float = 5.0
    complete_within: float = 900.0
    keyless_while_away: bool = True
    lock_timeout: float = 30.0


def _seconds(least: float, most: float) -> Check:
    return number(least, most, " of seconds such as 30", " seconds")


_RECOVERY: Final = mapping(
    {
        "http_timeout": _seconds(0.1, 120),
        "retry_for": _seconds(0, 600),
        "in_progress_wait": _seconds(0, 120),
        "complete_within": _seconds(0, 82_800),
        "keyless_while_away": boolean,
        "lock_timeout": _seconds(0.1, 600),
    }
)


@frozen
class AllowedKey:
    """An allowed secret key by its `sha256:` fingerprint; `account` pins a restricted key's."""

    fingerprint: str
    account: str | None = None


def _allowed_keys(value: object) -> tuple[AllowedKey, ...]:
    if not isinstance(value, list):
        raise wrong("is not a list")
    if not value:
        raise wrong("is empty, which would allow no key; name a key, or leave the section out")
    return items(value, _allowed_key)


def _allowed_key(entry: object) -> AllowedKey:
    """Return what one entry of `allowed_secret_keys` names; the key itself is not kept."""
    if isinstance(entry, Mapping):
        return _pinned(entry)
    text = entry.strip() if isinstance(entry, str) else ""
    if _LIVE_KEY.fullmatch(text):
        return AllowedKey(key_fingerprint(text))
    if _FINGERPRINT.fullmatch(text):
        return AllowedKey(text)
    raise wrong(
        "is neither a live secret key, which begins with sk_live or rk_live, nor a fingerprint, "
        "which is 'sha256:' and 64 hex digits"
    )


def _pinned(entry: Mapping[object, object]) -> AllowedKey:
    if set(entry) != {"fingerprint", "account"}:
        raise wrong("needs fingerprint and account, and nothing else")
    fingerprint, account = entry["fingerprint"], entry["account"]
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise wrong("has a fingerprint that is not 'sha256:' and 64 hex digits")
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise wrong("has an account that is not an id such as acct_123")
    return AllowedKey(fingerprint, account)


def _of_domains(providers: Collection[str]) -> Check:
    """Return the check of which of these providers the routes of a domain use, by domain."""

    def check(value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise wrong("is no mapping of domains to providers, such as `stripe: stripe`")
        known = ", ".join(providers)
        faults = [
            ((str(domain),), f"is {shown(provider)}; write one of {known}")
            for domain, provider in value.items()
            if provider not in providers
        ]
        if faults:
            raise Wrong(faults)
        return dict(value)

    return check


@frozen
class Sections:
    """The reserved top-level sections; what is absent or null has its default."""

    allowed_secret_keys: tuple[AllowedKey, ...] = ()
    default_currency: str = "usd"
    policies: Policies = field(default_factory=Policies)
    hooks: Hooks = field(default_factory=Hooks)
    recovery: Recovery = field(default_factory=Recovery)
    providers: Mapping[str, str] = field(default_factory=dict)


RESERVED: Final = (
    "allowed_secret_keys",
    "default_currency",
    "policies",
    "hooks",
    "recovery",
    "providers",
)


def check_sections(
    data: Mapping[str, Any], verbs: Mapping[str, Declared], providers: Collection[str]
) -> tuple[Sections, list[Fault]]:
    """Return the sections and their faults; with faults, the sections are the defaults."""
    check = mapping(
        {
            "allowed_secret_keys": _allowed_keys,
            "default_currency": currency_code,
            "policies": policies(verbs),
            "hooks": hooks,
            "recovery": lambda value: Recovery(**_RECOVERY(value)),
            "providers": _of_domains(providers),
        }
    )
    given = {name: data[name] for name in RESERVED if data.get(name) is not None}
    try:
        return Sections(**check(given)), []
    except Wrong as error:
        return Sections(), [Fault(dotted(path), message) for path, message in error.faults]
