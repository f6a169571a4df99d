"""What each event does to operations and ledger; what comes late, early or twice does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stripe

from stripe_billing_router.engine import Closing
from stripe_billing_router.errors import (
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PolicyViolationError,
)
from stripe_billing_router.models import (
    Budget,
    CloseOperation,
    OperationState,
    Policies,
    PolicyRule,
)
from stripe_billing_router.sandbox import Fault
from tests.integration.verbs.verbs_bench import EMAIL, MEMBER
from tests.integration.webhooks.webhooks_bench import BOT, WebhooksBench, webhooks_bench

DAY = 24 * 3600.0
BACK = "https://example.org"
FAILED_ONCE = ("subscription", 0, "failed_1")


def debit(bench: WebhooksBench) -> Any:
    """A payment by bank debit: on its way."""
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    return bench.router.charge(BOT, 5, payment_method_id=method)


def state(bench: WebhooksBench, result: Any) -> str:
    return str(bench.operation(result.operation_id).state)


def booked(bench: WebhooksBench, result: Any) -> list[tuple[str, int | None, str | None]]:
    """Type, minor units and status of what the ledger has of an operation."""
    return [
        (entry.action_type, entry.amount_minor, entry.status)
        for entry in bench.entries()
        if entry.operation_id == result.operation_id
    ]


# -- payments -------------------------------------------------------------------------------------


def test_a_payment_by_bank_debit_is_recorded_when_the_bank_pays(any_bench: WebhooksBench) -> None:
    bench = any_bench
    paid = debit(bench)
    bench.world.settle_processing(paid.id)
    bench.deliver()
    bench.work()
    assert state(bench, paid) == "succeeded"
    assert booked(bench, paid) == [("charge", 0, "processing"), ("charge", 500, "succeeded")]
    assert bench.entries()[-1].user_email == EMAIL
    assert bench.router.ledger.verify().ok


def test_a_bank_debit_that_fails_is_taken_down_and_recorded(bench: WebhooksBench) -> None:
    refused = debit(bench)
    bench.world.settle_processing(refused.id, succeed=False)
    bench.deliver("payment_intent.payment_failed")
    bench.work()
    assert state(bench, refused) == "failed"
    assert bench.world.get(refused.id)["status"] == "canceled"
    assert booked(bench, refused)[-1] == ("charge", 0, "failed")


def test_a_customer_s_own_bank_debit_that_fails_is_not_left_payable(bench: WebhooksBench) -> None:
    """Nothing waits for it any more: it would be paid beside what the bot asks for instead."""
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    theirs = bench.router.charge(BOT, 5, on_session=True)
    bench.dashboard.v1.payment_intents.confirm(
        theirs.id, {"payment_method": method, "return_url": BACK}
    )
    bench.deliver()
    bench.work()
    assert state(bench, theirs) == "processing"
    bench.world.settle_processing(theirs.id, succeed=False)
    bench.deliver()
    bench.work()
    assert bench.world.get(theirs.id)["status"] == "canceled"
    assert state(bench, theirs) == "failed"
    assert booked(bench, theirs)[-1] == ("charge", 0, "failed")


@pytest.mark.parametrize("types", [("charge.succeeded",), ("payment_intent.succeeded",)])
def test_one_event_of_several_is_enough(bench: WebhooksBench, types: tuple[str, ...]) -> None:
    paid = debit(bench)
    bench.world.settle_processing(paid.id)
    bench.deliver(*types)
    bench.work()
    assert state(bench, paid) == "succeeded"
    bench.deliver()
    bench.work()
    assert booked(bench, paid) == [("charge", 0, "processing"), ("charge", 500, "succeeded")]


def test_what_the_customer_finishes_is_recorded(bench: WebhooksBench) -> None:
    waiting = bench.router.charge(BOT, 5, on_session=True)
    bench.world.complete_action(waiting.id, succeed=False)
    bench.deliver()
    bench.work()
    assert state(bench, waiting) == "requires_action"
    bench.world.complete_action(waiting.id)
    bench.deliver()
    bench.work()
    assert state(bench, waiting) == "succeeded"
    assert bench.ears.events[-1].name == "operation.closed"


def test_a_payment_canceled_in_the_dashboard_is_canceled_here(bench: WebhooksBench) -> None:
    waiting = bench.router.charge(BOT, 5, on_session=True)
    bench.dashboard.v1.payment_intents.cancel(waiting.id)
    bench.deliver()
    bench.work()
    assert state(bench, waiting) == "canceled"


def test_a_late_processing_does_not_overwrite_succeeded(bench: WebhooksBench) -> None:
    paid = debit(bench)
    bench.world.settle_processing(paid.id)
    bench.deliver("payment_intent.succeeded")
    bench.work()
    before = bench.entries()
    bench.deliver()
    bench.work()
    assert state(bench, paid) == "succeeded"
    assert bench.entries() == before
    (late,) = bench.events("payment_intent.processing")
    assert bench.row(late).state == "superseded"
    assert bench.row(late).operation_id == paid.operation_id


def test_a_failed_attempt_of_a_payment_that_went_on_changes_nothing(bench: WebhooksBench) -> None:
    paid = bench.router.charge(BOT, 5, on_session=True)
    bench.world.complete_action(paid.id, succeed=False)
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    confirm = bench.dashboard.v1.payment_intents.confirm
    confirm(paid.id, {"payment_method": method, "return_url": BACK})
    bench.deliver("payment_intent.processing")
    bench.work()
    assert state(bench, paid) == "processing"
    bench.deliver("payment_intent.payment_failed")
    bench.work()
    assert state(bench, paid) == "processing"
    assert bench.world.get(paid.id)["status"] == "processing"


def test_a_payment_of_somebody_else_is_nobody_s(bench: WebhooksBench) -> None:
    bench.dashboard.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "customer": "cus_one", "metadata": {"order": "7"}}
    )
    bench.deliver()
    assert bench.work().failed == 0
    assert bench.states() == {"processed": 1}
    assert bench.entries() == []


def test_another_payment_that_names_an_operation_does_not_settle_it(bench: WebhooksBench) -> None:
    waiting = bench.router.charge(BOT, 5, on_session=True)
    bench.dashboard.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": "cus_one",
            "payment_method": "pm_one",
            "confirm": True,
            "metadata": {"operation_id": str(waiting.operation_id), "bot_id": BOT},
            "return_url": BACK,
        }
    )
    bench.deliver()
    bench.work()
    assert state(bench, waiting) == "requires_action"


def test_another_payment_that_copies_the_metadata_of_one_in_doubt_does_not_settle_it(
    bench: WebhooksBench,
) -> None:
    """Metadata points to an operation; its amount and its customer are what it asked for."""
    bench.world.faults.add(Fault("cut", match="POST /v1/*", times=None))
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.charge(BOT, 5)
    bench.world.faults.clear()
    doubt = bench.operation(told.value.operation_id)
    copied = {"operation_id": doubt.operation_id, "bot_id": BOT}
    theirs = bench.dashboard.v1.payment_intents.create(
        {
            "amount": 100,
            "currency": "usd",
            "customer": "cus_one",
            "payment_method": "pm_one",
            "confirm": True,
            "return_url": BACK,
            "metadata": copied,
        }
    )
    assert theirs.status == "succeeded"
    bench.deliver()
    bench.work()
    assert bench.operation(doubt.operation_id).state == "unknown"
    assert bench.entries() == []
    assert len(bench.router.recover_operations().escalated) == 1
    assert bench.operation(doubt.operation_id).state == "unknown"


def test_an_event_of_another_api_version_is_looked_up(bench: WebhooksBench) -> None:
    paid = debit(bench)
    bench.world.settle_processing(paid.id)
    with bench.world._lock:
        for event in bench.world.state().all("event"):
            event["api_version"] = "2020-08-27"
            event["data"]["object"].pop("amount_received", None)
    bench.world.requests.clear()
    bench.deliver("payment_intent.succeeded")
    bench.work()
    assert state(bench, paid) == "succeeded"
    assert [r.path for r in bench.world.requests] == [f"/v1/payment_intents/{paid.id}"]


# -- what comes before its row, or while it is in doubt -------------------------------------------


def test_an_event_that_comes_before_its_local_row_waits_for_it(bench: WebhooksBench) -> None:
    bench.deliver()
    seen = []

    @bench.webhooks.on("payment_intent.succeeded")
    def credit(event: Any) -> None:
        seen.append(event.operation_id)

    def meanwhile(line: str, body: dict[str, Any]) -> None:
        if line == "POST /v1/payment_intents":
            bench.deliver()
            assert bench.work().waiting > 0

    bench.wire.change = meanwhile
    paid = bench.router.charge(BOT, 5)
    bench.wire.change = None
    (early,) = bench.events("payment_intent.succeeded")
    assert bench.row(early).state == "waiting"
    assert seen == []
    bench.drain()
    assert bench.row(early).state == "processed"
    assert seen == [paid.operation_id]
    assert booked(bench, paid) == [("charge", 500, "succeeded")]


def test_an_event_whose_operation_is_not_here_waits_then_is_a_dead_letter(
    bench: WebhooksBench,
) -> None:
    bench.dashboard.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "metadata": {"operation_id": "op_elsewhere"}}
    )
    bench.deliver()
    assert bench.work().waiting == 1
    began = bench.world.clock.now_ms()
    bench.drain(rounds=100)
    (event,) = bench.events("payment_intent.created")
    row = bench.row(event)
    assert (row.state, row.error) == ("dead", "operation op_elsewhere is not in this ledger")
    assert 12 < (bench.world.clock.now_ms() - began) / 3_600_000 < 24
    assert bench.ears.names()[-1] == "webhook.dead_letter"


def in_doubt(bench: WebhooksBench, **arguments: Any) -> Any:
    """A charge of which the answer was lost; returns the error."""
    bench.world.faults.add(Fault("timeout", match="POST /v1/*", times=30, effect=True))
    with pytest.raises(OutcomeUnknownError) as lost:
        bench.router.charge(BOT, **arguments)
    bench.world.faults.clear()
    return lost.value


@pytest.mark.parametrize("arguments", [{"amount": 5}, {"on_session": True, "amount": 5}], ids=str)
def test_an_event_ends_the_doubt_about_what_happened(
    bench: WebhooksBench, arguments: dict[str, Any]
) -> None:
    lost = in_doubt(bench, **arguments)
    if "on_session" in arguments:
        bench.deliver()
        assert bench.work().waiting == 1
        assert state(bench, lost) == "unknown"
        bench.world.complete_action(bench.world.objects("payment_intent")[-1]["id"])
    bench.deliver()
    bench.drain()
    assert state(bench, lost) == "succeeded"
    assert booked(bench, lost) == [("charge", 500, "succeeded")]
    with pytest.raises(OutcomeUnknownError, match="found to be succeeded"):
        bench.router.charge(BOT, **arguments)


def test_a_bot_that_was_killed_is_proven_to_have_paid_when_its_lease_has_run_out(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(line: str, body: dict[str, Any]) -> None:
        if line == "POST /v1/payment_intents":
            raise Killed

    monkeypatch.setattr(Closing, "leave_unknown", lambda *_: None)
    bench.wire.change = killed
    with pytest.raises(Killed):
        bench.router.charge(BOT, 5)
    bench.wire.change = None
    (pending,) = bench.router.store.operations()
    bench.deliver("payment_intent.succeeded")
    assert bench.work().waiting == 1
    assert bench.operation(pending.operation_id).state == "pending"
    bench.drain()
    assert bench.operation(pending.operation_id).state == "succeeded"
    assert bench.operation(pending.operation_id).lease_token is None
    assert [e.amount_minor for e in bench.entries()] == [500]
    with pytest.raises(OutcomeUnknownError, match="found to be succeeded"):
        bench.router.charge(BOT, 5)


def test_what_was_given_up_and_happened_after_all_is_recorded_and_told(
    bench: WebhooksBench,
) -> None:
    lost = in_doubt(bench, amount=5)
    given_up = OperationState.ABANDONED
    bench.router.store.commit(CloseOperation(str(lost.operation_id), None, given_up, None))
    bench.deliver("payment_intent.created", "payment_intent.succeeded")
    bench.drain()
    assert state(bench, lost) == "succeeded"
    assert booked(bench, lost) == [("charge", 500, "succeeded")]
    (told,) = [event for event in bench.ears.events if event.name == "operation.proven"]
    assert told.severity == "critical"


def test_a_half_made_invoice_is_left_to_recovery(bench: WebhooksBench) -> None:
    bench.world.faults.add(Fault("timeout", match="POST /v1/invoices", times=30, effect=True))
    with pytest.raises(OutcomeUnknownError) as lost:
        bench.router.charge(BOT)
    bench.world.faults.clear()
    bench.deliver()
    bench.work()
    assert state(bench, lost.value) == "unknown"
    (made,) = bench.events("invoice.created")
    assert bench.row(made).state == "waiting"
    bench.router.recover_operations()
    bench.deliver()
    bench.drain()
    assert state(bench, lost.value) in ("abandoned", "failed", "canceled")
    assert bench.states().keys() <= {"processed", "superseded"}


# -- invoices, subscriptions, checkout ------------------------------------------------------------


def test_an_invoice_paid_by_bank_debit_is_recorded(bench: WebhooksBench) -> None:
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    sent = bench.router.charge(BOT, payment_method_id=method)
    bench.world.settle_processing(bench.payment_of_invoice(sent.id))
    bench.deliver("invoice.paid")
    bench.work()
    assert state(bench, sent) == "succeeded"
    assert booked(bench, sent)[-1] == ("charge", 1999, "succeeded")


def test_an_invoice_whose_bank_debit_fails_is_voided(bench: WebhooksBench) -> None:
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    sent = bench.router.charge(BOT, payment_method_id=method)
    bench.world.settle_processing(bench.payment_of_invoice(sent.id), succeed=False)
    bench.deliver()
    bench.drain()
    assert state(bench, sent) == "failed"
    assert bench.world.get(sent.id)["status"] == "void"


def test_a_subscription_is_recorded_when_its_first_invoice_is_paid(bench: WebhooksBench) -> None:
    card = bench.world.add_payment_method(customer="cus_one", outcome="authentication_required")
    bench.world.set_default_payment_method("cus_one", card)
    made = bench.router.create_subscription(MEMBER, payment_behavior="default_incomplete")
    assert made.state == "requires_action"
    invoice = bench.world.get(made.id)["latest_invoice"]
    bench.world.complete_action(bench.payment_of_invoice(invoice), payment_method="pm_card_visa")
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "succeeded"
    assert booked(bench, made)[-1] == ("subscription", 500, "succeeded")


def refused_subscription(bench: WebhooksBench) -> Any:
    """A subscription whose first invoice a bank has refused to pay, days later."""
    bench.world.add_payment_method(
        "pm_debit", customer="cus_one", outcome="processing", default=True
    )
    made = bench.router.create_subscription(MEMBER)
    payment = bench.payment_of_invoice(made.raw["latest_invoice"]["id"])
    bench.world.settle_processing(payment, succeed=False)
    return made


def test_a_subscription_whose_first_debit_is_refused_is_ended(bench: WebhooksBench) -> None:
    made = refused_subscription(bench)
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "failed"
    assert bench.world.get(made.id)["status"] == "canceled"
    assert bench.world.get(made.raw["latest_invoice"]["id"])["status"] == "void"


def test_a_subscription_that_was_renewed_before_its_refusal_was_known_runs_on(
    bench: WebhooksBench,
) -> None:
    """A renewal is not taken for the first payment, which nobody can collect any more."""
    made = refused_subscription(bench)
    bench.world.set_outcome("pm_debit", "succeeds")
    bench.world.advance(32 * DAY)
    bench.deliver()
    bench.drain()
    assert bench.world.get(made.id)["status"] == "active"
    assert bench.world.get(made.raw["latest_invoice"]["id"])["status"] == "void"
    assert booked(bench, made) == [
        ("subscription", 0, "processing"),
        ("subscription", 0, "succeeded"),
        ("subscription", 500, "paid"),
    ]


def test_a_first_invoice_that_is_paid_after_its_call_had_ended_is_recorded(
    tmp_path: Path, sqlite_url: str
) -> None:
    policies = Policies((PolicyRule("spend", budgets=(Budget("month", 800, "usd"),)),))
    bench = webhooks_bench(tmp_path, sqlite_url, policies=policies)
    bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    made = bench.router.create_subscription(MEMBER, payment_behavior="allow_incomplete")
    bench.dashboard.v1.subscriptions.cancel(made.id)
    void = {**made.raw["latest_invoice"], "status": "void"}
    bench.wire.refuse("POST /v1/invoices/*/void", 200, void)  # which it never becomes
    bench.deliver()
    bench.drain()
    assert (state(bench, made), sum(bench.sums().values())) == ("canceled", 0)
    bench.world.set_outcome("pm_one", "succeeds")
    bench.dashboard.v1.invoices.pay(made.raw["latest_invoice"]["id"])
    bench.deliver()
    bench.drain()
    assert booked(bench, made)[-1] == ("subscription", 500, "paid")
    assert sum(bench.sums().values()) == bench.router.store.budgets()[0].used == 500
    bench.close()


@pytest.mark.parametrize("by_events", [True, False])
def test_a_subscription_in_doubt_that_has_renewed_is_recorded_with_its_first_payment(
    bench: WebhooksBench, by_events: bool
) -> None:
    lost_at = "POST /v1/subscriptions"
    bench.world.faults.add(Fault("timeout", match=lost_at, times=30, effect=True))
    with pytest.raises(OutcomeUnknownError) as lost:
        bench.router.create_subscription(MEMBER)
    bench.world.faults.clear()
    bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    bench.world.advance(32 * DAY)
    if by_events:
        bench.deliver("customer.subscription.updated")
        bench.drain()
    else:
        bench.router.recover_operations()
    assert booked(bench, lost.value) == [("subscription", 500, "succeeded")]


def test_renewals_and_the_end_of_a_subscription_are_recorded(bench: WebhooksBench) -> None:
    made = bench.router.create_subscription(MEMBER)
    bench.world.advance(32 * DAY)
    bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    bench.world.advance(31 * DAY)
    bench.dashboard.v1.subscriptions.cancel(made.id)
    bench.deliver()
    bench.drain()
    assert booked(bench, made) == [
        ("subscription", 500, "succeeded"),
        ("subscription", 500, "paid"),
        ("subscription", 0, "failed_1"),
        ("subscription", 0, "ended"),
    ]
    assert bench.states().keys() <= {"processed", "superseded"}


def test_a_renewal_is_its_bot_s_own_payment(tmp_path: Path, sqlite_url: str) -> None:
    rule = PolicyRule("own", own_payments_only=True, largest={"usd": 500})
    bench = webhooks_bench(tmp_path, sqlite_url, policies=Policies((rule,)))
    made = bench.router.create_subscription(MEMBER)
    bench.world.advance(32 * DAY)
    bench.deliver()
    bench.drain()
    renewal = bench.world.get(made.id)["latest_invoice"]
    with pytest.raises(PolicyViolationError):
        bench.router.refund(BOT, renewal)
    assert bench.router.refund(MEMBER, renewal).amount_minor == 500
    bench.close()


def test_a_renewal_that_is_paid_at_the_fortieth_attempt_is_recorded(
    any_bench: WebhooksBench,
) -> None:
    """However often a host asks again, there is room for what has become true of an invoice."""
    bench = any_bench
    made = bench.router.create_subscription(MEMBER)
    bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    bench.world.advance(32 * DAY)
    renewal = bench.world.get(made.id)["latest_invoice"]
    for _ in range(39):
        with pytest.raises(stripe.CardError):
            bench.dashboard.v1.invoices.pay(renewal)
    bench.world.set_outcome("pm_one", "succeeds")
    bench.dashboard.v1.invoices.pay(renewal)
    bench.deliver("invoice.payment_failed", "invoice.paid")
    bench.drain()
    assert booked(bench, made)[:2] == [("subscription", 500, "succeeded"), FAILED_ONCE]
    assert booked(bench, made)[-1] == ("subscription", 500, "paid")
    assert bench.states().keys() == {"processed"}


@pytest.mark.parametrize("metadata", [True, False])
def test_a_renewal_is_recorded_from_an_event_of_an_older_api_version(
    bench: WebhooksBench, metadata: bool
) -> None:
    """There the invoice itself named its subscription, and long ago nothing of its metadata."""
    made = bench.router.create_subscription(MEMBER)
    bench.world.advance(32 * DAY)
    with bench.world._lock:
        for event in bench.world.state().all("event"):
            invoice = event["data"]["object"]
            if invoice["object"] == "invoice":
                event["api_version"] = "2024-06-20"
                details = invoice.pop("parent")["subscription_details"]
                invoice["subscription"] = details.pop("subscription")
                invoice["subscription_details"] = details if metadata else None
    bench.deliver("invoice.paid")
    bench.drain()
    assert booked(bench, made) == [
        ("subscription", 500, "succeeded"),
        ("subscription", 500, "paid"),
    ]


def test_a_renewal_counts_against_the_budget_of_its_bot_once_and_beyond_the_limit(
    tmp_path: Path, sqlite_url: str
) -> None:
    policies = Policies((PolicyRule("spend", budgets=(Budget("month", 800, "usd"),)),))
    bench = webhooks_bench(tmp_path, sqlite_url, policies=policies)
    made = bench.router.create_subscription(MEMBER)
    bench.world.advance(32 * DAY)
    bench.world.advance(31 * DAY)
    bench.deliver()
    bench.drain()
    for event in bench.events("invoice.paid"):
        bench.webhooks.replay(event["id"])
    bench.drain()
    assert [amount for _, amount, _ in booked(bench, made)] == [500, 500, 500]
    (now,) = {usage.used for usage in bench.router.store.budgets()[:1]}
    assert now == 1000
    with pytest.raises(PolicyViolationError, match=r"0\.00 usd left"):
        bench.router.charge(MEMBER, 1)
    bench.close()


def session(bench: WebhooksBench) -> Any:
    return bench.router.create_checkout_session(
        BOT, [{"price": "price_once", "quantity": 2}], success_url=BACK
    )


def test_a_completed_checkout_session_is_recorded(bench: WebhooksBench) -> None:
    made = session(bench)
    bench.world.complete_checkout(made.id)
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "succeeded"
    assert booked(bench, made)[-1] == ("checkout_session", 3998, "succeeded")


@pytest.mark.parametrize(
    ("succeeds", "end", "minor"), [(True, "succeeded", 3998), (False, "processing", 0)]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_session_paid_later_ends_as_its_payment_does(
    bench: WebhooksBench, succeeds: bool, end: str, minor: int, backwards: bool
) -> None:
    made = session(bench)
    method = bench.world.add_payment_method(outcome="processing")
    bench.world.complete_checkout(made.id, payment_method=method)
    payment = bench.world.get(made.id)["payment_intent"]
    bench.world.settle_processing(payment, succeed=succeeds)
    events = bench.events()[::-1] if backwards else bench.events()
    for event in events:
        bench.redeliver(event["id"])
        bench.work()
    bench.drain()
    assert state(bench, made) == end
    assert booked(bench, made)[-1] == ("checkout_session", minor, end)


def test_a_session_that_expires_is_canceled(bench: WebhooksBench) -> None:
    made = session(bench)
    bench.world.expire_checkout(made.id)
    bench.deliver()
    bench.work()
    assert state(bench, made) == "canceled"


def test_a_subscription_bought_in_checkout_renews(bench: WebhooksBench) -> None:
    made = bench.router.create_checkout_session(
        MEMBER, [{"price": "price_monthly", "quantity": 1}], success_url=BACK
    )
    bench.world.complete_checkout(made.id)
    bench.world.advance(32 * DAY)
    bench.deliver()
    bench.drain()
    assert booked(bench, made) == [
        ("checkout_session", 0, "requires_action"),
        ("checkout_session", 500, "succeeded"),
        ("subscription", 500, "paid"),
    ]


def test_a_customer_whose_creation_was_in_doubt_is_found(bench: WebhooksBench) -> None:
    bench.world.faults.add(Fault("timeout", match="POST /v1/customers", times=30, effect=True))
    with pytest.raises(OutcomeUnknownError) as lost:
        bench.router.create_customer(BOT, {"name": "New"})
    bench.world.faults.clear()
    bench.deliver()
    bench.drain()
    assert state(bench, lost.value) == "succeeded"


# -- refunds and disputes -------------------------------------------------------------------------


def test_a_refund_of_the_dashboard_is_an_anomaly_of_the_payment_s_bot(
    any_bench: WebhooksBench,
) -> None:
    bench = any_bench
    paid = bench.router.charge(BOT, 5)
    refund = bench.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 200})
    bench.deliver()
    bench.work()
    entry = bench.entries()[-1]
    assert (entry.id, entry.action_type, entry.amount_minor) == (refund.id, "anomaly", 200)
    assert (entry.bot_id, entry.error, entry.operation_id) == (BOT, 1, None)
    assert bench.sums()[("refund", BOT)] == 0
    (told,) = [e for e in bench.ears.events if e.name == "webhook.refund.created"]
    assert (told.severity, told.operation_id) == ("critical", paid.operation_id)


def test_a_refund_of_nobody_s_payment_is_an_anomaly_of_the_system(bench: WebhooksBench) -> None:
    theirs = bench.dashboard.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": "cus_one",
            "payment_method": "pm_one",
            "confirm": True,
            "return_url": BACK,
        }
    )
    bench.dashboard.v1.refunds.create({"payment_intent": theirs.id})
    bench.deliver()
    bench.work()
    (entry,) = bench.entries()
    assert (entry.action_type, entry.amount_minor, entry.stream) == ("anomaly", 500, "_system")


def test_a_bot_s_own_refund_is_no_anomaly(bench: WebhooksBench) -> None:
    paid = bench.router.charge(BOT, 5)
    bench.router.refund(BOT, paid.id)
    bench.deliver()
    bench.drain()
    assert [e.action_type for e in bench.entries()] == ["charge", "refund"]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_refund_that_comes_back_is_taken_off_the_sum(
    bench: WebhooksBench, backwards: bool
) -> None:
    paid = bench.router.charge(BOT, 5)
    ours = bench.router.refund(BOT, paid.id, amount=1)
    theirs = bench.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 200})
    for refund in (ours.id, theirs.id):
        bench.world.fail_refund(refund)
    events = bench.events("refund.created", "refund.failed")
    for event in events[::-1] if backwards else events:
        bench.redeliver(event["id"])
        bench.redeliver(event["id"])
        bench.work()
    assert state(bench, ours) == "succeeded"
    assert bench.sums()[("refund", BOT)] == 0
    assert bench.sums()[("anomaly", BOT)] == 0
    assert bench.entries()[-1].error


@pytest.mark.parametrize("restores", [True, False])
def test_a_refund_that_comes_back_takes_back_what_it_gave_to_a_budget(
    tmp_path: Path, sqlite_url: str, restores: bool
) -> None:
    budgets = (Budget("month", 800, "usd", refunds_restore=restores),)
    policies = Policies((PolicyRule("spend", budgets=budgets),))
    bench = webhooks_bench(tmp_path, sqlite_url, policies=policies)
    back = bench.router.refund(BOT, bench.router.charge(BOT, 5).id)
    assert bench.router.store.budgets()[0].used == (0 if restores else 500)
    bench.world.fail_refund(back.id)
    bench.deliver()
    bench.drain()
    for event in bench.events("refund.failed"):
        bench.webhooks.replay(event["id"])
    bench.drain()
    assert bench.router.store.budgets()[0].used == 500
    with pytest.raises(PolicyViolationError, match=r"3\.00 usd left"):
        bench.router.charge(BOT, 5)
    bench.close()


def test_a_refund_that_comes_back_later_uses_the_window_that_it_was_given_back_to(
    tmp_path: Path, sqlite_url: str
) -> None:
    budgets = (Budget("month", 800, "usd", refunds_restore=True),)
    bench = webhooks_bench(
        tmp_path, sqlite_url, policies=Policies((PolicyRule("spend", budgets=budgets),))
    )
    back = bench.router.refund(BOT, bench.router.charge(BOT, 5).id, amount=2)
    bench.world.advance(40 * DAY)
    bench.world.fail_refund(back.id)
    bench.deliver()
    bench.drain()
    assert [usage.used for usage in bench.router.store.budgets()] == [500]
    assert bench.router.charge(BOT, 8).paid
    bench.close()


def test_what_is_paid_after_its_end_counts_against_the_budget(
    tmp_path: Path, sqlite_url: str
) -> None:
    """The reservation was released, for nobody could foresee that it would be paid."""
    policies = Policies((PolicyRule("spend", budgets=(Budget("month", 2000, "usd"),)),))
    bench = webhooks_bench(tmp_path, sqlite_url, policies=policies)
    made = refused_session(bench, "price_once")
    payment = bench.world.get(made.id)["payment_intent"]
    canceled = {**bench.world.get(payment), "status": "canceled"}
    bench.wire.refuse("POST /v1/payment_intents/*/cancel", 200, canceled)  # which it never becomes
    bench.deliver("checkout.session.completed", "checkout.session.async_payment_failed")
    bench.drain()
    assert (state(bench, made), bench.router.store.budgets()[0].used) == ("failed", 0)
    bench.world.complete_action(payment, payment_method="pm_card_visa")
    bench.deliver()
    bench.drain()
    assert bench.sums() == {("anomaly", BOT): 1999, ("checkout_session", BOT): 0}
    assert bench.router.store.budgets()[0].used == 1999
    bench.close()


def test_a_refused_payment_that_stripe_keeps_payable_holds_its_budget(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Stripe does not let the payment of a Checkout session be cancelled."""
    policies = Policies((PolicyRule("spend", budgets=(Budget("month", 2000, "usd"),)),))
    bench = webhooks_bench(tmp_path, sqlite_url, policies=policies)
    made = refused_session(bench, "price_once")
    bench.deliver("checkout.session.completed", "checkout.session.async_payment_failed")
    bench.drain()
    assert (state(bench, made), bench.router.store.budgets()[0].used) == ("processing", 1999)
    payment = bench.world.get(made.id)["payment_intent"]
    bench.world.complete_action(payment, payment_method="pm_card_visa")
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "succeeded"
    assert bench.sums() == {("checkout_session", BOT): 1999}
    assert bench.router.store.budgets()[0].used == 1999
    bench.close()


