"""The reserved sections of the routing file, validated by pydantic; its errors become faults."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from ..hashing import key_fingerprint
from ..models import Declared, Fault
from ..redaction import shown
from ..routing import dotted
from .hooks import Hooks
from .policies import PoliciesSection, known_fields
from .scalars import STRICT, boolean, currency_code, number, wrong

_LIVE_KEY: Final = re.compile(r"[sr]k_live_[A-Za-z0-9_]{1,255}", re.ASCII)
_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{1,64}", re.ASCII)


def _number(value: object) -> object:
    return number(value, of=" of seconds such as 30")


_SECONDS: Final = BeforeValidator(_number)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long things may take, in seconds.

    `http_timeout` bounds one request, `retry_for` the repeats of one step; `in_progress_wait` is
    how long a keyed call waits for its twin; a keyed operation is completed by recovery while it
    is younger than `complete_within`, which stays below Stripe's 24 hours for idempotency keys.
    `keyless_while_away` says whether calls without a key go on for a while, by the journal, where
    the ledger's database is away. `lock_timeout` is how long a statement waits for what somebody
    else has locked in the database.
    """

    __pydantic_config__ = STRICT

    http_timeout: Annotated[float, _SECONDS, Field(ge=0.1, le=120)] = 30.0
    retry_for: Annotated[float, _SECONDS, Field(ge=0, le=600)] = 30.0
    in_progress_wait: Annotated[float, _SECONDS, Field(ge=0, le=120)] = 5.0
    complete_within: Annotated[float, _SECONDS, Field(ge=0, le=82_800)] = 900.0
    keyless_while_away: Annotated[bool, PlainValidator(boolean)] = True
    lock_timeout: Annotated[float, _SECONDS, Field(ge=0.1, le=600)] = 30.0


@dataclass(frozen=True, slots=True)
class AllowedKey:
    """An allowed secret key by its `sha256:` fingerprint; `account` pins a restricted key's."""

    fingerprint: str
    account: str | None = None


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


def _some_entries(value: object) -> object:
    if not isinstance(value, list):
        raise wrong("is not a list")
    if not value:
        raise wrong("is empty, which would allow no key; name a key, or leave the section out")
    return value


def _pinned(entry: Mapping[object, object]) -> AllowedKey:
    if set(entry) != {"fingerprint", "account"}:
        raise wrong("needs fingerprint and account, and nothing else")
    fingerprint, account = entry["fingerprint"], entry["account"]
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise wrong("has a fingerprint that is not 'sha256:' and 64 hex digits")
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise wrong("has an account that is not an id such as acct_123")
    return AllowedKey(fingerprint, account)


class Sections(BaseModel):
    """The reserved top-level sections; what is absent or null has its default."""

    model_config = STRICT

    allowed_secret_keys: Annotated[
        tuple[Annotated[AllowedKey, PlainValidator(_allowed_key)], ...],
        BeforeValidator(_some_entries),
    ] = ()
    default_currency: Annotated[str, PlainValidator(currency_code)] = "usd"
    policies: PoliciesSection = PoliciesSection()
    hooks: Hooks = Hooks()
    recovery: Recovery = Recovery()


RESERVED: Final = tuple(Sections.model_fields)
_SECTIONS: Final[Mapping[str, type[Recovery] | type[Hooks]]] = {
    "recovery": Recovery,
    "hooks": Hooks,
}


def check_sections(
    data: Mapping[str, Any], verbs: Mapping[str, Declared]
) -> tuple[Sections, list[Fault]]:
    """Return the sections and their faults; with faults, the sections are the defaults."""
    given = {name: data[name] for name in RESERVED if data.get(name) is not None}
    try:
        return Sections.model_validate(given, context=verbs), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    return Sections(), list(_faults(details))


def _faults(details: list[ErrorDetails]) -> Iterator[Fault]:
    for detail in details:
        # pydantic marks the name of an entry that is itself wrong.
        *parents, name = (str(part) for part in detail["loc"] if part != "[key]")
        if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            yield Fault(dotted(parents), _unknown(name, _known(parents)))
        elif detail["type"] == "missing":
            yield Fault(dotted(parents), f"{name} is missing")
        else:
            yield Fault(dotted((*parents, name)), _message(detail))


def _message(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "fault":
            return str(context["message"])
        case "greater_than_equal":
            return f"is less than {context['ge']:g} seconds"
        case "less_than_equal":
            return f"is more than {context['le']:g} seconds"
        case _:
            return "is not a mapping of names to values"


def _known(path: list[str]) -> Sequence[str]:
    if path[0] == "policies":
        return known_fields(path[1:])
    return [field.name for field in fields(Hooks if path[0] == "hooks" else Recovery)]


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
    return f"{shown(name)} is unknown; {hint}"
