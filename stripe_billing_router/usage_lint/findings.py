"""What the lint says: its rules, their messages, and one violation of one of them at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

UNPARSABLE: Final = "SBR000"
STRIPE_IMPORT: Final = "SBR001"
DYNAMIC_IMPORT: Final = "SBR002"
API_HOST: Final = "SBR003"
RAW_KEY: Final = "SBR004"
OPERATORS: Final = "SBR005"
BAD_ALLOW: Final = "SBR006"
INNER_ROOM: Final = "SBR007"
STRIPE_CLI: Final = "SBR008"
KEY_VARIABLE: Final = "SBR009"

_INSTEAD: Final = "call stripe_billing_router (charge, refund, …) instead"
_OURS: Final = "this is an inner part of stripe_billing_router"
_HAND_IT: Final = "it reads this variable itself, or takes BillingRouter(secret_key=…)"
_RULES: Final = {
    UNPARSABLE: ("unparsable", "{}, so nothing is known about what it does; fix it or allow it"),
    STRIPE_IMPORT: ("stripe-import", f"stripe is imported outside the router; {_INSTEAD}"),
    DYNAMIC_IMPORT: ("dynamic-import", f"stripe is imported by its name; {_INSTEAD}"),
    API_HOST: ("api-host", "{} is Stripe's API; only the router talks to it"),
    RAW_KEY: ("raw-key", "this is {}; revoke it, and keep the next in Vault or the environment"),
    OPERATORS: (
        "operators-import",
        "this is for people; bots call the verbs, and wait for approval",
    ),
    BAD_ALLOW: ("bad-allow", "this comment allows {}"),
    INNER_ROOM: ("inner-room", f"{_OURS}, behind its checks; use its public modules"),
    STRIPE_CLI: ("stripe-cli", f"Stripe's own tools go around the router; {_INSTEAD}"),
    KEY_VARIABLE: ("key-variable", f"the secret key is for the router alone; {_HAND_IT}"),
}
RULES: Final[Mapping[str, str]] = MappingProxyType({rule: one[0] for rule, one in _RULES.items()})
"""The name of every rule, by its id."""


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """A violation. Lines and columns count from 1, columns in characters.

    `path` is as the caller would write it: relative where the path that was asked for is.
    `message` never shows a key, or any other text of the file.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.rule} {self.message}"


class Hit(NamedTuple):
    """A violation before it is known whether it is allowed; it spans `line` to `last_line`."""

    line: int
    column: int
    rule: str
    message: str
    last_line: int

    def lines(self) -> range:
        return range(self.line, max(self.line, self.last_line) + 1)


def hit(rule: str, line: int, column: int, what: str = "", *, last_line: int = 0) -> Hit:
    """Return a violation with its rule's message, which may name `what` was found."""
    return Hit(line, column, rule, _RULES[rule][1].format(what), last_line or line)
