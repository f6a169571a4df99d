"""The consequences of a failed check. Each runs even if the one before it failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import local
from typing import NoReturn

from ..attempts import attempt
from ..errors import AccountMismatchError, Money
from ..ports import Discrepancy, Reaction
from . import running

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
        self._alert_mismatch(running.described(discrepancy))
        raise mismatch_error(discrepancy, money)

    def _alert_mismatch(self, discrepancy: Discrepancy) -> None:
        """Run the consequences, but not those of a check that a consequence itself fails."""
        if getattr(self._here, "reacting", False):
            return
        self._here.reacting = True
        try:
            for reaction in self._reactions:
                _run(reaction, discrepancy)
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