def refused_session(bench: WebhooksBench, price: str) -> Any:
    """A session that is complete, and whose bank debit is refused days later."""
    debit = bench.world.add_payment_method(
        "pm_debit", customer="cus_one", outcome="processing", default=True
    )
    lines = [{"price": price, "quantity": 1}]
    made = bench.router.create_checkout_session(BOT, lines, success_url=BACK)
    bench.world.complete_checkout(made.id, payment_method=debit)
    bench.world.settle_processing(session_payment(bench, made), succeed=False)
    return made


def session_payment(bench: WebhooksBench, made: Any) -> str:
    session = bench.world.get(made.id)
    return str(session["payment_intent"] or bench.payment_of_invoice(session["invoice"]))


EITHER_MODE = pytest.mark.parametrize("price", ["price_once", "price_monthly"])


def test_a_session_whose_first_debit_is_refused_leaves_nothing_that_runs(
    bench: WebhooksBench,
) -> None:
    made = refused_session(bench, "price_monthly")
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "failed"
    assert booked(bench, made)[-1] == ("checkout_session", 0, "failed")
    assert [sub["status"] for sub in bench.world.objects("subscription")] == ["canceled"]
    assert [pay["status"] for pay in bench.world.objects("payment_intent")] == ["canceled"]
    assert bench.states().keys() <= {"processed", "superseded"}


