"""receive: what is taken, what is refused, and what a refusal sets off."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from stripe import WebhookSignature

from stripe_billing_router.client import assembly_of
from stripe_billing_router.errors import (
    ConfigurationError,
    KeyConfigurationError,
    LedgerUnavailableError,
    WebhookError,
)
from stripe_billing_router.models import InboxState
from stripe_billing_router.webhooks import Receipt, reading, webhooks_of
from tests.integration.webhooks.webhooks_bench import BOT, SECRET, WebhooksBench

OTHER = "acct_somebody0else"


def event(bench: WebhooksBench) -> dict[str, Any]:
    bench.router.charge(BOT, 5)
    return bench.events("payment_intent.succeeded")[-1]


def signed(bench: WebhooksBench, body: object, secret: str = SECRET, late: int = 0) -> Receipt:
    """Deliver any body as Stripe would sign it, `late` seconds ago."""
    text = body if isinstance(body, str) else json.dumps(body)
    at = bench.world.clock.now_ms() // 1000 - late
    header = WebhookSignature.generate_signature_header(text, secret, at)
    return bench.webhooks.receive(text.encode("utf-8", "surrogatepass"), header)


def test_an_event_is_stored_once_and_nothing_else_is_done(bench: WebhooksBench) -> None:
    bench.router.charge(BOT, 5)
    entries = len(bench.entries())
    first = bench.events("payment_intent.succeeded")[-1]
    bench.world.requests.clear()
    assert signed(bench, first) == Receipt(first["id"], first["type"], duplicate=False)
    assert signed(bench, first).duplicate
    assert bench.states() == {"received": 1}
    assert len(bench.entries()) == entries
    assert not bench.world.requests


def test_a_receipt_tells_what_is_stored(bench: WebhooksBench) -> None:
    first = event(bench)
    signed(bench, first)
    again = signed(bench, {**first, "type": "payment_intent.canceled"})
    assert again == Receipt(first["id"], first["type"], duplicate=True)
    assert bench.row(first).type == first["type"]


@pytest.mark.parametrize("late", [301, 3600, -301, -3600])
def test_stale_and_future_signatures_are_refused(bench: WebhooksBench, late: int) -> None:
    with pytest.raises(WebhookError, match="signed"):
        signed(bench, event(bench), late=late)
    assert not bench.states()


@pytest.mark.parametrize("late", [299, -299])
def test_a_clock_that_is_a_little_off_refuses_nothing(bench: WebhooksBench, late: int) -> None:
    assert not signed(bench, event(bench), late=late).duplicate


def test_every_configured_secret_signs_during_a_rotation(bench: WebhooksBench) -> None:
    both = {"STRIPE_WEBHOOK_SECRET": f"whsec_newest0000000000000, {SECRET}"}
    bench.router = bench_router(bench, environ=both)
    assert not signed(bench, event(bench)).duplicate
    assert signed(bench, bench.events()[-1], secret="whsec_newest0000000000000").event_id
    with pytest.raises(WebhookError, match="not signed"):
        signed(bench, bench.events()[-1], secret="whsec_older00000000000000")


def bench_router(bench: WebhooksBench, **changes: Any) -> Any:
    from tests.integration.verbs.verbs_bench import new_router

    bench.router.close()
    url = f"sqlite:///{bench.folder}/ledger.db"
    return new_router(bench.folder, url, bench.world, bench.wire, **changes)


def test_without_a_secret_nothing_is_taken_whatever_its_signature(bench: WebhooksBench) -> None:
    bench.router = bench_router(bench, environ={})
    for signature in (None, "", "t=1,v1=00"):
        with pytest.raises(KeyConfigurationError, match="STRIPE_WEBHOOK_SECRET"):
            bench.webhooks.receive(b"{}", signature)
    with pytest.raises(ConfigurationError):
        signed(bench, event(bench))


@pytest.mark.parametrize("signature", [None, "", "t=", "v1=00", 5, b"t=1,v1=00", "t=1;v1=00"])
def test_what_bears_no_signature_is_refused(bench: WebhooksBench, signature: Any) -> None:
    with pytest.raises(WebhookError):
        bench.webhooks.receive(json.dumps(event(bench)).encode(), signature)


def test_a_body_that_is_not_raw_is_refused(bench: WebhooksBench) -> None:
    bodies: list[Any] = [{}, None, "{}", 5]
    for body in bodies:
        with pytest.raises(WebhookError, match="raw body"):
            bench.webhooks.receive(body, "t=1,v1=00")


def test_a_body_that_is_too_large_is_refused_before_anything_looks_at_it(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly_of(bench.router).webhooks.__class__, "is_signed", None)
    with pytest.raises(WebhookError, match="bytes"):
        bench.webhooks.receive(b"x" * (reading.LARGEST + 1), "t=1,v1=00")


ODD_BODIES = [
    "",
    "null",
    "[]",
    "5",
    '"event"',
    "{",
    "{}",
    '{"object": "event"}',
    "[" * 5000,
    '{"a":' * 3000,
    "9" * 5000,
    '{"object": "v2.core.event", "id": "evt_1", "type": "v1.billing.meter"}',
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda text: text[:20])
def test_odd_bodies_are_refused_though_signed(bench: WebhooksBench, body: str) -> None:
    with pytest.raises(WebhookError):
        signed(bench, body)


ODD_FIELDS: list[tuple[str, Any]] = [
    ("id", None),
    ("id", 5),
    ("id", "evt_1\x00"),
    ("id", "evt_" + "1" * 300),
    ("id", "ch_1"),
    ("type", "Charge Succeeded"),
    ("type", "x." + "y" * 300),
    ("created", "yesterday"),
    ("created", -1),
    ("created", 2**63),
    ("created", True),
    ("created", 1.5),
    ("data", None),
    ("data", []),
    ("data", {"object": []}),
    ("data", {"object": "pi_1"}),
    ("data", {"object": {"transfer_data": "acct_x"}}),
    ("data", {"object": {"metadata": []}}),
    ("data", {"object": {"on_behalf_of": ["acct_x"]}}),
    ("data", {"object": {"amount": float("nan")}}),
    ("account", {}),
    ("livemode", "true"),
    ("livemode", 1),
    ("livemode", None),
]


@pytest.mark.parametrize(("name", "value"), ODD_FIELDS, ids=lambda v: str(v)[:20])
def test_odd_fields_are_refused_though_signed(
    bench: WebhooksBench, name: str, value: object
) -> None:
    with pytest.raises(WebhookError):
        signed(bench, {**event(bench), name: value})
    assert not bench.states()


def test_characters_that_databases_refuse_are_stored_all_the_same(
    any_bench: WebhooksBench,
) -> None:
    body = event(any_bench)
    body["data"]["object"]["description"] = "a\x00b \ud800 \U0001f600"
    signed(any_bench, body)
    assert any_bench.row(body).object["description"] == "a\x00b \ud800 \U0001f600"


def test_a_test_mode_event_is_refused_and_told(bench: WebhooksBench) -> None:
    with pytest.raises(WebhookError, match="test-mode"):
        signed(bench, {**event(bench), "livemode": False})
    assert "webhook.test_mode" in bench.ears.names()
    assert not bench.states()


def test_another_account_s_signed_event_has_the_consequences_of_a_failed_check(
    bench: WebhooksBench,
) -> None:
    with pytest.raises(WebhookError, match="another account"):
        signed(bench, {**event(bench), "account": OTHER})
    (found,) = bench.ears.reactions
    assert (found.kind, found.account_id) == ("event_account", OTHER)
    assert "webhook.account_mismatch" in bench.ears.names()
    assert not bench.states()


def test_another_account_s_metadata_do_not_say_which_bot_is_stopped(bench: WebhooksBench) -> None:
    body = event(bench)
    assert body["data"]["object"]["metadata"]["bot_id"] == BOT
    with pytest.raises(WebhookError):
        signed(bench, {**body, "account": OTHER})
    (found,) = bench.ears.reactions
    assert (found.bot, found.operation_id) == (None, None)
    assert bench.router.charge(BOT, 5).paid


@pytest.mark.parametrize("name", ["account", "stripe_account", "destination_account"])
def test_an_account_that_a_customer_wrote_into_metadata_stops_nobody(
    bench: WebhooksBench, name: str
) -> None:
    """A browser with the publishable key can write a payment method's metadata."""
    bench.dashboard.v1.customers.update("cus_one", {"metadata": {name: OTHER, "bot_id": BOT}})
    changed = bench.events("customer.updated")[-1]
    assert changed["data"]["object"]["metadata"][name] == OTHER
    bench.deliver("customer.updated")
    assert bench.webhooks.backfill(0).refused == 0
    assert bench.ears.reactions == []
    assert "webhook.account_mismatch" not in bench.ears.names()
    bench.drain()
    assert set(bench.states()) == {"processed"}
    assert bench.router.charge(BOT, 5).paid


