"""The consequences of a failed check. Each runs even if the one before it failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NoReturn

from ..errors import AccountMismatchError, Money
from ..ports import Discrepancy, Reaction

_log = logging.getLogger(__name__)

WHAT = {
    "key": "the secret key is not among the allowed keys",
    "route_account": "the route names another account",
    "key_account": "the secret key belongs to another account",
    "destination": "the payment's destination is another account",
}


class Reactions:
    """Runs every registered reaction, then raises."""

    def __init__(self, reactions: Sequence[Reaction]) -> None:
        self._reactions = tuple(reactions)

    def mismatch(self, discrepancy: Discrepancy, money: Money = "not_moved") -> NoReturn:
        """React to a failed check of key, account or destination; then AccountMismatchError."""
        for reaction in self._reactions:
            self._run(reaction, discrepancy)
        raise mismatch_error(discrepancy, money)

    def _run(self, reaction: Reaction, discrepancy: Discrepancy) -> None:
        try:
            reaction.react(discrepancy)
        except Exception:  # noqa: BLE001 - a failing consequence must not stop the next one
            _log.exception("a reaction to a discrepancy failed: %s", type(reaction).__name__)


def mismatch_error(discrepancy: Discrepancy, money: Money) -> AccountMismatchError:
    """Return the error of a discrepancy, without its consequences."""
    return AccountMismatchError(
        f"{discrepancy.bot or 'The router'}: {WHAT[discrepancy.kind]}. Stop the bot, find out "
        "who changed the key or the route, and correct it; nothing goes to another account.",
        operation_id=discrepancy.operation_id,
        money=money,
        bot_id=str(discrepancy.bot) if discrepancy.bot else None,
        account_id=discrepancy.account_id,
        expected_account_id=discrepancy.expected_account_id,
    )
