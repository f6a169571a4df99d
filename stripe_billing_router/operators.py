"""What people do about bots: stop them, let them go, approve and reject what they ask for.

Bots have no business here; `stripe-billing-router check-usage` finds those that import it.
"""

from __future__ import annotations

from .client import operators_desk
from .default import get_router
from .models import Approval, Freeze
from .secrecy import discreet


@discreet
def freeze(scope: str, reason: str, by: str) -> Freeze:
    """Stop every bot that `scope` matches, in every process, from its next call or resend on.

    A scope is a bot id of which any part may be `*`: `finance:collector`, `finance:*`, `acme:*:*`,
    or `*` for everything.
    """
    return operators_desk(get_router()).freeze(scope, reason, by)


@discreet
def unfreeze(scope: str, by: str) -> None:
    """End every freeze of this very scope; InvalidRequestError if there is none."""
    operators_desk(get_router()).unfreeze(scope, by)


@discreet
def approve(approval_id: str, *, by: str, note: str | None = None) -> Approval:
    """Let a bot do, once, exactly what it asked for, when it repeats its call with the key.

    InvalidRequestError if it is decided or has expired.
    """
    return operators_desk(get_router()).approve(approval_id, by, note)


@discreet
def reject(approval_id: str, *, by: str, note: str | None = None) -> Approval:
    """Refuse what a bot asked for, for good; also what was approved, until it is used."""
    return operators_desk(get_router()).reject(approval_id, by, note)
