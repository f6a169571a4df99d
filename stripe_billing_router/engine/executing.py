"""From a durable intent to its outcome, and what is raised where there is none."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from ..errors import BillingError, LedgerUnavailableError, OutcomeUnknownError, PolicyViolationError
from ..locks import CALLER
from ..models import (
    BOT_MAY_ASK_FOR_MS,
    HAPPENED,
    Failure,
    ForeignStep,
    Operation,
    OperationState,
    Outcome,
    Reserve,
    Result,
    Step,
    Verb,
)
from ..ports import CommitAmbiguous, Keys, OutcomeInDoubt, Reply, StaleLease
from ..secrecy import loggable
from .failures import failure_of_reply, unknown
from .guards.policing import within_limits
from .leases import Lease
from .parts import Parts
from .sending import NotExecuted

_log = logging.getLogger(__name__)


class Executor:
    """Runs operations whose intent is durable and whose lease this call holds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def execute(
        self, operation: Operation, verb: Verb, keys: Keys, lease: Lease, *, in_doubt: bool
    ) -> Result:
        """Run the steps, record the outcome, and return the result or raise what it came to."""
        before = sys.exception()
        try:
            return self._run(operation, verb, keys, lease, in_doubt)
        except BillingError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, it may have been paid
            # Stripe answered in a way nobody foresaw: that must not read as "nothing happened".
            failure = "operation %s was interrupted"
            _log.error(failure, operation.operation_id, exc_info=loggable(error, before))
            self._parts.closing.leave_broken_off(operation, lease.token)
            raise _unknown(operation, "Stripe's answer could not be read.") from None
        except BaseException:
            self._parts.closing.leave_broken_off(operation, lease.token)
            raise

    def _run(
        self, operation: Operation, verb: Verb, keys: Keys, lease: Lease, in_doubt: bool
    ) -> Result:
        if not in_doubt and _is_abandoned(operation):
            why = BillingError("Nobody waits for it any more, so nothing is sent.")
            self._not_executed(operation, verb, lease, why)
        try:
            operation, outcome = self._parts.sender.run(
                operation,
                within_rules(verb, self._parts, lease),
                keys,
                lease,
                in_doubt=in_doubt,
                recheck=lambda fresh: self.recheck(operation, fresh),
            )
        except NotExecuted as stopped:
            self._not_executed(operation, verb, lease, stopped.why)
        except OutcomeInDoubt:
            self._parts.closing.leave_unknown(operation, lease.token)
            raise _unknown(operation, "Stripe gave no clear answer.") from None
        except ForeignStep as foreign:
            self._parts.closing.leave_unknown(operation, lease.token)
            raise self._parts.trust.foreign(operation, foreign) from None
        except StaleLease:
            self._parts.closing.leave_lost(operation, lease.token)
            raise _unknown(operation, "Another process has taken this operation over.") from None
        except (LedgerUnavailableError, CommitAmbiguous):
            self._parts.closing.leave_unknown(operation, lease.token)
            raise _unknown(operation, "The database broke off between two steps.") from None
        if outcome.failure is not None:
            self._parts.providers.of(operation).forget(operation)
        unheard = outcome.state in HAPPENED and _is_abandoned(operation)
        closed = self._parts.closing.close(
            operation,
            outcome,
            verb,
            lease.token,
            blocks_twins_for_ms=BOT_MAY_ASK_FOR_MS if unheard else 0,
        )
        return self._parts.closing.deliver(closed, verb, keys.public_key, first=True)

    def recheck(self, operation: Operation, keys: Keys) -> Sequence[Reserve]:
        """What is checked before a call is checked again before every resend.

        Returns what the rules demand that the operation holds by then.
        """
        for guard in self._parts.guards:
            guard.check_bot(operation.bot)
        provider = self._parts.providers.of(operation)
        self._parts.accounts.check(operation.bot, keys, at=provider)
        return self._parts.policing.rechecked(operation)

    def _not_executed(
        self, operation: Operation, verb: Verb, lease: Lease, why: Reply | BillingError
    ) -> NoReturn:
        """Nothing happened, so the same key may try again."""
        failure = (
            Failure("vetoed", str(why)) if isinstance(why, BillingError) else failure_of_reply(why)
        )
        outcome = Outcome(
            OperationState.ABANDONED, None, None, 0, operation.currency, False, {}, failure
        )
        closed = self._parts.closing.close(operation, outcome, verb, lease.token)
        if isinstance(why, BillingError):
            raise why
        self._parts.closing.deliver(closed, verb, first=True)
        raise AssertionError("an abandoned operation has no result")


def _is_abandoned(operation: Operation) -> bool:
    """Say whether nobody waits for a keyless call any more: whoever asks for an equal one may mean
    this one, which only a key would tell."""
    caller = CALLER.get()
    return operation.idempotency_key is None and caller is not None and caller.has_left


def _unknown(operation: Operation, why: str) -> OutcomeUnknownError:
    return unknown(operation.operation_id, operation.idempotency_key, why)


def within_rules(verb: Verb, parts: Parts, lease: Lease) -> Callable[[Operation], Step | Outcome]:
    """Return the verb's `proceed`; what shows to collect more than the rules allow is taken down
    instead, and has come to nothing because of them."""
    vetoes: list[str] = []

    def plan(operation: Operation) -> Step | Outcome:
        if vetoes:
            return _vetoed(verb.wind_up(operation), vetoes[-1])
        found = verb.proceed(operation)
        try:
            due = parts.providers.of(operation).due(operation, found)
            reserves = parts.policing.more_due(operation, due)
            if reserves:
                with within_limits():
                    parts.leases.renew(lease, reserves)
        except PolicyViolationError as veto:
            vetoes.append(str(veto))
            return _vetoed(verb.wind_up(operation), str(veto))
        return found

    return plan


def _vetoed(found: Step | Outcome, veto: str) -> Step | Outcome:
    """What was paid while it was taken down stays what it is."""
    if isinstance(found, Step) or found.state is not OperationState.CANCELED:
        return found
    return replace(found, failure=Failure("vetoed", veto))
