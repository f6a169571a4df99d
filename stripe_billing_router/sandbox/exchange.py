"""One request in, one response out: who asks, what for, was it asked before, and do it."""

from __future__ import annotations

import json
from http import HTTPStatus

from ..frozen import frozen
from . import fault_effects
from .access import KeyRing
from .accounts import Accounts
from .clock import VirtualClock
from .expansion import Expander
from .failures import StripeFailure
from .family import Call, Route
from .faults import Fault
from .form import parsed
from .idempotency import Slot
from .journal import RecordedRequest
from .routing import Router
from .schema import checked
from .state import AccountState
from .wire import HttpRequest, HttpResponse, Json, copied, http_date

_NO_FAULT = Fault("headers")
_KEPT = ("Original-Request", "Stripe-Should-Retry")


@frozen
class _Execution:
    """A request that passed every check and waits to be executed."""

    account: AccountState
    route: Route
    call: Call
    slot: Slot | None


class Exchange:
    """Answers requests. The accounts' lock is not held while a fault lets time go by."""

    def __init__(
        self,
        router: Router,
        expander: Expander,
        keys: KeyRing,
        accounts: Accounts,
        clock: VirtualClock,
        api_version: str,
    ) -> None:
        self._router = router
        self._expander = expander
        self._keys = keys
        self._accounts = accounts
        self._clock = clock
        self._lock = accounts.lock
        self._api_version = api_version

    def answer(
        self, request: HttpRequest, record: RecordedRequest, fault: Fault = _NO_FAULT
    ) -> HttpResponse:
        """Return the response; WireFault if the fault is that none comes back."""
        record.fault = None if fault is _NO_FAULT else fault.kind
        if fault.lets_execute:
            response = self._executed(request, record, fault)
        else:
            fault_effects.pause(fault, self._clock)
            response = self._respond(record, 200, {})
        returned = fault_effects.returned(fault, self._substituted(fault, record, response))
        record.status = returned.status
        return returned

    def _substituted(
        self, fault: Fault, record: RecordedRequest, response: HttpResponse
    ) -> HttpResponse:
        found = fault_effects.error_of(fault, record.idempotency_key)
        return self._respond(record, found[0], {"error": found[1]}) if found else response

    def _executed(
        self, request: HttpRequest, record: RecordedRequest, fault: Fault
    ) -> HttpResponse:
        with self._lock:
            plan = self._prepare(request, record)
        try:
            fault_effects.pause(fault, self._clock)
            if isinstance(plan, HttpResponse):
                return plan
            with self._lock:
                return self._execute(plan, record, fault)
        finally:
            if isinstance(plan, _Execution) and plan.slot and plan.slot.response is None:
                plan.account.idempotency.release(record.idempotency_key or "")

    def _prepare(self, request: HttpRequest, record: RecordedRequest) -> HttpResponse | _Execution:
        try:
            if not record.params:
                record.params = parsed(request.form)
            key = self._keys.authenticate(request.headers)
            route, ids = self._router.find(request.method, request.path)
            key.check(route.resource)
            account = self._accounts.state(key.account)
            slot = self._stored(account, record)
            if slot and slot.response:
                return self._replay(slot.response, record)
            params = self._checked(route, record.params)
            return self._planned(route, Call(account, record.path, params, ids), record)
        except StripeFailure as failure:
            return self._respond(record, failure.status, {"error": failure.error})

    def _stored(self, account: AccountState, record: RecordedRequest) -> Slot | None:
        key = record.idempotency_key
        if record.method != "POST" or not key:
            return None
        return account.idempotency.find(key, record.path, record.params, self._clock.now())

    def _checked(self, route: Route, params: Json) -> Json:
        typed = checked(route.params, params)
        self._expander.check(route.returns, typed.get("expand", ()))
        return typed

    def _planned(self, route: Route, call: Call, record: RecordedRequest) -> _Execution:
        slot = None
        if record.method == "POST" and record.idempotency_key:
            slot = call.account.idempotency.reserve(
                record.idempotency_key,
                record.path,
                copied(record.params),
                self._clock.now(),
            )
        return _Execution(call.account, route, call, slot)

    def _execute(self, plan: _Execution, record: RecordedRequest, fault: Fault) -> HttpResponse:
        record.executed = True
        account, key = plan.account, record.idempotency_key
        account.tick()
        account.request = {"id": record.request_id, "idempotency_key": key}
        try:
            obj = plan.route.handler(plan.call)
            body = self._expander.expand(account, obj, plan.call.params.get("expand", ()))
            response, executed = self._respond(record, 200, body), True
        except StripeFailure as failure:
            executed = record.executed = failure.executed
            response = self._respond(record, failure.status, {"error": failure.error})
        finally:
            account.request = {"id": None, "idempotency_key": None}
        if plan.slot and executed:
            plan.slot.response = self._to_store(fault, record, response)
        return response

    def _to_store(
        self, fault: Fault, record: RecordedRequest, response: HttpResponse
    ) -> HttpResponse:
        if fault.kind != "server_error":
            return response
        return self._substituted(fault, record, response)

    def _replay(self, stored: HttpResponse, record: RecordedRequest) -> HttpResponse:
        record.replayed = True
        again = {name: stored.headers[name] for name in _KEPT if name in stored.headers}
        headers = self._headers(record, stored.status) | again
        return HttpResponse(stored.status, headers | {"Idempotent-Replayed": "true"}, stored.body)

    def _respond(self, record: RecordedRequest, status: int, body: Json) -> HttpResponse:
        if "error" in body and status != HTTPStatus.UNAUTHORIZED:
            log = f"https://dashboard.stripe.com/logs/{record.request_id}"
            body = {"error": {**body["error"], "request_log_url": log}}
        headers = self._headers(record, status)
        if record.method == "POST" and record.executed:
            headers |= _executed(record, status)
        return HttpResponse(status, headers, json.dumps(body).encode())

    def _headers(self, record: RecordedRequest, status: int) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Date": http_date(self._clock.now_ms())}
        if (
            status == HTTPStatus.UNAUTHORIZED
        ):  # whoever asks is nobody, and what they ask no request
            return headers | {"Www-Authenticate": 'Bearer realm="Stripe"'}
        headers["Request-Id"] = record.request_id
        headers["Stripe-Version"] = record.headers.get("stripe-version", self._api_version)
        if record.idempotency_key:
            headers["Idempotency-Key"] = record.idempotency_key
        return headers


def _executed(record: RecordedRequest, status: int) -> dict[str, str]:
    """Return what Stripe says of a request that it has executed: to send it again changes nothing.

    An error of the server's own says nothing of the kind.
    """
    original = {"Original-Request": record.request_id} if record.idempotency_key else {}
    return original if status >= 500 else {"Stripe-Should-Retry": "false", **original}
