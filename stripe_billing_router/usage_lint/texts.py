"""The rules that hold for any text: raw keys, and what programs and shells make of the rest.

Hosts of Stripe's API (its documentation, dashboard, status and payment pages are none), commands
of Stripe's own tools, Python in a shell, and the variable of the secret key where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from . import findings
from .findings import Hit, hit
from .keys import keys_in_bytes
from .places import Places, decoded

UNKNOWN: Final = "\0"
"""Stands in a text for what is filled in later."""

_HOSTS: Final = r"(?:api|files|connect|meter-events|uploads|mcp)\.stripe\.com"
_HOST: Final = rf"(?<![A-Za-z0-9_-])(?P<host>{_HOSTS})(?!\.?[A-Za-z0-9_-])"
_FILLED_IN: Final = rf"(?:{UNKNOWN}|\{{\w*\}}|%s)\.stripe\.com/v[12](?![0-9])"
HOST: Final = re.compile(_HOST, re.IGNORECASE | re.ASCII)
# In code, a name that is filled in later is one of the API's where a version follows.
_HOST_IN_CODE: Final = re.compile(f"{_HOST}|{_FILLED_IN}", re.IGNORECASE | re.ASCII)
THE_BASE: Final = re.compile(r"https://api\.stripe\.com/?", re.ASCII)
"""What the router's own setting may say: it is no use of Stripe, but where the router finds it."""

_UNCLOSED: Final = r"/\*(?!.*\*/)|<!--(?!.*-->)"
_COMMENT: Final = re.compile(rf"(?:^|\s)#|^\s*(?:;|//|--\s|rem\s)|{_UNCLOSED}", re.IGNORECASE)
_COMMENT_BY_SLASHES: Final = re.compile(rf"(?:^|\s)//|^\s+\*\s|{_UNCLOSED}")
# A page that uses Stripe.js has to name the API's host in its content security policy.
_PAGE_POLICY: Final = re.compile(
    r"connect-src|content-security-policy|preconnect|dns-prefetch", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"://(?:[^\s/@\"']*@)?(?:[\w-]+\.)*$", re.ASCII)
_SETTING: Final = re.compile(
    r"(?:base|url|uri|host|endpoint|server|api)(?:[_.-]\w+)*[\"']?\s*(?:[:=]|=>|:=)\s*[\"']?$",
    re.IGNORECASE | re.ASCII,
)
_PATH: Final = re.compile(r"(?::\d+)?/(?:v[12]|oauth)\b", re.ASCII)
_SET_TO: Final = r"[\"']?(?:\s*[:=]|,?\s+[\"']?value[\"']?\s*:)\s*[\"']?"
_OUR_BASE: Final = re.compile(rf"\bSTRIPE_API_BASE{_SET_TO}https://$", re.ASCII)
_END_OF_BASE: Final = re.compile(r"/?(?:[\"'\s,}#;]|$)")

# Words of a command are apart by blanks, also over lines, or as elements of a list.
_APART: Final = r"[\"']?(?:,\s*|[ \t]+(?:\\\r?\n[ \t]*)?)[\"']?"
_OPTIONS: Final = rf"(?:{_APART}-[^\s\"',]+(?:{_APART}[^\s\"',-][^\s\"',]*)??){{0,12}}?"
_RESOURCES: Final = """
    accounts application_fees balance balance_transactions cards charges coupons credit_notes
    customers disputes events external_accounts files invoices invoice_?items payment_\\w+ payouts
    plans prices products promotion_codes quotes refunds setup_\\w+ sources subscriptions
    subscription_\\w+ tax_\\w+ tokens topups transfers transfer_reversals webhook_endpoints
    """.split()
_GROUPS: Final = "billing|billing_portal|checkout|issuing|radar|terminal|test_helpers|treasury|v2"
_ACTIONS: Final = """
    accept approve attach cancel capture close confirm create decline delete detach expire finalize
    finalize_invoice list mark_uncollectible pay reject resume retrieve reverse search send_invoice
    update void_invoice
    """.split()
_REQUEST: Final = (
    rf"(?:(?:{'|'.join(_RESOURCES)}|{UNKNOWN}|(?:{_GROUPS}){_APART}\w+)"
    rf"{_APART}(?:{'|'.join(_ACTIONS)})\b"
    rf"|(?:get|post|delete){_APART}(?:/v|\w+_\w)|(?:trigger|fixtures){_APART}\w)"
)
_STRIPE_COMMAND: Final = rf"(stripe(?:-cli)?(?::[\w.-]+)?{_OPTIONS}{_APART}{_REQUEST})"
_STARTS_COMMAND: Final = re.compile(
    r"(?:^|[;&|(`!{@\"'\[:-]|\b(?:sudo|exec|then|do|else|time|nohup|xargs|env)\s|\w=\S{0,99}\s"
    r"|\bdocker\b.*\s)\s*(?:[\w.~/-]{0,80}/)?$"
)
_OF_PEOPLE: Final = re.compile(
    rf"stripe-billing-router{_OPTIONS}{_APART}(?:(?:approvals|discrepancies){_APART})?"
    r"(?:approve|reject|freeze|unfreeze|acknowledge|resolve)\b"
)