@EITHER_MODE
def test_a_debit_that_stripe_collects_at_its_second_try_is_in_the_books(
    bench: WebhooksBench, price: str
) -> None:
    """The event of the first refusal arrives after Stripe has tried again by itself."""
    made = refused_session(bench, price)
    bench.world.complete_action(session_payment(bench, made), payment_method="pm_card_visa")
    types = [
        "checkout.session.completed",
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
    ]
    for event in (*bench.events(*types), *bench.events(types[1])):
        bench.redeliver(event["id"])
        bench.work()
    bench.drain()
    collected = {"price_once": 1999, "price_monthly": 500}[price]
    assert state(bench, made) == "succeeded"
    assert sum(bench.sums().values()) == collected
    subscriptions = [sub["status"] for sub in bench.world.objects("subscription")]
    assert subscriptions == ["active"] * (price == "price_monthly")


@pytest.mark.parametrize("pays", [True, False])
def test_a_subscription_whose_debit_stripe_tries_again_is_not_called_failed(
    bench: WebhooksBench, pays: bool
) -> None:
    """Its invoice cannot be voided while the bank is at it: it runs, and its row says so."""
    made = refused_session(bench, "price_monthly")
    invoice = bench.world.get(made.id)["invoice"]
    bench.deliver("checkout.session.completed")

    def tries_again() -> None:
        bench.dashboard.v1.invoices.pay(invoice)

    void = f"POST /v1/invoices/{invoice}/void"
    bench.world.faults.add(Fault("call", match=void, effect=False, call=tries_again))
    bench.deliver("checkout.session.async_payment_failed")
    bench.drain()
    assert state(bench, made) == "processing"
    bench.world.settle_processing(session_payment(bench, made), succeed=pays)
    bench.deliver()
    bench.drain()
    assert state(bench, made) == ("succeeded" if pays else "failed")
    assert sum(bench.sums().values()) == 500 * pays
    (subscription,) = bench.world.objects("subscription")
    assert subscription["status"] == ("active" if pays else "canceled")


