"""One key, one request, one answer."""

from __future__ import annotations

import threading

import pytest
import stripe

from stripe_billing_router.sandbox import Fault
from tests.unit.sandbox.sandbox_helpers import (
    CUSTOMER,
    client_of,
    error_of,
    keyed,
    new_world,
    payment,
)


def test_the_same_request_is_answered_from_memory() -> None:
    world = new_world()
    client = client_of(world)
    first = client.v1.payment_intents.create(payment(), keyed("k"))
    again = client.v1.payment_intents.create(payment(), keyed("k"))
    assert again.to_dict() == first.to_dict()
    headers = again.last_response.headers  # type: ignore[union-attr]
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Idempotency-Key"] == "k"
    assert headers["Original-Request"] == first.last_response.request_id  # type: ignore[union-attr]
    assert len(world.effects()) == 1
    assert [request.replayed for request in world.requests] == [False, True]


def test_same_key_with_other_parameters_is_refused() -> None:
    world = new_world()
    client = client_of(world)
    client.v1.payment_intents.create(payment(), keyed("k"))
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.payment_intents.create(payment(amount=2000), keyed("k"))
    assert len(world.effects()) == 1


def test_same_key_on_another_endpoint_is_refused() -> None:
    client = client_of(new_world())
    client.v1.customers.create({}, keyed("k"))
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.payment_intents.create(payment(), keyed("k"))


def test_a_decline_is_replayed_even_if_the_card_would_work_now() -> None:
    world = new_world()
    world.set_outcome("pm_one", "declined:insufficient_funds")
    client = client_of(world)
    ids = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as raised:
            client.v1.payment_intents.create(payment(), keyed("k"))
        ids.append(error_of(raised.value)["payment_intent"]["id"])
        world.set_outcome("pm_one", "succeeds")
    assert ids[0] == ids[1]
    assert world.effects() == []


def test_a_refusal_because_of_state_is_replayed() -> None:
    world = new_world()
    client = client_of(world)
    intent = client.v1.payment_intents.create(payment())
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.cancel(intent.id, {}, keyed("k"))
    assert [request.replayed for request in world.requests] == [False, False, True]


@pytest.mark.parametrize(
    "wrong", [{"amount": 1}, {"amount": "x"}, {"customer": "cus_none"}, {"ammount": 1}]
)
def test_a_request_that_was_never_executed_leaves_its_key_free(wrong: dict[str, str]) -> None:
    world = new_world()
    client = client_of(world)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create(payment(**wrong), keyed("k"))
    assert client.v1.payment_intents.create(payment(), keyed("k")).status == "succeeded"


@pytest.mark.parametrize("kind", ["rate_limited", "key_in_use", "lock_timeout", "unavailable"])
def test_an_answer_without_execution_leaves_its_key_free(kind: str) -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault(kind))  # type: ignore[arg-type]
    with pytest.raises(stripe.StripeError):
        client.v1.payment_intents.create(payment(), keyed("k"))
    assert client.v1.payment_intents.create(payment(amount=500), keyed("k")).amount == 500


def test_a_failed_authentication_leaves_its_key_free() -> None:
    world = new_world()
    with pytest.raises(stripe.AuthenticationError):
        client_of(world, "sk_live_unknown").v1.payment_intents.create(payment(), keyed("k"))
    assert client_of(world).v1.payment_intents.create(payment(), keyed("k")).amount == 1999


def test_a_key_is_in_use_while_its_request_is_executed() -> None:
    world = new_world()
    arrived, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert go_on.wait(10)

    world.faults.add(Fault("call", call=hold, match="POST /v1/payment_intents"))
    client = client_of(world)
    results: list[stripe.PaymentIntent] = []
    thread = threading.Thread(
        target=lambda: results.append(client.v1.payment_intents.create(payment(), keyed("k")))
    )
    thread.start()
    assert arrived.wait(10)
    with pytest.raises(stripe.APIError) as raised:
        client.v1.payment_intents.create(payment(), keyed("k"))
    go_on.set()
    thread.join(10)
    assert raised.value.http_status == 409
    assert error_of(raised.value)["code"] == "idempotency_key_in_use"
    assert results[0].status == "succeeded"
    assert len(world.effects()) == 1


def test_many_threads_with_one_key_move_money_once() -> None:
    world = new_world()
    client = client_of(world)
    seen: list[str] = []

    def pay() -> None:
        try:
            seen.append(client.v1.payment_intents.create(payment(), keyed("k")).id)
        except stripe.APIError as error:
            seen.append(str(error.http_status))

    threads = [threading.Thread(target=pay) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(world.effects()) == 1
    assert len(set(seen) - {"409"}) == 1


def test_a_key_is_forgotten_after_a_day() -> None:
    world = new_world()
    client = client_of(world)
    client.v1.payment_intents.create(payment(), keyed("k"))
    world.advance(23 * 3600)
    client.v1.payment_intents.create(payment(), keyed("k"))
    assert len(world.effects()) == 1
    world.advance(3600)
    client.v1.payment_intents.create(payment(), keyed("k"))
    assert len(world.effects()) == 2


def test_keys_of_two_accounts_do_not_meet() -> None:
    world = new_world()
    world.add_key("sk_live_other", account="acct_other")
    world.add_customer(CUSTOMER, account="acct_other")
    world.add_payment_method("pm_one", customer=CUSTOMER, account="acct_other")
    mine = client_of(world).v1.payment_intents.create(payment(), keyed("k"))
    theirs = client_of(world, "sk_live_other").v1.payment_intents.create(payment(), keyed("k"))
    assert mine.id != theirs.id
    assert len(world.effects()) == len(world.effects("acct_other")) == 1


def test_a_key_of_256_characters_is_refused() -> None:
    client = client_of(new_world())
    client.v1.customers.create({}, keyed("k" * 255))
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.v1.customers.create({}, keyed("k" * 256))
