"""Checking what a caller passes: plain types, declared names, nothing that the router decides; and
stored steps, before they are sent."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from ..errors import InvalidAmountError, InvalidRequestError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import LEFT_OUT, ForeignStep, Operation, Step, Verb
from ..money import canonical_amount
from ..redaction import exact, redact, shown
from ..stripe_parameters import declared, no_single_values, unknown_names

STAMPED = ("operation_id", "bot_id")
"""Metadata names that the router sets itself."""

METADATA_NAMES = 50
"""How many names the metadata of an object of Stripe's may have."""

EXCLUDES = "excludes_operation_id"
"""The metadata name by which recovery knows the payments with which it used a request key up."""

ACCOUNT_METADATA = ("destination_account", "account", "stripe_account")
"""Metadata names that say whose event it is."""

FORBIDDEN_ANYWHERE = frozenset(
    """
    account api_key application_fee application_fee_amount application_fee_percent capture_method
    destination expand headers issuer max_network_retries on_behalf_of public_key secret_key
    stripe_account stripe_context stripe_version transfer_data transfer_group
    """.split()
)
"""What names a key or another account, or would change how the router reads the answer."""

_WHERE_FROM = "pass a value, or leave it out; None is what a missing field reads as."
_MOST_DEPTH = 12
_STRIPE_ID = re.compile(r"[A-Za-z0-9_\-.]+", re.ASCII)


def given(arguments: Mapping[str, Any], name: str) -> Any:
    """Return an argument that decides what is paid, or None if it was left out.

    InvalidRequestError, for `amount` InvalidAmountError, if it was given as None.
    """
    value = arguments[name]
    if value is None:
        kind = InvalidAmountError if name == "amount" else InvalidRequestError
        raise kind(f"{name} is None; {_WHERE_FROM}", parameter=name)
    return None if value is LEFT_OUT else value