VARIABLE: Final = re.compile("STRIPE_(?:SECRET|API)_KEY")
_NAME: Final = VARIABLE.pattern
_READ: Final = (
    rf"(\$\{{{{0,2}}\s*(?:(?:secrets|env)\.)?{_NAME}\b|process\.env\.{_NAME}\b"
    rf"|(?:[Ee]nv|ENV|environ|fetch|var)!?[\[(][\"']{_NAME}[\"'])"
)
_HANDED_ON: Final = re.compile(rf"{_NAME}{_SET_TO}$|-[nz]\s+[\"']?$")
_NOT_READ: Final = re.compile(r":?[?+]|[\])]?\s*=[^=]")

_IMPORT: Final = (
    r"(?:from\s+stripe(?:\.\w+)*\s+import\b"
    r"|import\s+(?:[\w.]+\s*,\s*)*stripe(?:\.\w+)*[ \t]*(?:$|[,;#\"']|as\b))"
)
_GIVEN_TO_PYTHON: Final = re.compile(r"python[\d.]*\b[^\n]*(?:<<|-c\b)|shell:\s*python")


def scan_text(data: bytes, *, slashes: bool = False) -> Iterator[Hit]:
    """Yield what a text that programs read violates, keys left out.

    `slashes` says that the text's comments begin with two slashes, and not with `#`.
    """
    comment = _COMMENT_BY_SLASHES if slashes else _COMMENT
    for rule, pattern, counts in _SIGNS:
        places = Places(data)
        for match in pattern.finditer(data):
            start = match.start(1)
            if not comment.search(places.before(start)) and counts(places, match):
                yield hit(rule, *places.place(start), decoded(match[1]).lower())


def raw_keys(data: bytes) -> Iterator[Hit]:
    """Yield the raw keys of a text."""
    places = Places(data)
    for key in keys_in_bytes(data):
        yield hit(findings.RAW_KEY, *places.place(key.start), key.kind)


def rules_of_command(command: str) -> set[str]:
    """Return the rules that a command, which a program starts, violates; hosts left out."""
    data = command.encode(errors="replace")
    rules = {one.rule for one in scan_text(data)} - {findings.API_HOST}
    return rules | {findings.OPERATORS} if _OF_PEOPLE.search(command) else rules


def host_in_code(text: str) -> str | None:
    """Return the API's host in a string of a program; `UNKNOWN` stands for what is filled in."""
    match = _HOST_IN_CODE.search(text) if ".com" in text.lower() else None
    return (match["host"] or "*.stripe.com").lower() if match else None


def _is_base(places: Places, match: re.Match[bytes]) -> bool:
    before, after = places.before(match.start()), places.after(match.end())
    # The router's own setting, with its usual value, is where the router finds Stripe.
    ours = match[1] == b"api.stripe.com" and _END_OF_BASE.match(after)
    if ours and _OUR_BASE.search(places.preceding(match.start())):
        return False
    is_base = _SCHEME.search(before) or _SETTING.search(before) or _PATH.match(after)
    return is_base is not None and not _PAGE_POLICY.search(before + after)


def _is_started(places: Places, match: re.Match[bytes]) -> bool:
    return _STARTS_COMMAND.search(places.before(match.start())) is not None


def _is_read(places: Places, match: re.Match[bytes]) -> bool:
    """Whether a variable's value is used, and not set, tested or handed on by the same name."""
    handed_on = _HANDED_ON.search(places.preceding(match.start()))
    return not handed_on and not _NOT_READ.match(places.after(match.end()))


def _is_python(places: Places, match: re.Match[bytes]) -> bool:
    """Whether a line is in a program that a shell gives to Python."""
    return _GIVEN_TO_PYTHON.search(places.preceding(match.start())) is not None


_SIGNS: Final[tuple[tuple[str, re.Pattern[bytes], Callable[..., bool]], ...]] = (
    (findings.API_HOST, re.compile(_HOST.encode(), re.IGNORECASE), _is_base),
    (findings.STRIPE_CLI, re.compile(_STRIPE_COMMAND.encode()), _is_started),
    (findings.STRIPE_CLI, re.compile(rb"(@stripe/mcp)\b"), lambda *_: True),
    (findings.KEY_VARIABLE, re.compile(_READ.encode()), _is_read),
    (
        findings.DYNAMIC_IMPORT,
        re.compile(rf"(python[\d.]*\b[^\n]{{0,99}}?-c\b[^\n]{{0,200}}?\b{_IMPORT})".encode()),
        lambda *_: True,
    ),
    (findings.STRIPE_IMPORT, re.compile(rf"(?m)^[ \t]*({_IMPORT})".encode()), _is_python),
)
