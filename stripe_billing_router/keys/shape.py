"""Which keys pass, judged by their text alone.

Every refusal is a KeyConfigurationError whose message names where the value came from, what is
wrong with it and the mend; `reason` is one of the words below, `faults` the `(origin, message)`
pairs. No part of the value is ever shown.

    missing         None, or no source has one
    empty           nothing but white space
    test_mode       sk_test_, rk_test_, pk_test_
    organisation    sk_org_: belongs to an organisation, not to one account
    publishable     pk_ where a secret key is expected
    secret          a secret key where a publishable one is expected
    webhook_secret  whsec_ where a key is expected
    malformed       anything else
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..errors import KeyConfigurationError
from ..hashing import key_fingerprint


class _Refusal(NamedTuple):
    prefixes: tuple[str, ...]
    reason: str
    text: str


class _Kind(NamedTuple):
    prefixes: tuple[str, ...]
    refusals: tuple[_Refusal, ...]
    mend: str


_TEST = _Refusal(("sk_test_", "rk_test_", "pk_test_"), "test_mode", "is a test-mode key")
_ORGANISATION = _Refusal(("sk_org_", "rk_org_"), "organisation", "is an organisation's key")
_PUBLISHABLE = _Refusal(("pk_",), "publishable", "is a publishable key, which cannot move money")
_SECRET = _Refusal(("sk_", "rk_"), "secret", "is a secret key")
_WEBHOOK = _Refusal(("whsec_",), "webhook_secret", "is a webhook signing secret")

_SECRET_KEY = _Kind(
    ("sk_live_", "rk_live_"),
    (_TEST, _ORGANISATION, _PUBLISHABLE, _WEBHOOK),
    "use the account's own live secret key, which starts with sk_live_ or rk_live_",
)
_PUBLIC_KEY = _Kind(
    ("pk_live_",),
    (_TEST, _ORGANISATION, _SECRET, _WEBHOOK),
    "use the account's live publishable key, which starts with pk_live_",
)
_WEBHOOK_SECRET = _Kind(
    ("whsec_",),
    (_TEST, _ORGANISATION, _PUBLISHABLE, _SECRET),
    "use the signing secret of the webhook endpoint, which starts with whsec_",
)

# Stripe documents no length, so only what is plainly a stump is refused.
_SHORTEST_TAIL = 3
_SHORTEST_SEAL_KEY = 32
_TAIL = re.compile(r"[A-Za-z0-9_]*")
_WEBHOOK_TAIL = re.compile(r"[A-Za-z0-9_+/=\-]*")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}", re.IGNORECASE | re.ASCII)


def secret_key(value: object, origin: str) -> str:
    """Return a live secret or restricted key, stripped. `origin` names its source in errors."""
    return _checked(value, origin, _SECRET_KEY)


def public_key(value: object, origin: str) -> str:
    """Return a live publishable key, stripped."""
    return _checked(value, origin, _PUBLIC_KEY)


def webhook_secret(value: object, origin: str) -> str:
    """Return a webhook signing secret, stripped."""
    return _checked(value, origin, _WEBHOOK_SECRET)


def seal_key(value: object, origin: str) -> str:
    """Return a key for seals, stripped: long enough not to be guessed, and no key of Stripe's."""
    text = value.strip() if isinstance(value, str) else ""
    mend = "use 32 random characters or more, such as `openssl rand -hex 32` prints"
    if text.startswith(("sk_", "rk_", "pk_", "whsec_")):
        raise _refused(origin, "secret", "is a key of Stripe's", mend)
    if len(text) < _SHORTEST_SEAL_KEY or not text.isascii() or not text.isprintable():
        raise _refused(origin, "malformed", "is too short, or no plain text", mend)
    return text


def fingerprint(entry: object, origin: str) -> str:
    """Return `sha256:<hex, lower case>` of an allowed-key entry: a live secret key, or that."""
    text = entry.strip() if isinstance(entry, str) else ""
    if _FINGERPRINT.fullmatch(text):
        return text.lower()
    if text.lower().startswith("sha256:"):
        raise _refused(origin, "malformed", "is not sha256: and 64 hex digits", _SECRET_KEY.mend)
    return key_fingerprint(secret_key(entry, origin))


def entries(value: object, origin: str) -> list[object]:
    """Return what a comma separated text, or a list, holds; blanks are left out."""
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, bytes) or not isinstance(value, Sequence):
        raise _refused(origin, "malformed", "is no list", "separate its entries by commas")
    return [entry for entry in value if not (isinstance(entry, str) and not entry.strip())]


def each(
    check: Callable[[object, str], str], listed: Iterable[object], origin: str
) -> tuple[str, ...]:
    """Return every entry as `check` gives it; one error names all that are wrong."""
    passed: list[str] = []
    wrong: list[KeyConfigurationError] = []
    for number, entry in enumerate(listed, 1):
        try:
            passed.append(check(entry, f"{origin}[{number}]"))
        except KeyConfigurationError as error:
            wrong.append(error)
    if wrong:
        raise _together(wrong)
    return tuple(passed)


def _together(wrong: list[KeyConfigurationError]) -> KeyConfigurationError:
    faults = tuple(fault for error in wrong for fault in error.faults)
    message = "; ".join(str(error) for error in wrong)
    return KeyConfigurationError(message, reason=wrong[0].reason, faults=faults)


def _checked(value: object, origin: str, kind: _Kind) -> str:
    text = value.strip() if isinstance(value, str) else ""
    fault = _fault(value, text, kind)
    if fault is not None:
        raise _refused(origin, *fault, kind.mend)
    return text


def _fault(value: object, text: str, kind: _Kind) -> tuple[str, str] | None:
    """Return `(reason, what is wrong)`, or None for what passes."""
    if value is None:
        return "missing", "is missing"
    if not isinstance(value, str):
        return "malformed", "is not text"
    if not text:
        return "empty", "is empty"
    for prefix in kind.prefixes:
        if text.startswith(prefix):
            return _fault_of_tail(text.removeprefix(prefix), kind)
    return _fault_of_prefix(text, kind)


def _fault_of_prefix(text: str, kind: _Kind) -> tuple[str, str]:
    for prefixes, reason, why in kind.refusals:
        if text.startswith(prefixes):
            return reason, why
    return "malformed", "does not start as it should"


def _fault_of_tail(tail: str, kind: _Kind) -> tuple[str, str] | None:
    if "\n" in tail or "\r" in tail:
        return "malformed", "has a line break inside"
    if not (_WEBHOOK_TAIL if kind is _WEBHOOK_SECRET else _TAIL).fullmatch(tail):
        return "malformed", "has characters inside that no key has, such as a space or a quote"
    if len(tail) < _SHORTEST_TAIL:
        return "malformed", "is cut off"
    return None


def _refused(origin: str, reason: str, why: str, mend: str) -> KeyConfigurationError:
    message = f"{why}; {mend}"
    return KeyConfigurationError(f"{origin} {message}", reason=reason, faults=((origin, message),))
