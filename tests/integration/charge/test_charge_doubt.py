"""Retry and doubt: whatever breaks, one payment at most, and nobody is told what is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    BillingError,
    IdempotencyConflictError,
    OutcomeUnknownError,
    PaymentDeclinedError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from stripe_billing_router.models import Charge
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, SandboxHTTPClient, World
from stripe_billing_router.sandbox.faults import ALWAYS_EXECUTED, NEVER_EXECUTED, FaultKind
from tests.integration.charge.charge_bench import BOT, CARD, CREATE, Bench, Wire

HARMLESS = ("latency", "headers", "call")
KINDS = [kind for kind in get_args(FaultKind) if kind not in HARMLESS]
NOTHING_SENT = {"refused": StripeUnavailableError, "connect_timeout": StripeUnavailableError}
NOT_EXECUTED = {
    **NOTHING_SENT,
    "rate_limited": RateLimitedError,
    "lock_timeout": RateLimitedError,
}
STRIKES = [
    (kind, effect)
    for kind in KINDS
    for effect in (False, True)
    if not (effect and kind in NEVER_EXECUTED) and not (not effect and kind in ALWAYS_EXECUTED)
]
KEYS = [pytest.param("k", id="keyed"), pytest.param(None, id="keyless")]


def settings(effect: bool, kind: str) -> dict[str, Any]:
    return {"effect": True} if effect and kind not in ALWAYS_EXECUTED else {}


def named(strike: tuple[str, bool]) -> str:
    return f"{strike[0]}-{'after' if strike[1] else 'before'}"


def is_settled_once(bench: Bench, router: BillingRouter, done: Charge) -> None:
    assert done.paid
    assert bench.states() == ["succeeded"]
    assert bench.moved() == bench.booked(router) == [500]
    assert router.ledger.verify().ok


def healed(bench: Bench, router: BillingRouter, key: str | None, effects: int) -> None:
    """Everything works again; the same call is made once more."""
    bench.world.faults.clear()
    if key is not None:
        is_settled_once(bench, router, router.charge(BOT, 5, idempotency_key=key))
        return
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5)
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    assert len(bench.moved()) == effects
    assert bench.states() == ["unknown"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("strike", STRIKES, ids=named)
def test_a_fault_that_passes_is_retried_with_the_same_key(
    bench: Bench, strike: tuple[str, bool], key: str | None
) -> None:
    kind, effect = strike
    router = bench.router()
    bench.fault(kind, **settings(effect, kind))
    if kind == "server_error" and effect:
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5, idempotency_key=key)
        assert bench.moved() == [500]
        assert bench.states() == ["unknown"]
        return
    is_settled_once(bench, router, router.charge(BOT, 5, idempotency_key=key))
    assert len({request.idempotency_key for request in bench.sent()}) == 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_no_fault_changes_nothing(bench: Bench, kind: str, key: str | None) -> None:
    router = bench.router()
    bench.fault(kind, seconds=200.0, call=lambda: None)
    is_settled_once(bench, router, router.charge(BOT, 5, idempotency_key=key))
    assert len(bench.sent()) == 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("strike", STRIKES, ids=named)
def test_a_fault_that_stays_is_called_what_it_is_and_a_repeat_ends_with_one_payment(
    bench: Bench, strike: tuple[str, bool], key: str | None
) -> None:
    kind, effect = strike
    router = bench.router()
    bench.fault(kind, times=None, **settings(effect, kind))
    with pytest.raises(BillingError) as told:
        router.charge(BOT, 5, idempotency_key=key)
    assert len(bench.moved()) == int(effect)
    assert bench.booked(router) == []
    (row,) = bench.operations()
    assert told.value.operation_id == row["operation_id"]
    if kind in NOT_EXECUTED:
        assert type(told.value) is NOT_EXECUTED[kind]
        assert (told.value.money, row["state"]) == ("not_moved", "abandoned")
    else:
        assert type(told.value) is OutcomeUnknownError
        assert (told.value.money, row["state"]) == ("unknown", "unknown")
    bench.world.faults.clear()
    if kind in NOT_EXECUTED:
        assert router.charge(BOT, 5, idempotency_key=key).paid
        assert bench.moved() == bench.booked(router) == [500]
    elif kind == "server_error" and effect:
        with pytest.raises(OutcomeUnknownError):  # Stripe replays the 500 that it stored
            router.charge(BOT, 5, idempotency_key=key)
        assert bench.moved() == [500]
    else:
        healed(bench, router, key, int(effect))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("first_effect", [True, False], ids=["done", "not-done"])
@pytest.mark.parametrize("strike", STRIKES, ids=named)
def test_once_in_doubt_no_fault_ends_the_doubt(
    bench: Bench, strike: tuple[str, bool], first_effect: bool, key: str | None
) -> None:
    kind, effect = strike
    router = bench.router()
    bench.fault("cut", effect=first_effect)
    bench.fault(kind, times=None, **settings(effect, kind))
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5, idempotency_key=key)
    assert told.value.money == "unknown"
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    assert bench.states() == ["unknown"]
    effects = int(first_effect or effect)
    assert len(bench.moved()) == effects
    if not (kind == "server_error" and effect and not first_effect):
        healed(bench, router, key, effects)


@pytest.mark.parametrize("first_effect", [True, False], ids=["done", "not-done"])
@pytest.mark.parametrize("strike", STRIKES, ids=named)
def test_a_second_fault_that_passes_is_retried_too(
    bench: Bench, strike: tuple[str, bool], first_effect: bool
) -> None:
    kind, effect = strike
    router = bench.router()
    bench.fault("timeout", effect=first_effect)
    bench.fault(kind, **settings(effect, kind))
    if kind == "server_error" and effect and not first_effect:
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
        assert bench.moved() == [500]
        return
    is_settled_once(bench, router, router.charge(BOT, 5))


@pytest.mark.parametrize("kind", sorted(NOT_EXECUTED))
def test_a_hidden_effect_before_a_refused_connection_is_not_called_not_executed(
    bench: Bench, kind: str
) -> None:
    router = bench.router()
    bench.fault("unavailable", effect=True)
    bench.fault(kind, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    healed(bench, router, None, 1)


def error(type_: str = "invalid_request_error", **more: str) -> dict[str, Any]:
    return {"error": {"type": type_, "message": "No.", **more}}


class Answering(SandboxHTTPClient):
    """From the `first` POST on, everything is answered with one and the same body."""

    def __init__(
        self, world: World, status: int, body: Mapping[str, Any], *, first: int = 2
    ) -> None:
        super().__init__(world)
        self._answer = json.dumps(body).encode(), status
        self._first = first
        self.headers = {"Request-Id": "req_forged"}
        self.posts = 0
        self.on = True

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if method.upper() == "POST" and self.on:
            self.posts += 1
            if self.posts >= self._first:
                return (*self._answer, self.headers)
        return super().request(method, url, headers, post_data)


NO_ANSWER_ABOUT_THIS_PAYMENT = {
    "401": (401, error()),
    "403": (403, error()),
    "409": (409, error(code="something")),
    "409-in-use": (409, error("idempotency_error", code="idempotency_key_in_use")),
    "429": (429, error(code="rate_limit")),
    "429-lock": (429, error(code="lock_timeout")),
    "idempotency_error": (400, error("idempotency_error")),
    "500": (500, error("api_error")),
    "503": (503, error("api_error")),
    "another-object": (200, {"object": "list", "data": []}),
    "no-object": (200, {}),
    "json-of-a-proxy": (502, {"message": "bad gateway"}),
    "oauth-like": (400, {"error": "invalid_grant"}),
}


@pytest.mark.parametrize("effect", [True, False], ids=["done", "not-done"])
@pytest.mark.parametrize("case", sorted(NO_ANSWER_ABOUT_THIS_PAYMENT))
def test_in_doubt_only_an_answer_about_this_payment_counts(
    bench: Bench, case: str, effect: bool
) -> None:
    status, body = NO_ANSWER_ABOUT_THIS_PAYMENT[case]
    http = Answering(bench.world, status, body)
    router = bench.router(http_client=http)
    bench.fault("cut", effect=effect)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    assert bench.states() == ["unknown"]
    http.on = False
    is_settled_once(bench, router, router.charge(BOT, 5, idempotency_key="k"))


@pytest.mark.parametrize("case", ["another-object", "no-object", "json-of-a-proxy", "oauth-like"])
def test_an_answer_that_is_not_stripe_s_settles_nothing(bench: Bench, case: str) -> None:
    status, body = NO_ANSWER_ABOUT_THIS_PAYMENT[case]
    router = bench.router(http_client=Answering(bench.world, status, body, first=1))
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.states() == ["unknown"]


def test_an_error_without_stripe_s_request_id_settles_nothing(bench: Bench) -> None:
    http = Answering(bench.world, 402, error("card_error"), first=1)
    http.headers = {"Via": "a proxy"}
    with pytest.raises(OutcomeUnknownError):
        bench.router(http_client=http).charge(BOT, 5)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (error("unauthorized"), {}),
        ({"error": {"type": "invalid_request_error"}}, {}),
        (error(), {"WWW-Authenticate": 'Basic realm="egress"'}),
        ({"message": "Who are you?"}, {"Request-Id": "req_of_a_proxy"}),
    ],
    ids=["type", "message", "realm", "shape"],
)
def test_a_401_of_somebody_on_the_way_settles_nothing(
    bench: Bench, body: dict[str, Any], headers: dict[str, str]
) -> None:
    http = Answering(bench.world, 401, body, first=1)
    http.headers = headers
    with pytest.raises(OutcomeUnknownError):
        bench.router(http_client=http).charge(BOT, 5)
    assert bench.states() == ["unknown"]


def test_a_page_of_a_proxy_is_no_401_of_stripe(bench: Bench) -> None:
    router = bench.router()
    bench.fault("proxy_page", status=401, times=None, effect=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.moved() == [500]


def test_an_answer_that_was_spoilt_on_the_way_is_asked_for_again(bench: Bench) -> None:
    """Stripe says that a retry is of no use; but that is about the answer that it gave."""

    class Spoiling(SandboxHTTPClient):
        first = True

        def request(  # type: ignore[override]
            self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
        ) -> tuple[bytes, int, Mapping[str, str]]:
            body, status, answered = super().request(method, url, headers, post_data)
            spoilt = method.upper() == "POST" and self.first
            self.first = self.first and not spoilt
            assert method.upper() != "POST" or answered["Stripe-Should-Retry"] == "false"
            return b"{}" if spoilt else body, status, answered

    router = bench.router(http_client=Spoiling(bench.world))
    is_settled_once(bench, router, router.charge(BOT, 5))


def test_a_key_revoked_while_in_doubt_leaves_the_doubt(bench: Bench) -> None:
    def revoke(method: str, _url: str) -> None:
        if method == "POST" and len(bench.sent()) == 1:
            bench.world.revoke_key(SANDBOX_SECRET_KEY)

    router = bench.router(http_client=Wire(bench.world, before=revoke))
    bench.fault("cut", effect=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    assert bench.moved() == [500]
    assert bench.states() == ["unknown"]


def test_a_doubtful_payment_asked_for_with_a_dead_key_is_not_called_not_moved(
    bench: Bench,
) -> None:
    router = bench.router()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    bench.world.revoke_key(SANDBOX_SECRET_KEY)
    with pytest.raises(BillingError) as told:
        bench.router().charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "unknown"
    assert told.value.operation_id == bench.operations()[0]["operation_id"]


def test_a_doubtful_payment_asked_for_while_stripe_is_away_is_not_called_not_moved(
    bench: Bench,
) -> None:
    router = bench.router()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    bench.fault("refused", match="*", times=None)
    with pytest.raises(BillingError) as told:
        bench.router().charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "unknown"


def test_a_refusal_in_the_first_place_is_final_and_stored(bench: Bench) -> None:
    router = bench.router()
    for _ in range(2):
        with pytest.raises(StripeRequestError) as told:
            router.charge(BOT, 5, payment_method_id="pm_unknown", idempotency_key="k")
        assert told.value.http_status == 400
        assert told.value.code == "resource_missing"
        assert told.value.request_id
    assert len(bench.sent()) == 1
    assert bench.states() == ["failed"]
    assert bench.booked(router) == []


def test_a_decline_while_in_doubt_is_a_decline(bench: Bench) -> None:
    router = bench.router()
    bench.world.set_outcome(CARD, "declined:insufficient_funds")
    bench.fault("cut", effect=True)
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5)
    assert bench.states() == ["failed"]
    assert {p["status"] for p in bench.world.objects("payment_intent")} <= {"canceled", "succeeded"}


def test_a_key_that_stripe_refuses_may_be_used_again_once_it_is_mended(bench: Bench) -> None:
    router = bench.warm()
    bench.world.revoke_key(SANDBOX_SECRET_KEY)
    before = bench.world.clock.elapsed()
    with pytest.raises(BillingError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert (told.value.money, bench.states()) == ("not_moved", ["abandoned"])
    assert len(bench.sent()) <= 2
    assert bench.world.clock.elapsed() - before < 5
    bench.world.add_key(SANDBOX_SECRET_KEY)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == [500]


def test_retry_after_is_honoured(bench: Bench) -> None:
    router = bench.router()
    bench.fault("rate_limited", retry_after=17)
    router.charge(BOT, 5)
    first, second = bench.sent()
    assert second.at_ms - first.at_ms >= 17_000


def test_a_longer_wait_than_the_call_may_take_is_told_not_waited_for(bench: Bench) -> None:
    router = bench.router()
    bench.fault("rate_limited", retry_after=600)
    before = bench.world.clock.elapsed()
    with pytest.raises(RateLimitedError) as told:
        router.charge(BOT, 5)
    assert bench.world.clock.elapsed() - before < 60
    assert told.value.retry_after == 600


def test_a_read_does_not_wait_for_an_hour_either(bench: Bench) -> None:
    bench.fault("rate_limited", match="GET /v1/account", retry_after=3000, times=None)
    before = bench.world.clock.elapsed()
    with pytest.raises(RateLimitedError):
        bench.router().charge(BOT, 5)
    assert bench.world.clock.elapsed() - before < 120


@pytest.mark.parametrize("kind", ["server_error", "unavailable", "cut", "lock_timeout"])
def test_the_waits_grow_and_end(bench: Bench, kind: str) -> None:
    router = bench.router()
    bench.fault(kind, times=None)
    with pytest.raises(BillingError):
        router.charge(BOT, 5)
    times = [request.at_ms / 1000 for request in bench.sent()]
    assert 4 <= len(times) <= 30
    assert times[-1] - times[0] <= 31
    assert times[1] - times[0] < times[-1] - times[-2]


@pytest.mark.parametrize("kind", ["server_error", "unavailable"])
def test_stripe_s_word_that_a_retry_is_useless_is_heard(bench: Bench, kind: str) -> None:
    router = bench.router()
    bench.fault(kind, should_retry=False, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert len(bench.sent()) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("rate_limited", RateLimitedError), ("lock_timeout", BillingError)],
)
def test_stripe_s_word_that_a_retry_is_useless_is_heard_for_refusals_too(
    bench: Bench, kind: str, expected: type[BillingError]
) -> None:
    router = bench.router()
    bench.fault(kind, should_retry=False, times=None)
    with pytest.raises(expected):
        router.charge(BOT, 5)
    assert len(bench.sent()) == 1


def test_stripe_s_word_that_a_retry_helps_is_heard(bench: Bench) -> None:
    http = Answering(bench.world, 400, error(), first=1)
    http.headers = {"Request-Id": "req_1", "Stripe-Should-Retry": "true"}

    def answered(_: object) -> None:
        http.on = http.posts < 1

    router = bench.router(http_client=http)
    bench.world.clock.sleep = answered  # type: ignore[assignment, method-assign]
    assert router.charge(BOT, 5).paid
    assert bench.moved() == [500]


def test_the_sdk_retries_nothing_by_itself(bench: Bench) -> None:
    router = bench.router()
    bench.fault("server_error", times=3)
    router.charge(BOT, 5)
    times = [request.at_ms for request in bench.sent()]
    assert len(set(times)) == len(times) == 4


def test_a_send_that_times_out_is_tried_again_under_the_default_settings(bench: Bench) -> None:
    router = bench.router()
    bench.fault("timeout", effect=True, seconds=30.0)
    is_settled_once(bench, router, router.charge(BOT, 5))


def test_stripe_knowing_the_key_from_a_lost_ledger_is_a_conflict_not_a_refusal(
    bench: Bench,
) -> None:
    status, body = NO_ANSWER_ABOUT_THIS_PAYMENT["idempotency_error"]
    router = bench.router(http_client=Answering(bench.world, status, body, first=1))
    for _ in range(2):
        with pytest.raises(IdempotencyConflictError) as told:
            router.charge(BOT, 5, idempotency_key="k")
        assert told.value.money == "unknown"


def test_a_lost_ledger_does_not_charge_a_keyed_call_again(bench: Bench) -> None:
    first = bench.router().charge(BOT, 5, idempotency_key="k")
    fresh = bench.router(ledger_url=f"sqlite:///{bench.folder}/new/ledger.db")
    again = fresh.charge(BOT, 5, idempotency_key="k")
    assert (again.id, again.operation_id) == (first.id, first.operation_id)
    assert bench.moved() == [500]
    assert [entry.amount_minor for entry in fresh.ledger.entries()] == [500]


def test_nothing_is_sent_again_when_stripe_may_have_forgotten_the_key(bench: Bench) -> None:
    router = bench.router()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    sent = len(bench.sent())
    bench.world.advance(23.5 * 3600)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    assert len(bench.sent()) == sent
    assert bench.moved() == [500]


def test_a_clock_set_back_does_not_make_an_old_payment_young_enough_to_send(
    bench: Bench,
) -> None:
    from stripe_billing_router.sandbox import VirtualClock

    clock = VirtualClock(bench.world.clock.now_ms())
    router = bench.router(clock=clock)
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    bench.world.advance(25 * 3600)
    clock.advance(25 * 3600)
    clock.set(clock.now_ms() - 24 * 3600 * 1000)
    with pytest.raises(OutcomeUnknownError):
        bench.router(clock=clock).charge(BOT, 5, idempotency_key="k")
    assert bench.moved() == [500]


def test_every_payment_bears_the_operation_that_made_it(bench: Bench) -> None:
    router = bench.router()
    bench.fault("cut", effect=True)
    done = router.charge(BOT, 5)
    assert bench.world.get(done.id)["metadata"]["operation_id"] == done.operation_id
    assert CREATE in {line for _, line in bench.world.faults.fired}