def test_the_refusal_of_a_running_subscription_is_no_invitation_to_try_again(
    bench: WebhooksBench,
) -> None:
    """Stripe does not end it: then nothing says that it has failed."""
    made = refused_session(bench, "price_monthly")
    subscription = bench.world.get(made.id)["subscription"]
    refusal = {"error": {"type": "invalid_request_error", "message": "No."}}
    bench.wire.forged[f"DELETE /v1/subscriptions/{subscription}"] = (400, refusal)
    bench.deliver()
    bench.drain()
    assert state(bench, made) == "processing"
    bench.wire.forged.clear()
    bench.world.advance(DAY)
    assert bench.router.recover_operations().recorded == (made.operation_id,)
    assert state(bench, made) == "failed"
    assert bench.world.get(subscription)["status"] == "canceled"


def test_a_refund_in_doubt_that_came_back_is_settled_in_any_order(bench: WebhooksBench) -> None:
    paid = bench.router.charge(BOT, 5)
    bench.world.faults.add(Fault("timeout", match="POST /v1/refunds", times=30, effect=True))
    with pytest.raises(OutcomeUnknownError) as lost:
        bench.router.refund(BOT, paid.id)
    bench.world.faults.clear()
    bench.world.fail_refund(bench.world.objects("refund")[-1]["id"])
    for event in bench.events("refund.created", "refund.failed")[::-1]:
        bench.redeliver(event["id"])
        bench.work()
    bench.drain()
    assert state(bench, lost.value) == "succeeded"
    assert [minor for _, minor, _ in booked(bench, lost.value)] == [500, -500]


