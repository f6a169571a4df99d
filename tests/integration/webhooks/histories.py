"""Small histories: what bots ask for, what customers and banks do. Nothing is delivered yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from stripe_billing_router.errors import BillingError
from stripe_billing_router.sandbox import Fault
from tests.integration.verbs.verbs_bench import BOT, MEMBER
from tests.integration.webhooks.webhooks_bench import WebhooksBench

DAY = 24 * 3600.0
BACK = "https://example.org"

History = Callable[[WebhooksBench], object]


def _debit(bench: WebhooksBench, *, by_price: bool = False) -> Any:
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    amount: dict[str, Any] = {} if by_price else {"amount": 5}
    return bench.router.charge(BOT, payment_method_id=method, **amount)


def _in_doubt(bench: WebhooksBench, call: Callable[[], object]) -> None:
    """The answers of one call are lost, though Stripe does what it asks for."""
    bench.world.faults.add(Fault("timeout", match="POST /v1/*", times=30, effect=True))
    with suppress(BillingError):
        call()
    bench.world.faults.clear()


def bank_pays(bench: WebhooksBench) -> None:
    bench.world.settle_processing(_debit(bench).id)


def bank_refuses(bench: WebhooksBench) -> None:
    bench.world.settle_processing(_debit(bench).id, succeed=False)


def customer_tries_thrice(bench: WebhooksBench) -> None:
    """A card that is refused, a bank debit that fails, a card that pays."""
    waiting = bench.router.charge(BOT, 7, on_session=True)
    bench.world.complete_action(waiting.id, succeed=False)
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    confirm = bench.dashboard.v1.payment_intents.confirm
    confirm(waiting.id, {"payment_method": method, "return_url": BACK})
    bench.world.settle_processing(waiting.id)


def canceled_in_the_dashboard(bench: WebhooksBench) -> None:
    waiting = bench.router.charge(BOT, 7, on_session=True)
    bench.world.complete_action(waiting.id, succeed=False)
    bench.dashboard.v1.payment_intents.cancel(waiting.id)


def answer_lost(bench: WebhooksBench) -> None:
    _in_doubt(bench, lambda: bench.router.charge(BOT, 5))


def invoice_by_bank_debit(bench: WebhooksBench) -> None:
    bench.world.settle_processing(bench.payment_of_invoice(_debit(bench, by_price=True).id))


def invoice_that_the_bank_refuses(bench: WebhooksBench) -> None:
    payment = bench.payment_of_invoice(_debit(bench, by_price=True).id)
    bench.world.settle_processing(payment, succeed=False)


def refunds_that_come_back(bench: WebhooksBench) -> None:
    paid = bench.router.charge(BOT, 5)
    ours = bench.router.refund(BOT, paid.id, amount=1)
    theirs = bench.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 200})
    bench.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 50})
    bench.world.fail_refund(ours.id)
    bench.world.fail_refund(theirs.id)


def refund_in_doubt_that_comes_back(bench: WebhooksBench) -> None:
    paid = bench.router.charge(BOT, 5)
    _in_doubt(bench, lambda: bench.router.refund(BOT, paid.id, amount=2))
    bench.world.fail_refund(bench.world.objects("refund")[-1]["id"])


def dispute_that_is_won(bench: WebhooksBench) -> None:
    dispute = bench.world.open_dispute(bench.charge_of(bench.router.charge(BOT, 5).id))
    bench.world.close_dispute(dispute, won=True)


def dispute_of_an_invoice_that_is_lost(bench: WebhooksBench) -> None:
    payment = bench.payment_of_invoice(bench.router.charge(BOT).id)
    bench.world.close_dispute(bench.world.open_dispute(bench.charge_of(payment)), won=False)


def _session(bench: WebhooksBench, bot: str, price: str) -> Any:
    lines = [{"price": price, "quantity": 1}]
    return bench.router.create_checkout_session(bot, lines, success_url=BACK)


def session_paid_by_bank_debit(bench: WebhooksBench) -> None:
    _session_by_debit(bench, succeed=True)


def session_that_the_bank_refuses(bench: WebhooksBench) -> None:
    _session_by_debit(bench, succeed=False)


def _session_by_debit(bench: WebhooksBench, succeed: bool) -> None:
    made = _session(bench, BOT, "price_once")
    method = bench.world.add_payment_method(outcome="processing")
    bench.world.complete_checkout(made.id, payment_method=method)
    payment = bench.world.get(made.id)["payment_intent"]
    bench.world.settle_processing(payment, succeed)


def session_that_expires(bench: WebhooksBench) -> None:
    bench.world.expire_checkout(_session(bench, BOT, "price_once").id)


def subscription_bought_in_checkout(bench: WebhooksBench) -> None:
    bench.world.complete_checkout(_session(bench, MEMBER, "price_monthly").id)
    bench.world.advance(32 * DAY)


def subscription_that_renews_and_ends(bench: WebhooksBench) -> None:
    made = bench.router.create_subscription(MEMBER)
    bench.world.advance(32 * DAY)
    bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    bench.world.advance(31 * DAY)
    bench.dashboard.v1.subscriptions.cancel(made.id)


def subscription_whose_customer_pays_later(bench: WebhooksBench) -> None:
    card = bench.world.add_payment_method(customer="cus_one", outcome="authentication_required")
    bench.world.set_default_payment_method("cus_one", card)
    made = bench.router.create_subscription(MEMBER, payment_behavior="default_incomplete")
    payment = bench.payment_of_invoice(bench.world.get(made.id)["latest_invoice"])
    bench.world.complete_action(payment, payment_method="pm_card_visa")


HISTORIES: tuple[History, ...] = (
    bank_pays,
    bank_refuses,
    customer_tries_thrice,
    canceled_in_the_dashboard,
    answer_lost,
    invoice_by_bank_debit,
    invoice_that_the_bank_refuses,
    refunds_that_come_back,
    refund_in_doubt_that_comes_back,
    dispute_that_is_won,
    dispute_of_an_invoice_that_is_lost,
    session_paid_by_bank_debit,
    session_that_the_bank_refuses,
    session_that_expires,
    subscription_bought_in_checkout,
    subscription_that_renews_and_ends,
    subscription_whose_customer_pays_later,
)

LONG = (
    invoice_by_bank_debit,
    invoice_that_the_bank_refuses,
    refunds_that_come_back,
    dispute_of_an_invoice_that_is_lost,
    subscription_bought_in_checkout,
    subscription_that_renews_and_ends,
    subscription_whose_customer_pays_later,
)
