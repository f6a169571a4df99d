"""What can go wrong on the way, and what it leaves behind."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
import stripe
import urllib3

from stripe_billing_router.sandbox import Fault
from tests.unit.sandbox.sandbox_helpers import client_of, error_of, keyed, new_world, payment

POST = "POST /v1/payment_intents"


@pytest.mark.parametrize("kind", ["cut", "timeout", "server_error", "unavailable", "proxy_page"])
@pytest.mark.parametrize("effect", [False, True])
def test_an_effect_happens_only_if_the_fault_says_so(kind: Any, effect: bool) -> None:
    world = new_world()
    world.faults.add(Fault(kind, effect=effect))
    with pytest.raises(stripe.StripeError):
        client_of(world).v1.payment_intents.create(payment(), keyed("k"))
    assert len(world.effects()) == int(effect)
    assert [request.executed for request in world.requests] == [effect]


@pytest.mark.parametrize("kind", ["cut", "timeout", "truncated", "broken_body", "unavailable"])
def test_the_retry_after_a_lost_answer_is_replayed(kind: Any) -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault(kind, effect=True))
    with pytest.raises(stripe.StripeError):
        client.v1.payment_intents.create(payment(), keyed("k"))
    again = client.v1.payment_intents.create(payment(), keyed("k"))
    assert again.status == "succeeded"
    assert world.requests[-1].replayed
    assert len(world.effects()) == 1


def test_a_server_error_after_the_effect_is_what_every_retry_gets() -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault("server_error", effect=True))
    for _ in range(2):
        with pytest.raises(stripe.APIError) as raised:
            client.v1.payment_intents.create(payment(), keyed("k"))
        assert raised.value.http_status == 500
        assert error_of(raised.value)["type"] == "api_error"
    assert world.requests[-1].replayed
    assert len(world.effects()) == 1


def test_a_server_error_before_the_effect_is_not_kept() -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault("server_error"))
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.create(payment(), keyed("k"))
    assert client.v1.payment_intents.create(payment(), keyed("k")).status == "succeeded"


@pytest.mark.parametrize(
    ("kind", "cause", "inner"),
    [
        ("refused", requests.ConnectionError, urllib3.exceptions.NewConnectionError),
        ("connect_timeout", requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        ("timeout", requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError),
        ("cut", requests.ConnectionError, urllib3.exceptions.ProtocolError),
        (
            "broken_body",
            requests.exceptions.ChunkedEncodingError,
            urllib3.exceptions.ProtocolError,
        ),
    ],
)
def test_network_trouble_looks_as_the_sdk_shows_it(
    kind: Any, cause: Any, inner: type[Exception]
) -> None:
    world = new_world()
    world.faults.add(Fault(kind))
    with pytest.raises(stripe.APIConnectionError) as raised:
        client_of(world).v1.payment_intents.create(payment())
    found: Any = raised.value.__cause__
    assert isinstance(found, cause)
    wrapped = found.args[0]
    assert isinstance(getattr(wrapped, "reason", None) or wrapped, inner)
    assert raised.value.should_retry is (kind != "broken_body")
    assert "Bearer sk_live_" in found.request.headers["Authorization"]


def test_a_refused_connection_is_not_a_request_that_arrived() -> None:
    world = new_world()
    refused = Fault("refused")
    world.faults.add(refused)
    with pytest.raises(stripe.APIConnectionError):
        client_of(world).v1.payment_intents.create(payment())
    assert world.requests == []
    assert world.faults.fired == [(refused, POST)]


def test_a_truncated_answer_is_a_200_that_cannot_be_read() -> None:
    world = new_world()
    world.faults.add(Fault("truncated"))
    with pytest.raises(stripe.APIError) as raised:
        client_of(world).v1.payment_intents.create(payment())
    assert raised.value.http_status == 200
    assert len(world.effects()) == 1


def test_a_rate_limit_says_why_and_for_how_long() -> None:
    world = new_world()
    world.faults.add(Fault("rate_limited", retry_after=2.5, reason="global-rate"))
    with pytest.raises(stripe.RateLimitError) as raised:
        client_of(world).v1.payment_intents.create(payment())
    headers = raised.value.headers or {}
    assert headers["retry-after"] == "2.5"
    assert headers["stripe-rate-limited-reason"] == "global-rate"
    assert error_of(raised.value)["code"] == "rate_limit"


def test_a_key_in_use_is_a_409() -> None:
    world = new_world()
    world.faults.add(Fault("key_in_use", should_retry=True))
    with pytest.raises(stripe.APIError) as raised:
        client_of(world).v1.payment_intents.create(payment(), keyed("k"))
    assert raised.value.http_status == 409
    assert error_of(raised.value)["code"] == "idempotency_key_in_use"
    assert (raised.value.headers or {})["stripe-should-retry"] == "true"


def test_a_lock_that_is_not_given_is_a_429_that_asks_for_a_retry() -> None:
    world = new_world()
    world.faults.add(Fault("lock_timeout"), Fault("lock_timeout", should_retry=False))
    for word in ("true", "false"):
        with pytest.raises(stripe.RateLimitError) as raised:
            client_of(world).v1.payment_intents.create(payment(), keyed("k"))
        assert error_of(raised.value)["code"] == "lock_timeout"
        assert (raised.value.headers or {})["stripe-should-retry"] == word
    assert world.effects() == []


@pytest.mark.parametrize("status", [200, 403, 502])
def test_a_proxys_page_is_not_stripes_answer(status: int) -> None:
    world = new_world()
    world.faults.add(Fault("proxy_page", status=status))
    with pytest.raises(stripe.APIError) as raised:
        client_of(world).v1.payment_intents.create(payment())
    assert raised.value.http_status == status
    assert (raised.value.http_body or "").startswith("<html>")


def test_a_notice_warns_after_the_payment_succeeded() -> None:
    world = new_world()
    world.faults.add(Fault("headers", headers={"Stripe-Notice": "upgrade soon"}))
    with pytest.warns(UserWarning, match="upgrade soon"):
        client_of(world).v1.payment_intents.create(payment())
    assert len(world.effects()) == 1


def test_latency_takes_virtual_time() -> None:
    world = new_world()
    before, started = world.clock.now_ms(), time.monotonic()
    world.faults.add(Fault("latency", seconds=90))
    client_of(world).v1.payment_intents.create(payment())
    assert world.clock.now_ms() - before == 90_000
    assert time.monotonic() - started < 30


def test_latency_can_be_real() -> None:
    world = new_world()
    started = time.monotonic()
    world.faults.add(Fault("latency", seconds=0.01, real_time=True))
    client_of(world).v1.payment_intents.create(payment())
    assert time.monotonic() - started >= 0.01


def test_a_fault_strikes_only_what_it_matches_and_only_as_often_as_it_says() -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault("server_error", match=POST, skip=1, times=2))
    client.v1.customers.create({})
    client.v1.payment_intents.create(payment())
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.create(payment())
    client.v1.payment_intents.create(payment())
    assert world.faults.pending == []
    assert len(world.faults.fired) == 2


def test_a_fault_can_be_picky_about_parameters() -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(
        Fault("server_error", match=lambda request: request.params.get("amount") == "777")
    )
    client.v1.payment_intents.create(payment())
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.create(payment(amount=777))


def test_a_fault_without_end_lasts_until_cleared() -> None:
    world = new_world()
    client = client_of(world)
    world.faults.add(Fault("unavailable", times=None))
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            client.v1.customers.create({})
    world.faults.clear()
    client.v1.customers.create({})


@pytest.mark.parametrize("effect", [False, True])
def test_a_caller_can_die_on_either_side_of_the_effect(effect: bool) -> None:
    class Death(BaseException):
        pass

    def die() -> None:
        raise Death

    world = new_world()
    client = client_of(world)
    world.faults.add(Fault("call", call=die, effect=effect))
    with pytest.raises(Death):
        client.v1.payment_intents.create(payment(), keyed("k"))
    assert len(world.effects()) == int(effect)
    client.v1.payment_intents.create(payment(), keyed("k"))
    assert len(world.effects()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "gremlins"},
        {"kind": "refused", "effect": True},
        {"kind": "lock_timeout", "effect": True},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault"):
        Fault(**wrong)


def test_the_sdks_own_retries_end_in_one_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    world = new_world()
    world.faults.add(Fault("cut", effect=True), Fault("server_error"))
    client = client_of(world, max_network_retries=3)
    assert client.v1.payment_intents.create(payment()).status == "succeeded"
    assert len(world.requests) == 3
    assert len(world.effects()) == 1