def test_a_forged_event_has_no_consequences_at_all(bench: WebhooksBench) -> None:
    with pytest.raises(WebhookError):
        signed(bench, {**event(bench), "account": OTHER}, secret="whsec_forged0000000000000")
    assert bench.ears.reactions == []
    assert "webhook.account_mismatch" not in bench.ears.names()


def test_what_cannot_be_stored_is_not_acknowledged(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stripe_billing_router.store.database import Database

    def away(*_: object) -> None:
        raise LedgerUnavailableError("gone")

    found = event(bench)
    monkeypatch.setattr(Database, "transact", away)
    with pytest.raises(LedgerUnavailableError):
        signed(bench, found)
    monkeypatch.undo()
    assert not signed(bench, found).duplicate


def test_a_duplicate_of_a_processed_event_is_acknowledged(bench: WebhooksBench) -> None:
    found = event(bench)
    bench.deliver()
    bench.work()
    assert bench.redeliver(found["id"]).duplicate
    assert bench.work().total == 0


@pytest.mark.parametrize("state", [InboxState.FAILED, InboxState.DEAD])
def test_a_duplicate_of_a_failed_event_is_work_to_do_again(
    any_bench: WebhooksBench, state: InboxState, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = any_bench
    attempts = 1 if state is InboxState.FAILED else 3
    monkeypatch.setattr("stripe_billing_router.webhooks.working.MOST_ATTEMPTS", 2)
    monkeypatch.setattr("stripe_billing_router.webhooks.working.backoff_ms", lambda _: 0)
    broken = True

    @bench.webhooks.on("payment_intent.succeeded")
    def credit(_: object) -> None:
        if broken:
            raise OSError("no")

    found = event(bench)
    bench.deliver("payment_intent.succeeded")
    for _ in range(attempts):
        bench.webhooks.process_pending(1)
    assert bench.row(found).state is state
    broken = False
    assert not bench.redeliver(found["id"]).duplicate
    assert bench.row(found).attempts == 0
    assert bench.work().processed == 1
    assert bench.redeliver(found["id"]).duplicate


def test_secrets_are_not_stored_and_nothing_of_a_person_is_logged(
    bench: WebhooksBench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        waiting = bench.router.charge(BOT, 5, on_session=True)
        bench.router.create_customer(BOT, {"email": "person@example.org"})
        secret = bench.world.get(waiting.id)["client_secret"]
        caplog.clear()

        @bench.webhooks.on("*")
        def credit(event: object) -> None:
            raise OSError(f"person@example.org {secret} {SECRET}")

        bench.deliver()
        bench.work()
        with pytest.raises(WebhookError) as refused:
            signed(bench, bench.events()[-1], secret="whsec_other00000000000000")
    rows = bench.webhooks.events()
    assert {row.state for row in rows} == {"failed"}
    stored = json.dumps([[row.body, row.error] for row in rows], default=str)
    assert any("person@example.org" in json.dumps(row.body, default=str) for row in rows)
    assert not any("person@example.org" in str(row.error) for row in rows)
    for kept in (secret, SECRET):
        assert kept not in stored
        assert kept not in caplog.text + str(refused.value)
    assert "person@example.org" not in caplog.text


def test_the_same_router_has_the_same_webhooks(bench: WebhooksBench) -> None:
    assert webhooks_of(bench.router) is bench.webhooks