def test_a_dispute_is_not_entered_for_whom_another_payment_belongs_to(bench: WebhooksBench) -> None:
    payment = bench.payment_of_invoice(bench.router.charge(BOT).id)
    dispute = bench.world.open_dispute(bench.charge_of(payment))

    def change(line: str, body: dict[str, Any]) -> None:
        if line == "GET /v1/invoice_payments":
            body["data"][0]["payment"]["payment_intent"] = "pi_another"

    bench.wire.change = change
    bench.deliver("charge.dispute.created")
    bench.work()
    assert [entry for entry in bench.entries() if entry.id == dispute] == []
    bench.wire.change = None
    bench.world.advance(DAY)
    bench.drain()
    assert [e.bot_id for e in bench.entries() if e.id == dispute] == [BOT]


@pytest.mark.parametrize("by_price", [False, True])
@pytest.mark.parametrize("won", [False, True])
def test_a_dispute_is_entered_step_by_step_for_the_payment_s_bot(
    bench: WebhooksBench, by_price: bool, won: bool
) -> None:
    paid = bench.router.charge(BOT) if by_price else bench.router.charge(BOT, "19.99")
    payment = bench.payment_of_invoice(paid.id) if by_price else paid.id
    dispute = bench.world.open_dispute(bench.charge_of(payment))
    bench.world.close_dispute(dispute, won=won)
    bench.deliver()
    bench.drain()
    rows = [(e.status, e.amount_minor) for e in bench.entries() if e.id == dispute]
    after = [("reinstated", -1999), ("won", 0)] if won else [("lost", 0)]
    assert rows == [("opened", 0), ("withdrawn", 1999), *after]
    assert bench.sums()[("anomaly", BOT)] == (0 if won else 1999)
    assert bench.sums()[("charge", BOT)] == 1999


