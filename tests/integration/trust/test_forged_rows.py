"""Rows that somebody without a key wrote or changed: nothing is sent for them, and people hear."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.hashing import Seals
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.store import Sealing
from tests.integration.charge.charge_bench import BOT, LEASE, Bench, Died
from tests.integration.trust.forging import STOLEN, Forger

Row = dict[str, Any]
Forgery = Callable[[Forger, Row], Row]


def _larger(forger: Forger, row: Row) -> Row:
    return {"amount_minor": STOLEN, "steps": forger.changed(row, amount=STOLEN)}


def _larger_steps(forger: Forger, row: Row) -> Row:
    return {"steps": forger.changed(row, amount=STOLEN)}


def _other_customer(forger: Forger, row: Row) -> Row:
    steps = forger.changed(row, customer="cus_without_card")
    return {"customer_id": "cus_without_card", "steps": steps}


def _payout(forger: Forger, row: Row) -> Row:
    step = {**json.loads(row["steps"])[0], "path": "/v1/payouts", "expects": "payout"}
    return {"steps": json.dumps([step])}


FORGERIES: dict[str, Forgery] = {
    "amount": _larger,
    "steps": _larger_steps,
    "customer": _other_customer,
    "payout": _payout,
    "currency": lambda _f, _r: {"currency": "kwd"},
    "account": lambda _f, _r: {"account_id": "acct_somebody0else"},
    "bot": lambda _f, _r: {"bot_id": "finance:other"},
    "generation": lambda _f, _r: {"generation": 7},
    "time": lambda _f, row: {"started_ms": row["started_ms"] + 60_000},
    "skew": lambda _f, _r: {"skew_ms": 3_600_000},
    "arguments": lambda _f, _r: {"arguments": '{"amount":"9999.99","on_session":false}'},
    "no seal": lambda _f, _r: {"seal": None},
    "made up": lambda _f, _r: {"seal": "0" * 64},
}


@pytest.mark.parametrize("forgery", list(FORGERIES))
def test_a_row_that_was_changed_is_neither_sent_nor_resumed(forger: Forger, forgery: str) -> None:
    operation_id = forger.interrupted()
    (row,) = forger.rows()
    forger.change(operation_id, **FORGERIES[forgery](forger, row))
    if forgery == "bot":  # another bot's key, another operation
        report = forger.recover()
        assert report.escalated == (operation_id,)
        assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
        return
    forger.nothing_is_sent()


def test_what_was_not_changed_is_completed(forger: Forger) -> None:
    operation_id = forger.interrupted()
    assert forger.recover().completed == (operation_id,)
    assert forger.bench.moved() == [500]


@pytest.mark.parametrize("seal", ["none", "another's"])
@pytest.mark.parametrize("forgery", [_larger, _payout, _other_customer])
def test_a_row_that_was_inserted_is_neither_sent_nor_resumed(
    forger: Forger, forgery: Forgery, seal: str
) -> None:
    forger.interrupted(key="somebody's own")
    (genuine,) = forger.rows()
    forged = {
        **genuine,
        "operation_id": forger.keyed_id(),
        "idempotency_key": "k",
        **({"seal": None} if seal == "none" else {}),
        **forgery(forger, genuine),
    }
    forger.run(
        "DELETE FROM stripe_operations WHERE operation_id = :o", {"o": genuine["operation_id"]}
    )
    forger.insert(forged)
    forger.nothing_is_sent()


def test_a_row_that_seems_held_for_ever_is_found(forger: Forger) -> None:
    """Nobody takes a lease of years: who writes one wants nobody to look."""
    operation_id = forger.interrupted()
    forger.change(operation_id, seal=None, lease_until_ms=2**50, lease_token="x")
    assert forger.recover().escalated == (operation_id,)
    forger.people_are_told(operation_id)


def test_an_inserted_keyless_row_is_not_sent(forger: Forger) -> None:
    operation_id = forger.interrupted(key=None)
    (row,) = forger.rows()
    forger.change(operation_id, **_larger(forger, row))
    assert forger.recover().escalated == (operation_id,)
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
    forger.people_are_told(operation_id)


@pytest.mark.parametrize("at", ["POST /v1/invoices/*/pay", "POST /v1/invoices/*/finalize"])
def test_outputs_that_were_changed_pay_no_other_invoice(
    forger: Forger, priced: str, at: str
) -> None:
    """The next step takes the invoice's id from them."""
    operation_id = forger.interrupted(at=at, price_id=priced)
    (row,) = forger.rows()
    outputs = json.loads(row["outputs"])
    outputs[0]["body"]["id"] = "in_somebody_elses"
    forger.change(operation_id, outputs=json.dumps(outputs))
    report = forger.recover()
    assert report.completed == report.recorded == ()
    with pytest.raises(OutcomeUnknownError):
        forger.router().charge(BOT, price_id=priced, idempotency_key="k")
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
    forger.people_are_told(operation_id)


@pytest.fixture
def priced(bench: Bench) -> str:
    bench.world.add_price("price_1", unit_amount=700, currency="usd")
    return "price_1"


def test_a_payment_is_not_marked_as_paid(forger: Forger) -> None:
    """It is read from Stripe: there, nothing of the kind is."""
    operation_id = forger.interrupted()
    outcome = {
        "amount_minor": 500,
        "body": {"id": "pi_made_up", "object": "payment_intent"},
        "currency": "usd",
        "destination_account": None,
        "failure": None,
        "paid": True,
        "state": "succeeded",
        "status": "succeeded",
        "stripe_id": "pi_made_up",
    }
    forger.change(operation_id, state="succeeded", outcome=json.dumps(outcome))
    forger.call_is_refused()
    assert forger.bench.moved() == []
    forger.people_are_told(operation_id)


