"""Webhooks: signed, to those who asked, as often and as late as Stripe sends them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread

import pytest
import stripe

from stripe_billing_router.sandbox import DeliveryPlan, World
from stripe_billing_router.sandbox.sending import sending
from stripe_billing_router.sandbox.server import real_time_world
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, new_world, payment

THREE_DAYS = 3 * 86_400
FOREVER = 10**12


class Receiver:
    """Takes deliveries and answers with the statuses it was given, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.types: list[str] = []
        self.ids: list[str] = []

    def __call__(self, payload: bytes, headers: dict[str, str]) -> int:
        event = json.loads(payload)
        self.types.append(event["type"])
        self.ids.append(event["id"])
        return self.statuses.pop(0) if self.statuses else 200


def paid_world(*, plan: DeliveryPlan | None = None, payments: int = 1) -> tuple[World, str]:
    """A world with an endpoint for everything, and payments after it was registered."""
    world = new_world()
    endpoint = world.add_webhook_endpoint(plan=plan)
    for _ in range(payments):
        client_of(world).v1.payment_intents.create(payment())
    return world, endpoint


def told(world: World) -> list[str]:
    """The ids of all events about payments."""
    ours = ("payment_intent.", "charge.")
    return [event["id"] for event in world.objects("event") if event["type"].startswith(ours)]


def test_every_event_comes_once_in_order_and_signed() -> None:
    world, endpoint = paid_world()
    secret = world.webhook_secret(endpoint)
    assert secret.startswith("whsec_sandbox")
    found = [
        stripe.Webhook.construct_event(
            payload, headers["Stripe-Signature"], secret, tolerance=FOREVER
        )
        for payload, headers in world.deliveries(endpoint)
    ]
    assert [event.id for event in found] == told(world)
    assert {event.type for event in found} >= {"charge.succeeded", "payment_intent.succeeded"}
    assert all(event.livemode for event in found)
    assert list(world.deliveries(endpoint)) == []


@pytest.mark.parametrize("part", ["payload", "secret", "time"])
def test_a_changed_delivery_does_not_verify(part: str) -> None:
    world, endpoint = paid_world()
    payload, headers = next(world.deliveries(endpoint))
    signature, secret = headers["Stripe-Signature"], world.webhook_secret(endpoint)
    if part == "payload":
        payload = payload.replace(b"1999", b"1998")
    elif part == "secret":
        secret += "x"
    else:
        signature = signature.replace("t=1", "t=2")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(payload, signature, secret, tolerance=FOREVER)


def test_an_endpoint_gets_the_types_it_asked_for_while_it_is_enabled() -> None:
    world = new_world()
    client = client_of(world)
    some = world.add_webhook_endpoint(events=["customer.created"])
    off = client.v1.webhook_endpoints.create(
        {"url": "https://x.example/", "enabled_events": ["*"]}
    ).id
    client.v1.webhook_endpoints.update(off, {"disabled": True})
    client.v1.payment_intents.create(payment())
    world.add_customer("cus_two")
    [only] = [json.loads(payload) for payload, _ in world.deliveries(some)]
    assert (only["type"], only["data"]["object"]["id"]) == ("customer.created", "cus_two")
    assert list(world.deliveries(off)) == []
    client.v1.webhook_endpoints.delete(some)
    with pytest.raises(KeyError):
        next(world.deliveries(some))


def test_an_event_tells_how_many_endpoints_wait_for_it() -> None:
    world, endpoint = paid_world()
    first = told(world)[0]
    assert world.get(first)["pending_webhooks"] == 1
    for _ in world.deliveries(endpoint):
        pass
    assert world.get(first)["pending_webhooks"] == 0


def test_a_delivery_is_a_snapshot_of_its_time() -> None:
    world = new_world()
    endpoint = world.add_webhook_endpoint(events=["payment_intent.created"])
    client_of(world).v1.payment_intents.create(payment())
    [delivery] = world.deliveries(endpoint)
    assert json.loads(delivery.payload)["data"]["object"]["status"] == "requires_confirmation"


def test_what_is_refused_comes_again_later_and_a_2xx_ends_it() -> None:
    world, endpoint = paid_world()
    began = world.clock.now_ms()
    receiver = Receiver(500, 302, 404)
    world.deliver(endpoint, receiver)
    assert sorted(set(receiver.ids)) == sorted(told(world))
    assert Counter(receiver.ids).most_common(3)[0][1] == 2
    assert len(receiver.ids) == len(told(world)) + 3
    assert world.clock.now_ms() - began == 5 * 60 * 1000
    assert world.undelivered(endpoint) == []


def test_stripe_gives_up_within_three_days() -> None:
    world, endpoint = paid_world()
    began = world.clock.now_ms()
    receiver = Receiver(*[503] * 1000)
    world.deliver(endpoint, receiver)
    assert set(Counter(receiver.ids).values()) == {10}
    assert 2 * 86_400 < (world.clock.now_ms() - began) / 1000 <= THREE_DAYS
    assert world.undelivered(endpoint) == told(world)


