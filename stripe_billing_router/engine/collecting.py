"""Nothing is collected under rules that were asked about less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import PolicyViolationError
from ..models import Failure, Operation, OperationState, Outcome, Step
from ..verbs import Verb, due
from .leases import Lease, Leases
from .policing import Policing, within_limits


def within_rules(
    verb: Verb, policing: Policing, leases: Leases, lease: Lease
) -> Callable[[Operation], Step | Outcome]:
    """Return the verb's `proceed`; what shows to collect more than the rules allow is taken down
    instead, and has come to nothing because of them."""
    vetoes: list[str] = []

    def plan(operation: Operation) -> Step | Outcome:
        if vetoes:
            return _vetoed(verb.wind_up(operation), vetoes[-1])
        found = verb.proceed(operation)
        try:
            reserves = policing.more_due(operation, due(operation, found))
            if reserves:
                with within_limits():
                    leases.renew(lease, reserves)
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
