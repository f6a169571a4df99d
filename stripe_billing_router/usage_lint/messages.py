"""The messages: what is wrong and what to do instead. None shows text of the file."""

from __future__ import annotations

from typing import Final

STRIPE_IMPORT: Final = (
    "stripe is imported outside the router; call stripe_billing_router (charge, refund, …) instead"
)
DYNAMIC_IMPORT: Final = (
    "stripe is imported by its name outside the router; call stripe_billing_router instead"
)
OPERATORS_IMPORT: Final = (
    "stripe_billing_router.operators is for people; bots call the verbs, and wait for approval"
)


def api_host(host: str) -> str:
    return f"{host} is Stripe's API; only the router talks to it"


def raw_key(kind: str) -> str:
    return f"this is {kind}; revoke it, and keep its successor in Vault or the environment"


def unparsable(why: str) -> str:
    return f"{why}, so nothing is known about what it does; mend it or allow it by its path"


def names_no_rule() -> str:
    return "this comment allows no rule; write the ids of rules after `allow`"


def unknown_rule() -> str:
    return "this comment allows a rule that does not exist; the rules are SBR000 to SBR006"


def unused(rule: str) -> str:
    return f"this comment allows {rule}, which nothing here violates; remove it"
