"""Routed traffic as in life: every verb, declines, waiting customers, slow banks, disputes.

None of it is anything that the watchdog may report.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from stripe_billing_router.errors import BillingError, PaymentActionRequiredError
from stripe_billing_router.sandbox import Fault
from tests.integration.watchdog.watchdog_bench import (
    BOT,
    CUSTOMER,
    DAY,
    EURO,
    HOUR,
    MEMBER,
    MONTHLY,
    ONCE,
    YEN,
    Bench,
)


def _key(bench: Bench) -> str:
    """A bot that knows what it asks for; without a key, an equal call may be refused."""
    return f"order-{bench.random.random()}"


def _amount(bench: Bench) -> str:
    return f"{bench.random.randint(1, 90)}.{bench.random.randint(0, 99):02}"


def charge_an_amount(bench: Bench) -> None:
    bot = bench.random.choice([BOT, EURO])
    bench.routed.append(bench.router.charge(bot, _amount(bench), idempotency_key=_key(bench)).id)


def charge_yen(bench: Bench) -> None:
    made = bench.router.charge(YEN, bench.random.randint(60, 9000), idempotency_key=_key(bench))
    bench.routed.append(made.id)


def charge_a_price(bench: Bench) -> None:
    quantity = bench.random.randint(1, 3)
    made = bench.router.charge(BOT, quantity=quantity, idempotency_key=_key(bench))
    bench.routed.append(made.id)


def charge_while_the_line_is_cut(bench: Bench) -> None:
    path = bench.random.choice(["POST /v1/payment_intents", "POST /v1/invoices*"])
    bench.world.faults.add(Fault("cut", effect=True, match=path))
    with suppress(BillingError):
        if "invoices" in path:
            bench.routed.append(bench.router.charge(BOT, idempotency_key=_key(bench)).id)
        else:
            made = bench.router.charge(BOT, _amount(bench), idempotency_key=_key(bench))
            bench.routed.append(made.id)
    bench.world.faults.clear()


def decline(bench: Bench) -> None:
    with suppress(BillingError):
        bench.router.charge(
            BOT, _amount(bench), payment_method_id="pm_declined", idempotency_key=_key(bench)
        )


def decline_an_invoice(bench: Bench) -> None:
    with suppress(BillingError):
        bench.router.charge(BOT, payment_method_id="pm_declined", idempotency_key=_key(bench))


def refund_all(bench: Bench) -> None:
    if bench.routed:
        payment = bench.routed.pop(bench.random.randrange(len(bench.routed)))
        bench.router.refund(BOT, payment, idempotency_key=_key(bench))


def refund_a_part(bench: Bench) -> None:
    if bench.routed:
        payment = bench.random.choice(bench.routed)
        left = bench.charge_of(payment)
        if left["amount"] - left["amount_refunded"] > 100 and left["currency"] != "jpy":
            bench.router.refund(BOT, payment, amount="0.50", idempotency_key=_key(bench))


def wait_for_a_customer(bench: Bench) -> None:
    """Some customers pay, some fail first, some never come; some results are never asked for."""
    key = _key(bench)
    made = bench.router.charge(BOT, "12.34", on_session=True, idempotency_key=key)
    choice = bench.random.randrange(4)
    if choice >= 1:
        bench.world.complete_action(made.id, succeed=choice > 1)
    if choice == 3:
        bench.router.charge(BOT, "12.34", on_session=True, idempotency_key=key)


def authenticate(bench: Bench) -> None:
    with suppress(PaymentActionRequiredError):
        bench.router.charge(
            BOT, _amount(bench), payment_method_id="pm_authenti", idempotency_key=_key(bench)
        )


def wait_for_a_bank(bench: Bench) -> None:
    key = _key(bench)

    def charge() -> None:
        with suppress(BillingError):
            bench.router.charge(BOT, "45.00", payment_method_id="pm_processi", idempotency_key=key)

    charge()
    waiting = [p for p in bench.world.objects("payment_intent") if p["status"] == "processing"]
    for payment in waiting:
        bench.world.settle_processing(payment["id"], succeed=bench.random.random() < 0.5)
    charge()


def subscribe(bench: Bench) -> None:
    quantity = bench.random.randint(1, 3)
    bench.router.create_subscription(MEMBER, quantity=quantity, idempotency_key=_key(bench))


def subscribe_in_vain(bench: Bench) -> None:
    bench.world.set_outcome("pm_member", "declined:insufficient_funds")
    behavior = bench.random.choice(["error_if_incomplete", "allow_incomplete"])
    with suppress(BillingError):
        bench.router.create_subscription(
            MEMBER, payment_behavior=behavior, idempotency_key=_key(bench)
        )
    bench.world.set_outcome("pm_member", "succeeds")


def check_out(bench: Bench) -> None:
    price = bench.random.choice([ONCE, MONTHLY])
    made = bench.router.create_checkout_session(
        BOT,
        [{"price": price, "quantity": 1}],
        success_url="https://shop.example/thanks",
        idempotency_key=_key(bench),
    )
    choice = bench.random.randrange(4)
    if choice == 0:
        bench.world.complete_checkout(made.id, payment_method="pm_card_chargeDeclined")
    elif choice == 1:
        bench.world.expire_checkout(made.id)
    elif choice == 2:
        bench.world.complete_checkout(made.id)


def dispute(bench: Bench) -> None:
    open_ = [p for p in bench.routed if not bench.charge_of(p)["disputed"]]
    if open_:
        payment = bench.random.choice(open_)
        bench.routed.remove(payment)
        opened = bench.world.open_dispute(bench.charge_of(payment)["id"])
        bench.world.advance(bench.random.randint(0, 5) * HOUR)
        bench.world.close_dispute(opened, won=bench.random.random() < 0.5)


def make_a_customer(bench: Bench) -> None:
    bench.router.create_customer(BOT, {"name": "Somebody"}, idempotency_key=_key(bench))


def let_time_go_by(bench: Bench) -> None:
    bench.world.advance(bench.random.choice([60.0, HOUR, 7 * HOUR]))


def let_a_renewal_fail(bench: Bench) -> None:
    """A month goes by; the router settles what has waited too long, as it does every hour."""
    bench.world.set_outcome("pm_member", "declined:insufficient_funds")
    bench.world.advance(31 * DAY)
    bench.world.set_outcome("pm_member", "succeeds")
    bench.router.recover_operations()


ACTIONS: tuple[tuple[int, Callable[[Bench], None]], ...] = (
    (6, charge_an_amount),
    (2, charge_yen),
    (3, charge_a_price),
    (1, charge_while_the_line_is_cut),
    (2, decline),
    (1, decline_an_invoice),
    (2, refund_all),
    (3, refund_a_part),
    (2, wait_for_a_customer),
    (1, authenticate),
    (1, wait_for_a_bank),
    (2, subscribe),
    (1, subscribe_in_vain),
    (2, check_out),
    (2, dispute),
    (1, make_a_customer),
    (4, let_time_go_by),
)


def drive(bench: Bench, actions: int) -> None:
    """Perform so many actions, chosen by the bench's own dice."""
    weights, kinds = zip(*ACTIONS, strict=True)
    for action in bench.random.choices(kinds, weights, k=actions):
        action(bench)


__all__ = ["ACTIONS", "CUSTOMER", "drive", "let_a_renewal_fail"]
