"""Sends an operation's steps, one after the other, each with its own key, until it is settled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import BillingError, KeyConfigurationError, StripeRequestError
from ..hashing import request_key
from ..models import Operation, Outcome, RecordOutputs, Step, StepOutput
from ..ports import (
    Clock,
    KeyProvider,
    Keys,
    OutcomeInDoubt,
    Provider,
    Reply,
    Request,
    Store,
    Verdict,
)
from ..providers import Providers
from .leases import Lease, Leases

T = TypeVar("T")


class NotExecuted(Exception):
    """A request surely had no effect; `why` is the last reply, or the veto that stopped it."""

    def __init__(self, why: Reply | BillingError) -> None:
        super().__init__()
        self.why = why


class Sender:
    """Runs operations whose intent is durable and whose lease this call holds."""

    def __init__(
        self,
        store: Store,
        providers: Providers,
        keys: KeyProvider,
        clock: Clock,
        leases: Leases,
        retry_for: float,
    ) -> None:
        self._store = store
        self._providers = providers
        self._keys = keys
        self._clock = clock
        self._leases = leases
        self._retry_for = retry_for

    def run(
        self,
        operation: Operation,
        plan: Callable[[Operation], Step | Outcome],
        keys: Keys,
        lease: Lease,
        *,
        in_doubt: bool,
        recheck: Callable[[Keys], object],
    ) -> tuple[Operation, Outcome]:
        """Return the operation with all outputs, and what it came to.

        `plan` says what to send next, or what the operation has come to (a verb's `proceed`).
        `in_doubt` says that the next step may have been sent before. `recheck` is called before
        every resend. Raises OutcomeInDoubt, NotExecuted, ForeignStep or StaleLease.
        """
        while not isinstance(next_step := plan(operation), Outcome):
            try:
                output, keys = self._settle(operation, next_step, keys, lease, in_doubt, recheck)
            except NotExecuted as stopped:
                if operation.outputs:
                    raise OutcomeInDoubt from stopped
                raise
            operation = replace(operation, outputs=(*operation.outputs, output))
            in_doubt = False
            if not isinstance(plan(operation), Outcome):
                self._store.commit(
                    RecordOutputs(
                        operation.operation_id,
                        lease.token,
                        operation.outputs,
                        operation.attempt,
                    )
                )
        return operation, next_step

    def _settle(
        self,
        operation: Operation,
        step: Step,
        keys: Keys,
        lease: Lease,
        in_doubt: bool,
        recheck: Callable[[Keys], object],
    ) -> tuple[StepOutput, Keys]:
        """Return Stripe's answer to one step, and the keys that are in force by then."""
        give_up = self._clock.elapsed() + self._retry_for
        attempt, renewed, provider = 0, False, self._providers.of(operation)
        while True:
            self._leases.ensure(lease)
            request = self._request(operation, step, keys)
            reply = _about(provider, operation, step, request, provider.send(request))
            found = provider.verdict(reply, in_doubt=in_doubt)
            fresh = None if renewed else self._renewed(keys, reply)
            if fresh is not None:
                keys, renewed = fresh, True
            elif found is Verdict.SETTLED:
                return _settled(step, reply), keys
            else:
                in_doubt = in_doubt or found is not Verdict.AGAIN
                wait = reply.wait(attempt)
                if found is Verdict.STOP or self._is_over(reply, attempt, wait, give_up):
                    raise OutcomeInDoubt if in_doubt else NotExecuted(reply)
                self._clock.sleep(wait)
                attempt += 1
            _recheck(recheck, keys, in_doubt)

    def _is_over(self, reply: Reply, attempt: int, wait: float, give_up: float) -> bool:
        """One retry is worth it even after a send that took as long as all retries may."""
        if reply.should_retry is False or wait > self._retry_for:
            return True
        return attempt > 0 and self._clock.elapsed() + wait > give_up

    def _renewed(self, keys: Keys, reply: Reply) -> Keys | None:
        refused = reply.kind == "answered" and reply.status == 401
        return rotated(self._keys, keys) if refused else None

    def _request(self, operation: Operation, step: Step, keys: Keys) -> Request:
        path, params = resolved(step, operation.outputs)
        self._providers.of(operation).check_step(operation, step, path, params)
        keyed = step.method == "post" and not step.repeatable
        key = request_key(operation.operation_id, step.name, operation.generation)
        return Request(
            step.method,
            path,
            params,
            keys.secret_key,
            operation.api_version,
            step.expects,
            key if keyed else None,
            step.name,
        )


def rotated(keys: KeyProvider, refused: Keys) -> Keys | None:
    """Return the new keys, if there are others by now than those that Stripe refuses."""
    try:
        keys.refresh()
        fresh = keys.keys()
    except BillingError:
        return None
    return None if fresh.secret_key == refused.secret_key else fresh


def _about(
    provider: Provider, operation: Operation, step: Step, request: Request, reply: Reply
) -> Reply:
    """Return the reply; one about something else says nothing of this operation."""
    if reply.kind != "answered":
        return reply
    field = provider.strange(operation, step, request, reply)
    if field is None:
        return reply
    note = f"an answer about something else ({field})"
    return Reply("indeterminate", reply.status, note=note)


def _recheck(recheck: Callable[[Keys], object], keys: Keys, in_doubt: bool) -> None:
    try:
        recheck(keys)
    except BillingError as veto:
        if in_doubt:
            raise OutcomeInDoubt from veto
        raise NotExecuted(veto) from None


def _settled(step: Step, reply: Reply) -> StepOutput:
    """Return the answer. A key that Stripe refuses executed nothing and is no answer."""
    if reply.status in (401, 403) and not reply.replayed:
        raise NotExecuted(reply)
    return StepOutput(step.name, reply.status or 0, reply.body, reply.request_id, reply.replayed)


_IN_PATH = re.compile(r"\{([a-z_]+)\}")


def resolved(step: Step, outputs: Sequence[StepOutput]) -> tuple[str, Mapping[str, Any]]:
    """Return the step's path and parameters with every reference replaced by the id it names."""
    if not outputs:
        return step.path, step.params
    ids = {output.step: output.body.get("id") for output in outputs}
    path = _IN_PATH.sub(lambda found: str(ids[found.group(1)]), step.path)
    return path, _filled(step.params, ids)


def _filled(value: Any, ids: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"$from"}:
            return ids[value["$from"]]
        return {name: _filled(item, ids) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, ids) for item in value]
    return value


def with_keys(keys: KeyProvider, read: Callable[[Keys], T]) -> T:
    """Return what `read` finds with the keys in force, or with new ones if Stripe refuses these."""
    used = keys.keys()
    try:
        return read(used)
    except (KeyConfigurationError, StripeRequestError) as error:
        fresh = rotated(keys, used) if _refuses_the_key(error) else None
        if fresh is None:
            raise
    return read(fresh)


def _refuses_the_key(error: KeyConfigurationError | StripeRequestError) -> bool:
    if isinstance(error, StripeRequestError):
        return error.http_status == 401
    return error.reason == "refused_by_stripe"