def test_somebody_elses_payment_proves_nothing(forger: Forger) -> None:
    forger.router().charge(BOT, 5, idempotency_key="another")
    (other,) = forger.rows()
    forged = {**other, "operation_id": forger.keyed_id(), "idempotency_key": "k"}
    forger.insert(forged)
    forger.call_is_refused()
    forger.people_are_told(forged["operation_id"])


@pytest.mark.parametrize(
    ("amount", "paid"), [(500_000, True), (0, False)], ids=["more", "not at all"]
)
def test_an_outcome_that_was_changed_is_told_as_stripe_shows_it(
    forger: Forger, amount: int, paid: bool
) -> None:
    done = forger.router().charge(BOT, 5, idempotency_key="k")
    (row,) = forger.rows()
    outcome = {**json.loads(row["outcome"]), "amount_minor": amount, "paid": paid}
    forger.change(row["operation_id"], outcome=json.dumps(outcome))
    again = forger.router().charge(BOT, 5, idempotency_key="k")
    assert (again.id, again.amount_minor, again.paid) == (done.id, 500, True)
    forger.people_are_told(row["operation_id"])


def test_a_row_of_the_version_before_is_told_as_stripe_shows_it(forger: Forger) -> None:
    """It has no seal. What Stripe confirms is nothing for people to look at."""
    done = forger.router().charge(BOT, 5, idempotency_key="k")
    (row,) = forger.rows()
    forger.change(row["operation_id"], seal=None, outputs_seal=None, outcome_seal=None)
    forger.bench.world.requests.clear()
    again = forger.router().charge(BOT, 5, idempotency_key="k")
    assert (again.id, again.amount_minor, again.paid) == (done.id, 500, True)
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
    assert forger.told.events == [] or "operation.unsealed" not in {
        event.name for event in forger.told.events
    }


def test_what_was_paid_cannot_be_made_to_look_abandoned(forger: Forger) -> None:
    """The same key would be planned and sent once more, long after Stripe forgot it."""
    forger.router().charge(BOT, 5, idempotency_key="k")
    (row,) = forger.rows()
    forger.change(row["operation_id"], state="abandoned")
    forger.bench.world.advance(3 * 24 * 3600)
    forger.bench.world.requests.clear()
    forger.call_is_refused()
    assert forger.bench.moved() == [500]
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []


def test_another_payment_is_not_cancelled(forger: Forger) -> None:
    """`cancel`, and recovery after a day, take the payment's id from the outcome."""
    waiting = forger.router().charge(BOT, 5, on_session=True, idempotency_key="k")
    waits = str(waiting.operation_id)
    other = forger.router().charge(BOT, 6, on_session=True, idempotency_key="other")
    row = next(row for row in forger.rows() if row["operation_id"] == waits)
    outcome = {**json.loads(row["outcome"]), "stripe_id": other.id}
    old = {"updated_ms": row["updated_ms"] - 2 * 24 * 3600 * 1000}
    forger.change(waits, outcome=json.dumps(outcome), **old)
    forger.bench.world.requests.clear()
    with pytest.raises(OutcomeUnknownError):
        forger.router().cancel(waits)
    assert waits in forger.recover().escalated
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
    forger.people_are_told(waits)


def test_what_stripe_shows_to_have_happened_is_recorded_as_it_is(
    forger: Forger, bench: Bench
) -> None:
    """The bot died after the payment, and its row was changed: the ledger holds what was paid."""
    router = bench.warm()
    bench.fault("call", effect=True, call=_die)
    with pytest.raises(Died):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.advance(LEASE)
    (row,) = forger.rows()
    forger.change(row["operation_id"], lease_until_ms=0, **_larger(forger, row))
    assert forger.recover().recorded == (row["operation_id"],)
    assert bench.booked(forger.router()) == [500]
    forger.people_are_told(row["operation_id"])


def _die() -> None:
    raise Died


@pytest.mark.parametrize("forgery", [_payout, _larger_steps])
def test_a_step_that_is_not_its_verbs_is_not_sent_even_under_a_seal(
    forger: Forger, forgery: Forgery
) -> None:
    """Whoever has stolen a seal key can still not have anything else sent than the row says."""
    operation_id = forger.interrupted()
    (row,) = forger.rows()
    forger.change(operation_id, **forgery(forger, row))
    sealing = Sealing(lambda: Seals([SANDBOX_SECRET_KEY]))
    changed = forger.router().store.operation(operation_id)
    assert changed is not None
    forger.change(operation_id, seal=sealing.sealed(changed).seal)
    forger.nothing_is_sent()


@pytest.mark.parametrize(
    "columns",
    [
        {"steps": "x"},
        {"steps": '[{"x": 1}]'},
        {"steps": "[" * 100_000},
        {"arguments": '{"amount": NaN}'},
        {"arguments": '{"x": "\\ud800"}'},
        {"outputs": "7"},
        {"outcome": '{"state": "paid"}'},
        {"bot_id": "x"},
        {"verb": "x"},
        {"seal": "é"},
    ],
    ids=lambda columns: "_".join(columns),
)
def test_a_row_that_cannot_be_read_stops_nobodys_recovery(
    forger: Forger, bench: Bench, columns: Row
) -> None:
    good = forger.interrupted()
    (row,) = forger.rows()
    odd = {**row, "operation_id": forger.keyed_id("odd"), "idempotency_key": "odd", **columns}
    forger.insert(odd)
    report = forger.recover()
    assert odd["operation_id"] in report.escalated
    assert good in report.completed + report.recorded
    forger.people_are_told(odd["operation_id"])
    forger.call_is_refused("odd")
    assert bench.moved() == [500]
