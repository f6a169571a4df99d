"""What stands around the payments: accounts, webhook endpoints, disputes, routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cases import Claim, Dispute, Endpoint, KeyAccount, Problem, RoutedObject, View
from ..movements import Movement


def account_mismatch(case: Movement | Claim | KeyAccount, view: View) -> Problem | None:
    """Money went, or the key belongs, to an account that is not allowed."""
    if isinstance(case, KeyAccount):
        return Problem(
            f"The key is not the master account's ({case.kind}: {case.account_id}, expected "
            f"{case.expected_id}). Nothing was read of Stripe. Replace the key, and find out how "
            "it came here.",
            details={"kind": case.kind, "expected": case.expected_id},
        )
    account, subject, what = _receiver(case)
    if account is None or account in view.limits.accounts:
        return None
    return Problem(
        f"The money of {what} goes to {account}, which is not allowed. Stop the bot, refund the "
        "payment, and find out who named that account.",
        subject,
    )


def _receiver(case: Movement | Claim) -> tuple[str | None, str, str]:
    """Return the account, the subject and the id of a case. Entry and charge of one operation are
    one problem, so both go by their operation."""
    if isinstance(case, Movement):
        shown, operation = case.shown, case.operation_id if case.ours else None
        return shown.destination, operation or shown.id, shown.id
    entry = case.entry
    return entry.destination_account, entry.operation_id or entry.id, entry.id


def unknown_webhook(endpoint: Endpoint, view: View) -> Problem | None:
    """Somebody else is told of the account's events."""
    if _authorized(endpoint, view.limits.authorized_webhooks):
        return None
    return Problem(
        f"{endpoint.id} sends the account's events to {endpoint.place}, which is not in "
        "authorized_webhooks. Delete the endpoint in Stripe, or list it.",
        details={"url": endpoint.place, "status": endpoint.status},
    )


def disabled_webhook(endpoint: Endpoint, view: View) -> Problem | None:
    """An endpoint of ours is switched off: events do not arrive."""
    if endpoint.status == "enabled" or not _authorized(endpoint, view.limits.authorized_webhooks):
        return None
    return Problem(
        f"{endpoint.id} ({endpoint.place}) is {endpoint.status}: events do not arrive. Find out "
        "who or what switched it off, and enable it in Stripe.",
        details={"url": endpoint.place, "status": endpoint.status},
    )


def _authorized(endpoint: Endpoint, listed: frozenset[str]) -> bool:
    """By id or by URL, whichever is listed; a closing slash makes no other URL."""
    urls = {entry.rstrip("/") for entry in listed}
    return endpoint.id in listed or endpoint.url.rstrip("/") in urls


def dispute_opened(dispute: Dispute, view: View) -> Problem | None:
    """A customer's bank asks for money back, and it is not decided."""
    left = None if dispute.due_ms is None else (dispute.due_ms - view.now_ms) // 3_600_000
    until = "" if left is None else f"; evidence is due in {left} hours"
    return Problem(
        f"{dispute.id} over {dispute.payment} is {dispute.status} ({dispute.reason}){until}. "
        "Answer it in Stripe's dashboard, or accept it.",
        details={
            "payment": dispute.payment,
            "status": dispute.status,
            "reason": dispute.reason,
            "due_ms": dispute.due_ms,
        },
    )


def route_drift(named: RoutedObject, view: View) -> Problem | None:  # noqa: ARG001
    """A price or customer that a route names does not exist (any more), or is inactive."""
    why = _wrong_route(named.shown)
    if not why:
        return None
    return Problem(
        f"{named.kind} {named.id} {why}, and is named by {', '.join(named.routes)}. Correct the "
        "route, or activate it in Stripe.",
        details={"kind": named.kind, "routes": list(named.routes)},
    )


def _wrong_route(shown: Mapping[str, Any] | None) -> str:
    if shown is None:
        return "does not exist in Stripe"
    return "is inactive" if shown.get("active") is False else ""