def test_a_receiver_that_breaks_is_told_again() -> None:
    world, endpoint = paid_world()

    def broken(payload: bytes, headers: dict[str, str]) -> int:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        world.deliver(endpoint, broken)
    receiver = Receiver()
    world.deliver(endpoint, receiver)
    assert sorted(receiver.ids) == sorted(told(world))


TROUBLE = DeliveryPlan(seed=7, duplicate=0.3, shuffle=20, delay=3600, drop=0.2, repeat=0.2)


def test_trouble_changes_order_and_number_and_loses_nothing() -> None:
    world, endpoint = paid_world(plan=TROUBLE, payments=10)
    receiver = Receiver()
    world.deliver(endpoint, receiver)
    assert set(receiver.ids) == set(told(world))
    assert len(receiver.ids) > len(told(world))
    assert list(dict.fromkeys(receiver.ids)) != told(world)
    assert world.undelivered(endpoint) == []


def test_equal_seeds_give_equal_trouble() -> None:
    def orders(seed: int) -> list[str]:
        plan = DeliveryPlan(seed=seed, duplicate=0.3, shuffle=20, drop=0.2)
        world, endpoint = paid_world(plan=plan, payments=5)
        receiver = Receiver()
        world.deliver(endpoint, receiver)
        return receiver.ids

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


@pytest.mark.parametrize(
    ("plan", "least", "most"),
    [
        (DeliveryPlan(duplicate=1), 2, 2),
        (DeliveryPlan(lose=1), 0, 0),
        (DeliveryPlan(drop=1), 0, 0),
        (DeliveryPlan(repeat=1), 10, 10),
    ],
    ids=lambda value: str(value),
)
def test_each_kind_of_trouble(plan: DeliveryPlan, least: int, most: int) -> None:
    world, endpoint = paid_world(plan=plan)
    receiver = Receiver()
    world.deliver(endpoint, receiver)
    counts = Counter(receiver.ids)
    assert all(least <= counts[event] <= most for event in told(world))


def test_what_is_lost_is_still_in_the_events_api() -> None:
    world, endpoint = paid_world(plan=DeliveryPlan(lose=1))
    listed = {event.id for event in client_of(world).v1.events.list({"limit": 100}).data}
    assert world.undelivered(endpoint) == told(world)
    assert listed >= set(told(world))


def test_late_deliveries_come_as_time_goes_by() -> None:
    world, endpoint = paid_world(plan=DeliveryPlan(delay=3600), payments=5)
    early = [json.loads(payload)["id"] for payload, _ in world.deliveries(endpoint)]
    assert len(early) < len(told(world))
    world.advance(3600)
    late = [json.loads(payload)["id"] for payload, _ in world.deliveries(endpoint)]
    assert sorted(early + late) == sorted(told(world))


class _Hook(BaseHTTPRequestHandler):
    """Keeps what it is sent; refuses the first delivery."""

    server: _Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.put((body, str(self.headers["Stripe-Signature"])))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Hooks(ThreadingHTTPServer):
    got: Queue[tuple[bytes, str]]
    statuses: list[int]


@contextmanager
def hooks(*statuses: int) -> Iterator[_Hooks]:
    server = _Hooks(("127.0.0.1", 0), _Hook)
    server.got, server.statuses = Queue(), list(statuses)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_deliveries_go_over_http_to_this_host() -> None:
    world = real_time_world()
    world.add_customer(CUSTOMER, default_payment_method=CARD)
    with hooks(500) as server, sending(world):
        url = f"http://127.0.0.1:{server.server_address[1]}/stripe?x=1"
        endpoint = world.add_webhook_endpoint(url, events=["payment_intent.succeeded"])
        intent = client_of(world).v1.payment_intents.create(payment())
        refused = server.got.get(timeout=10)
        world.advance(300)  # when Stripe tries again
        payload, signature = server.got.get(timeout=10)
        assert payload == refused[0]
        signed_for = world.webhook_secret(endpoint)
        event = stripe.Webhook.construct_event(payload, signature, signed_for, tolerance=600)
        assert event.data.object["id"] == intent.id


def test_nothing_is_sent_to_other_hosts() -> None:
    world = new_world()
    elsewhere = world.add_webhook_endpoint("http://198.51.100.1/hook")
    world.add_customer("cus_two")
    with sending(world) as sender:
        assert sender.send_due() == 0
    assert len(list(world.deliveries(elsewhere))) == 1


def test_a_receiver_that_is_away_is_a_failed_attempt() -> None:
    with hooks() as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
    world = new_world()
    endpoint = world.add_webhook_endpoint(url)
    world.add_customer("cus_two")
    with sending(world) as sender:
        sender.send_due()
    assert world.undelivered(endpoint) == []
    assert list(world.deliveries(endpoint)) == []
    world.advance(300)
    assert len(list(world.deliveries(endpoint))) == 1
