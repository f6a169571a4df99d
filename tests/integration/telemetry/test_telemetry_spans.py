"""A span for each call of a verb and each of its requests, and metrics of both."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from stripe_billing_router.errors import (
    ApprovalRequiredError,
    FrozenError,
    OutcomeUnknownError,
    PaymentDeclinedError,
    PolicyViolationError,
    StripeUnavailableError,
)
from stripe_billing_router.operators import freeze
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from tests.integration.telemetry.conftest import OURS, Seen, ours

BOT = "finance:bot"
CUSTOMER = "cus_Secret7Customer"
CREATE = "POST /v1/payment_intents"


class Stop(BaseException):
    """The process is told to end."""


def _stop() -> None:
    raise Stop


def test_a_charge_is_a_span_with_its_request_inside(seen: Seen) -> None:
    paid = seen.router.charge(BOT, "5.00")
    call, (request,) = seen.call(), seen.requests()
    assert (call.name, call.kind) == ("stripe_billing_router charge", SpanKind.INTERNAL)
    assert ours(call) == {
        "verb": "charge",
        "bot.id": BOT,
        "region": "default",
        "operation.id": paid.operation_id,
        "state": "succeeded",
        "requests": 1,
        "retries": 0,
        "replayed": False,
    }
    assert (request.name, request.kind) == (CREATE, SpanKind.CLIENT)
    told = dict(ours(request))
    assert told.pop("stripe.request_id").startswith("req_")
    assert told == {
        "http.request.method": "POST",
        "url.template": "/v1/payment_intents",
        "http.response.status_code": 200,
        "server.address": urlsplit(SANDBOX_API_BASE).hostname,
        "step": "payment_intent",
    }
    assert call.status.status_code is StatusCode.UNSET


def test_spans_stand_within_the_hosts_own(seen: Seen) -> None:
    with seen.tracers.get_tracer("host").start_as_current_span("an order"):
        seen.router.charge(BOT, "5.00")
        after = trace.get_current_span().get_span_context().span_id
    order = next(span for span in seen.spans() if span.name == "an order")
    context, parent = order.get_span_context(), seen.call().parent
    assert context is not None
    assert parent is not None
    assert context.span_id == parent.span_id == after


def test_a_decline_is_an_error_with_its_code(seen: Seen) -> None:
    outcome = "declined:insufficient_funds"
    card = seen.world.add_payment_method(customer=CUSTOMER, outcome=outcome)
    with pytest.raises(PaymentDeclinedError):
        seen.router.charge(BOT, "5.00", payment_method_id=card)
    call, request = seen.call(), seen.requests()[0]
    told = ours(call)
    assert (told["state"], told["error.type"]) == ("failed", "PaymentDeclinedError")
    assert (told["reason"], told["money"]) == ("insufficient_funds", "not_moved")
    assert ours(request)["error.type"] == "402"
    assert {call.status.status_code, request.status.status_code} == {StatusCode.ERROR}
    assert seen.counted("calls")[("charge", "failed", "PaymentDeclinedError")] == 1


def test_a_request_that_was_cut_off_is_seen_twice(seen: Seen) -> None:
    seen.fault("cut", effect=True)
    assert seen.router.charge(BOT, "5.00").paid
    cut, again = (ours(span) for span in seen.requests())
    assert cut["error.type"] == "indeterminate"
    assert "http.response.status_code" not in cut
    assert (again["http.request.resend_count"], again["replayed"]) == (1, True)
    assert (ours(seen.call())["requests"], ours(seen.call())["retries"]) == (2, 1)


def test_a_doubt_is_told_as_a_doubt(seen: Seen) -> None:
    seen.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError) as raised:
        seen.router.charge(BOT, "5.00")
    told = ours(seen.call())
    assert (told["state"], told["money"]) == ("unknown", "unknown")
    assert told["operation.id"] == raised.value.operation_id
    assert "operation.unknown" in [event.name for event in seen.call().events]
    assert told["retries"] == told["requests"] - 1 > 0


def test_a_refusal_says_by_what_and_sends_nothing(seen: Seen) -> None:
    with pytest.raises(PolicyViolationError):
        seen.router.charge(BOT, "501.00")
    told = ours(seen.call())
    assert (told["state"], told["error.type"]) == ("refused", "PolicyViolationError")
    assert told["reason"].endswith("small")
    assert (told["requests"], "operation.id" in told) == (0, False)
    with pytest.raises(ApprovalRequiredError):
        seen.router.charge(BOT, "450.00")
    assert ours(seen.call())["state"] == "awaiting_approval"
    freeze(BOT, "looks odd", by="somebody")
    with pytest.raises(FrozenError):
        seen.router.charge(BOT, "5.00")
    assert ours(seen.call())["error.type"] == "FrozenError"
    assert sum(v for k, v in seen.counted("calls").items() if "refused" in k) == 2


def test_an_invoice_shows_each_of_its_requests(seen: Seen) -> None:
    seen.router.charge(BOT)
    names = [span.name for span in seen.requests()]
    assert names[-4:] == [
        "POST /v1/invoices",
        "POST /v1/invoiceitems",
        "POST /v1/invoices/{id}/finalize",
        "POST /v1/invoices/{id}/pay",
    ]
    assert ours(seen.call())["requests"] == len(names)


def test_a_replay_is_told_and_has_no_request(seen: Seen) -> None:
    seen.router.charge(BOT, "5.00", idempotency_key="one")
    money = seen.counted("money")
    seen.router.charge(BOT, "5.00", idempotency_key="one")
    told = ours(seen.call())
    assert (told["replayed"], told["requests"], seen.requests()) == (True, 0, [])
    assert told["state"] == "succeeded"
    assert seen.counted("money") == money == {("charge", "usd"): 600}


def test_a_cancellation_is_told_as_the_bot_s_whose_it_was(seen: Seen) -> None:
    waiting = seen.router.charge(BOT, "5.00", on_session=True)
    seen.router.cancel(str(waiting.operation_id))
    told = ours(seen.call())
    assert (told["verb"], told["bot.id"], told["state"]) == ("cancel", BOT, "canceled")
    assert told["operation.id"] == waiting.operation_id
    assert seen.requests()[-1].name == "POST /v1/payment_intents/{id}/cancel"


def test_what_recovery_finds_is_counted_too(seen: Seen) -> None:
    seen.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        seen.router.charge(BOT, "5.00")
    seen.world.faults.clear()
    seen.box.advance(3600)
    assert seen.router.recover_operations().recorded
    assert seen.counted("money") == {("charge", "usd"): 600}
    assert seen.counted("events")[("operation.unknown", "warning")] == 1


def test_metrics_name_no_bot_and_few_values(seen: Seen) -> None:
    seen.router.charge(BOT)
    seen.router.get_balance(BOT)
    assert seen.counted("calls") == {
        ("charge", "succeeded"): 2,
        ("get_balance", "succeeded"): 1,
    }
    names = {name for point in seen.points("requests") for name in point.attributes}
    assert names <= {
        "http.request.method",
        "url.template",
        "http.response.status_code",
        OURS + "verb",
    }
    durations = seen.points("call.duration")
    assert sum(point.count for point in durations) == 3
    assert all(point.sum >= 0 for point in durations)


def test_stripe_out_of_reach_leaves_nothing_open(seen: Seen) -> None:
    seen.fault("refused", times=None)
    with pytest.raises(StripeUnavailableError):
        seen.router.charge(BOT, "5.00")
    assert ours(seen.call())["state"] == "abandoned"
    assert ours(seen.requests()[0])["error.type"] == "not_sent"


def test_an_interrupted_call_has_ended(seen: Seen) -> None:
    seen.fault("call", call=_stop)
    with pytest.raises(Stop):
        seen.router.charge(BOT, "5.00")
    told = ours(seen.call())
    assert (told["error.type"], told["state"]) == ("Stop", "unknown")
    assert ours(seen.requests()[0])["error.type"] == "interrupted"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_threads_have_spans_of_their_own(seen: Seen) -> None:
    threads = [
        threading.Thread(target=seen.router.charge, args=(BOT, amount)) for amount in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = [span for span in seen.spans() if span.name == "stripe_billing_router charge"]
    assert [span.parent for span in calls] == [None] * 8
    assert sorted(ours(span)["requests"] for span in calls) == [1] * 8
