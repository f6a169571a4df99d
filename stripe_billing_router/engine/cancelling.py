"""cancel: end an operation that still waits for its customer."""

from __future__ import annotations

import re

from ..errors import InvalidRequestError, Money
from ..models import Operation, OperationState, Result
from ..ports import Store
from ..redaction import shown
from ..verbs import VERBS
from .accounts import AccountCheck
from .closing import Closing
from .failures import doubted, money_of
from .following import WAITING, Follower
from .trust import Trust

_AN_ID = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class Canceller:
    """Cancels what waits; what is canceled already stays so."""

    def __init__(
        self,
        store: Store,
        accounts: AccountCheck,
        follower: Follower,
        closing: Closing,
        trust: Trust,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._follower = follower
        self._closing = closing
        self._trust = trust

    def cancel(self, operation_id: object) -> Result:
        """Cancel, and return what the operation has come to: `canceled`, or what overtook it."""
        self._accounts.check_pin()
        operation = self._cancellable(operation_id)
        verb = VERBS[operation.verb]
        if not self._trust.may_be_told(operation):
            raise self._trust.refused(operation)
        if operation.state in WAITING:
            with doubted(operation):
                operation = self._follower.end(operation, verb)
        return self._closing.result(operation, verb)

    def look(self, operation: Operation) -> Operation:
        """Return what an operation that waits has come to without being canceled, recorded."""
        with doubted(operation):
            return self._follower.read_anew(operation, VERBS[operation.verb])

    def _cancellable(self, operation_id: object) -> Operation:
        sane = isinstance(operation_id, str) and _AN_ID.fullmatch(operation_id)
        known = self._store.operation(str(operation_id)) if sane else None
        if known is None:
            raise InvalidRequestError(
                f"There is no operation {shown(operation_id)}; pass the operation_id of a result "
                "or an error.",
                parameter="operation_id",
            )
        if known.state not in WAITING and known.state is not OperationState.CANCELED:
            raise InvalidRequestError(
                f"Operation {known.operation_id} is {known.state}; only one that waits for its "
                "customer can be cancelled. Use refund() for what was paid.",
                operation_id=known.operation_id,
                money=_money(known),
                parameter="operation_id",
            )
        return known


def _money(operation: Operation) -> Money:
    """Return what is known of the money of an operation that is not cancelled."""
    if operation.state is OperationState.AWAITING_APPROVAL:
        return "not_moved"
    return money_of(operation.outcome)