@pytest.mark.parametrize("kind", ["charge", "refund", "payment_intent", None])
def test_what_is_no_dispute_is_not_entered_as_one(bench: WebhooksBench, kind: str | None) -> None:
    paid = bench.router.charge(BOT, 5)
    bench.world.open_dispute(bench.charge_of(paid.id))
    with bench.world._lock:
        for event in bench.world.state().all("event"):
            if event["type"].startswith("charge.dispute."):
                event["data"]["object"]["object"] = kind
    bench.deliver("charge.dispute.created", "charge.dispute.funds_withdrawn")
    assert bench.work().processed == 2
    assert [entry.action_type for entry in bench.entries()] == ["charge"]


def test_what_stripe_says_against_an_end_is_an_anomaly(bench: WebhooksBench) -> None:
    waiting = bench.router.charge(BOT, 5, on_session=True)
    bench.router.cancel(str(waiting.operation_id))
    with bench.world._lock:
        state_ = bench.world.state()
        found = state_.find("payment_intent", waiting.id)
        assert found is not None
        state_.emit(
            "payment_intent.succeeded", {**found, "status": "succeeded", "amount_received": 500}
        )
    bench.deliver()
    bench.work()
    assert state(bench, waiting) == OperationState.CANCELED
    entry = bench.entries()[-1]
    assert (entry.action_type, entry.status, entry.amount_minor) == ("anomaly", "contradicted", 500)
    assert bench.ears.events[-1].severity == "critical"


def test_an_authentication_that_is_finished_later_is_recorded(bench: WebhooksBench) -> None:
    card = bench.world.add_payment_method(customer="cus_one", outcome="authentication_required")
    with pytest.raises(PaymentActionRequiredError) as asked:
        bench.router.charge(BOT, 5, payment_method_id=card)
    bench.world.complete_action(str(asked.value.stripe_id), payment_method="pm_card_visa")
    bench.deliver()
    bench.drain()
    assert state(bench, asked.value) == "succeeded"
