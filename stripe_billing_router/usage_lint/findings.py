"""What the lint says: its rules, their messages, and one violation of one of them at one place.

No message shows text of the file.
"""

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

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        UNPARSABLE: "unparsable",
        STRIPE_IMPORT: "stripe-import",
        DYNAMIC_IMPORT: "dynamic-import",
        API_HOST: "api-host",
        RAW_KEY: "raw-key",
        OPERATORS: "operators-import",
        BAD_ALLOW: "bad-allow",
        INNER_ROOM: "inner-room",
        STRIPE_CLI: "stripe-cli",
        KEY_VARIABLE: "key-variable",
    }
)
"""The name of every rule, by its id."""

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        UNPARSABLE: "{}, so nothing is known about what it does; fix it or allow it by its path",
        STRIPE_IMPORT: "stripe is imported outside the router; "
        "call stripe_billing_router (charge, refund, …) instead",
        DYNAMIC_IMPORT: "stripe is imported by its name outside the router; "
        "call stripe_billing_router instead",
        API_HOST: "{} is Stripe's API; only the router talks to it",
        RAW_KEY: "this is {}; revoke it, and keep its successor in Vault or the environment",
        OPERATORS: "what operators do is for people; bots call the verbs, and wait for approval",
        BAD_ALLOW: "this comment allows {}",
        INNER_ROOM: "this is an inner part of stripe_billing_router, behind its checks; "
        "use its public modules",
        STRIPE_CLI: "Stripe's own tools go around the router; "
        "call stripe_billing_router (charge, refund, …) instead",
        KEY_VARIABLE: "the secret key is for the router alone, which reads this variable itself; "
        "pass it on only as BillingRouter(secret_key=…)",
    }
)
"""What is wrong and what to do instead, by rule."""


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
    return Hit(line, column, rule, MESSAGES[rule].format(what), last_line or line)