def amount(arguments: Mapping[str, Any]) -> str | None:
    """Return the amount in major units as its one plain text, or None if it was left out."""
    value = given(arguments, "amount")
    return None if value is None else canonical_amount(value)


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """Return a copy of `value` in JSON types, or raise InvalidRequestError."""
    if depth > _MOST_DEPTH:
        raise invalid(where, "is nested too deeply; pass flat values")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, where)
    if isinstance(value, int | float | Decimal):
        return _number(value, where)
    if isinstance(value, Mapping):
        return {
            text(name, f"a name in {where}"): plain(item, f"{where}.{name}", depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        if None in value:
            raise invalid(where, "holds None; leave out what is not set")
        return [plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise invalid(where, f"is {shown(value)}; pass text, numbers, booleans, lists and dicts only")


def text(value: Any, where: str, most: int = 5000) -> str:
    """Return `value` if it is text that can be stored and sent, and holds no credential."""
    if not isinstance(value, str):
        raise invalid(where, f"is {shown(value)}; pass text")
    plainly = exact(value)
    if len(plainly) > most:
        raise invalid(where, f"is longer than {most} characters; shorten it")
    if "\0" in plainly or (not plainly.isascii() and not _encodable(plainly)):
        raise invalid(where, "holds characters that cannot be sent; remove them")
    if redact(plainly) != plainly:
        raise invalid(where, "holds what looks like a secret; keys never travel in a call")
    return plainly


def optional_text(value: Any, where: str, most: int) -> str | None:
    """Return `value` as `text` does, or None."""
    return None if value is None else text(value, where, most)


def stripe_id(value: Any, where: str, prefixes: tuple[str, ...]) -> str | None:
    """Return an id given by the caller, or None; refuse one of another kind."""
    if value is None:
        return None
    found = text(value, where, 255)
    if not found.startswith(prefixes) or not _STRIPE_ID.fullmatch(found):
        raise invalid(where, f"is {shown(found)}; pass an id that starts with {prefixes[0]!r}")
    return found


def quantity(value: Any) -> int | None:
    """Return a number of pieces given by the caller, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1_000_000:
        raise invalid("quantity", f"is {shown(value)}; pass a whole number from 1 to 1,000,000")
    return int.__int__(value)


def one_of(value: Any, choices: Iterable[str], where: str) -> str | None:
    """Return the choice that the caller named, or None."""
    if value is None:
        return None
    named = exact(value)
    if not isinstance(named, str) or named not in choices:
        raise invalid(where, f"is {shown(value)}; pass one of {', '.join(choices)}")
    return named


def flag(value: Any, where: str) -> bool:
    """Return a boolean given by the caller."""
    if not isinstance(value, bool):
        raise invalid(where, f"is {shown(value)}; pass True or False")
    return value


def overrides(given: object) -> dict[str, str]:
    """Return a caller's overrides as text to text; InvalidRequestError for anything else."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidRequestError(
            f"overrides is {shown(given)}; pass a dict of text to text.", parameter="overrides"
        )
    return {
        text(name, "an override's key", 64): text(value, "an override", 255)
        for name, value in given.items()
    }


def metadata(given: Any, where: str = "metadata") -> dict[str, str]:
    """Return the caller's metadata: at most 48 names, Stripe's 50 less the two of the router."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise invalid(where, f"is {shown(given)}; pass a dict of text to text")
    clean = {_metadata_name(name, where): value for name, value in given.items()}
    most = METADATA_NAMES - len(STAMPED)
    if len(clean) > most:
        raise invalid(where, f"has {len(clean)} names; at most {most} fit")
    return {name: _metadata_value(name, value, where) for name, value in clean.items()}


def _metadata_name(name: Any, where: str) -> str:
    found = text(name, f"a name in {where}", 40)
    if not found or "[" in found or "]" in found:
        raise invalid(where, f"has the name {shown(found)}; use 1 to 40 characters, no brackets")
    if found in (*STAMPED, EXCLUDES):
        raise invalid(where, f"sets {found!r}, which the router sets itself; leave it out")
    return found


def _metadata_value(name: str, value: Any, where: str) -> str:
    place = f"{where}[{name!r}]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(plain(value, place))
    found = text(value, place, 500)
    _refuse_account(found, place)
    if name in ACCOUNT_METADATA and found != STRIPE_MASTER_ACCOUNT_ID:
        raise invalid(place, "names another account; leave it out")
    return found


def params(
    given: Mapping[str, Any],
    step_type: str,
    own: Iterable[str],
    decided: Iterable[str],
    pays: Container[str] = (),
) -> dict[str, Any]:
    """Return `**params` for one Stripe request.

    `step_type` is the SDK's parameter type that declares what is allowed; `own` are the verb's
    argument names (for suggestions); `decided` are declared parameters that the router sets;
    `pays` are those that decide what is paid, of which None is refused.
    """
    if not given:  # the SDK's list is long, and takes a while to load
        return {}
    mine = set(decided) | FORBIDDEN_ANYWHERE
    # Judged as the plain text that will be sent: a subclass may equal whatever it likes.
    named = {text(name, "a parameter's name"): value for name, value in given.items()}
    for name in named:
        if name in mine:
            raise invalid(name, "is decided by the router; leave it out")
    clean = {name: plain(value, name) for name, value in named.items()}
    _refuse_unknown(clean, step_type, [*own, *(set(declared(step_type)) - mine)])
    for path in no_single_values(step_type, clean):
        raise invalid(path, "is not one value; pass no list and no dict")
    for name in clean:
        if name in pays:
            _refuse_none(clean[name], name)
    _refuse_forbidden(clean, "")
    return {name: value for name, value in clean.items() if value is not None}


def _refuse_unknown(given: Mapping[str, Any], step_type: str, allowed: list[str]) -> None:
    for path, close in unknown_names(step_type, given):
        near = difflib.get_close_matches(path, allowed, 1) if "." not in path else [close]
        guess = near[0] if near and near[0] else None
        hint = f"did you mean {guess!r}?" if guess else "see Stripe's reference of the request."
        raise InvalidRequestError(
            f"{shown(path)} is not a parameter; {hint}", parameter=redact(path), suggestion=guess
        )


def _refuse_none(value: Any, where: str) -> None:
    """InvalidRequestError if what decides what is paid is None, or holds one at any depth."""
    if value is None:
        raise InvalidRequestError(
            f"{redact(where)} is None; {_WHERE_FROM}", parameter=redact(where)
        )
    if isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_none(item, f"{where}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_none(item, f"{where}[{number}]")


def _refuse_forbidden(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{where}.{name}" if where else name
            if name in FORBIDDEN_ANYWHERE and where:
                raise invalid(inner, "is decided by the router; leave it out")
            if name == "metadata":
                metadata(item, inner)
            _refuse_forbidden(item, inner)
    elif isinstance(value, list):
        for item in value:
            _refuse_forbidden(item, where)
    elif isinstance(value, str):
        _refuse_account(value, where)


def _refuse_account(value: str, where: str) -> None:
    if value.startswith("acct_") and value != STRIPE_MASTER_ACCOUNT_ID:
        raise invalid(where, "names another account; money goes to the master account only")


def _number(value: int | float | Decimal, where: str) -> Any:
    if isinstance(value, int):
        whole = int.__int__(value)
        if whole.bit_length() > 63:
            raise invalid(where, "is too large a number; pass a smaller one")
        return whole
    exact = Decimal(value)
    if not exact.is_finite() or (exact and abs(exact.adjusted()) > 40):
        raise invalid(where, "is not a finite number of sensible size; pass one that is")
    return float.__repr__(value) if isinstance(value, float) else format(exact, "f")


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def invalid(where: str, why: str) -> InvalidRequestError:
    """Return the error for one argument; `why` ends with what to do."""
    return InvalidRequestError(f"{redact(where)} {why}.", parameter=redact(where))


_FORBIDDEN = FORBIDDEN_ANYWHERE - {"expand"}
"""What names a key or another account; `expand` is the router's own in a step."""

_ID = "[A-Za-z0-9_]+"


def check_step(
    verb: Verb, operation: Operation, step: Step, path: str, params: Mapping[str, Any]
) -> None:
    """Raise ForeignStep unless method and path belong to the verb, nothing names a key or another
    account, and amount, currency and customer are the operation's."""
    if not _allowed(verb.requests).fullmatch(f"{step.method} {path}"):
        raise ForeignStep(f"{verb.name} never sends {step.method.upper()} to such a path")
    _refuse_names(params)
    known = {
        "amount": operation.amount_minor,
        "currency": operation.currency,
        "customer": operation.customer_id,
    }
    for name, value in known.items():
        if name in params and params[name] != value:
            raise ForeignStep(f"its {name} is not the operation's")


@cache
def _allowed(requests: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_pattern, requests)), re.ASCII)


def _pattern(request: str) -> str:
    return _ID.join(re.escape(part) for part in request.split("{id}"))


def _refuse_names(value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in _FORBIDDEN:
                raise ForeignStep(f"it sets {name}")
            if name != "metadata":
                _refuse_names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_names(item)
