"""The consequences of a failed check. Each runs even if the one before it failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from threading import local
from typing import Any, NoReturn, Protocol

from ...errors import AccountMismatchError, Money
from ...ports import Discrepancy, Event, Reaction
from ...secrecy import attempt
from .. import observing
from .sanity import ACCOUNT_MISMATCH

_log = logging.getLogger(__name__)

WHAT = {
    "key": "the secret key is not among the allowed keys",
    "route_account": "the route names another account",
    "key_account": "the secret key belongs to another account",
    "destination": "the payment's destination is another account",
    "event_account": "a webhook that Stripe signed for us is about another account",
}


_MONEY: dict[Money, str] = {
    "not_moved": "no money has moved",
    "unknown": "money may have moved: look the operation up in Stripe",
    "moved": "the money has moved: look the operation up in Stripe",
}


class Reactions:
    """Runs every registered reaction, in order, then raises."""

    def __init__(self, reactions: Sequence[Reaction]) -> None:
        self._reactions = tuple(reactions)
        self._here = local()

    def mismatch(self, discrepancy: Discrepancy, money: Money = "not_moved") -> NoReturn:
        """React to a failed check of key, account or destination; then AccountMismatchError."""
        self._alert_mismatch(observing.described(discrepancy))
        raise mismatch_error(discrepancy, money)

    def _alert_mismatch(self, discrepancy: Discrepancy) -> None:
        """Run the consequences, but not those of a check that a consequence itself fails.

        An interrupt, or whatever else `attempt` lets through, goes on when all have run.
        """
        if getattr(self._here, "reacting", False):
            return
        self._here.reacting = True
        try:
            with ExitStack() as stack:
                for reaction in reversed(self._reactions):
                    stack.callback(_run, reaction, discrepancy)
        finally:
            self._here.reacting = False


def _run(reaction: Reaction, discrepancy: Discrepancy) -> None:
    failure = f"a reaction to a discrepancy failed: {type(reaction).__name__}"
    attempt(_log, failure, lambda: reaction.react(discrepancy))


def mismatch_error(discrepancy: Discrepancy, money: Money) -> AccountMismatchError:
    """Return the error of a discrepancy, without its consequences."""
    return AccountMismatchError(
        f"{discrepancy.bot or 'The router'}: {WHAT[discrepancy.kind]}. Stop the bot, find out "
        f"who changed the key or the route, and correct it; {_MONEY[money]}.",
        operation_id=discrepancy.operation_id,
        money=money,
        bot_id=str(discrepancy.bot) if discrepancy.bot else None,
        account_id=discrepancy.account_id,
        expected_account_id=discrepancy.expected_account_id,
    )


_MOST_SEVERE = 5.0
_KINDS = {
    "operation.escalated": "escalated",
    "operation.proven": "proven",
    "operation.unsealed": "unsealed",
    "webhook.unsealed": "unsealed",
}


class DiscrepancyLog(Protocol):
    """Where discrepancies are kept for people."""

    def record(
        self,
        kind: str,
        *,
        bot_id: str | None = None,
        account_id: str | None = None,
        expected_account_id: str | None = None,
        operation_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> object: ...


class RollbackManager(Protocol):
    """Ours, or what the host puts in its place."""

    def auto_rollback(self, bot_id: str, *, reason: str) -> object: ...


class PaymentSanity(Protocol):
    """Ours, or what the host puts in its place."""

    def record_payment_anomaly(
        self, event_type: str, metadata: Mapping[str, Any], *, severity: float
    ) -> object: ...


class RecordDiscrepancy:
    """Keeps failed checks, and operations that people have to look at. A Reaction and an
    Observer; `log` opens the database, which may be what fails."""

    def __init__(self, log: Callable[[], DiscrepancyLog]) -> None:
        self._log = log

    def react(self, discrepancy: Discrepancy) -> None:
        self._log().record(
            discrepancy.kind,
            bot_id=_bot_id(discrepancy),
            account_id=discrepancy.account_id,
            expected_account_id=discrepancy.expected_account_id,
            operation_id=discrepancy.operation_id,
            details={"what": WHAT[discrepancy.kind], **_asked(discrepancy)},
        )

    def notify(self, event: Event) -> None:
        kind = _KINDS.get(event.name)
        if kind is not None:
            self._log().record(
                kind,
                bot_id=str(event.bot) if event.bot else None,
                operation_id=event.operation_id,
                details={"what": event.message, "verb": event.verb},
            )


class RollBack:
    """Rolls back what the bot could have changed. A discrepancy of no bot rolls nothing back."""

    def __init__(self, manager: RollbackManager) -> None:
        self._manager = manager

    def react(self, discrepancy: Discrepancy) -> None:
        if discrepancy.bot is not None:
            self._manager.auto_rollback(str(discrepancy.bot), reason=WHAT[discrepancy.kind])


class RecordAnomaly:
    """Writes the failed check to the shared ledger."""

    def __init__(self, sanity: PaymentSanity) -> None:
        self._sanity = sanity

    def react(self, discrepancy: Discrepancy) -> None:
        metadata = {
            "bot_id": _bot_id(discrepancy),
            "kind": discrepancy.kind,
            "account_id": discrepancy.account_id,
            "expected_account_id": discrepancy.expected_account_id,
            "operation_id": discrepancy.operation_id,
            **_asked(discrepancy),
        }
        self._sanity.record_payment_anomaly(ACCOUNT_MISMATCH, metadata, severity=_MOST_SEVERE)


def _asked(discrepancy: Discrepancy) -> dict[str, str]:
    """Return what the call was about, as far as it is known."""
    asked = {name: getattr(discrepancy, name) for name in ("verb", "amount", "currency")}
    return {name: value for name, value in asked.items() if value is not None}


def _bot_id(discrepancy: Discrepancy) -> str | None:
    return str(discrepancy.bot) if discrepancy.bot else None
