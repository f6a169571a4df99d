"""validate_webhook_account: True for the master's, an alert and False for another's."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import stripe

from stripe_billing_router.engine.consequences.webhook_check import WebhookAccountCheck
from stripe_billing_router.errors import WebhookError
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID as MASTER
from stripe_billing_router.ports import Discrepancy, Event
from tests.integration.verbs.verbs_bench import BOT, Bench

OTHER = "acct_somebody0else"


class Ears:
    """Hears everything: events, and the reactions to a failed check."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reactions: list[Discrepancy] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def react(self, discrepancy: Discrepancy) -> None:
        self.reactions.append(discrepancy)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def router(bench: Bench, ears: Ears) -> Any:
    return bench.restarted(observers=[ears], reactions=[ears])


def events_of(bench: Bench) -> list[dict[str, Any]]:
    """Real events, of every kind of object that the verbs make."""
    bench.router.charge(BOT, 5)
    invoice = bench.router.charge(BOT)
    bench.router.refund(BOT, invoice.id)
    bench.router.create_customer(BOT, {"name": "New"})
    return bench.world.objects("event")


def test_every_event_of_the_account_itself_is_its_own(bench: Bench, router: Any) -> None:
    events = events_of(bench)
    assert len({event["type"] for event in events}) > 10
    for event in events:
        assert router.validate_webhook_account(event) is True
        assert router.validate_webhook_account(stripe.Event.construct_from(event, "sk")) is True
        assert router.validate_webhook_account({**event, "account": MASTER}) is True


def test_another_account_s_event_is_told_as_a_critical_alert_and_refused(
    bench: Bench, router: Any, ears: Ears, caplog: pytest.LogCaptureFixture
) -> None:
    event = {**events_of(bench)[-1], "account": OTHER}
    bench.forget_requests()
    with caplog.at_level(logging.INFO, "stripe_billing_router"):
        assert router.validate_webhook_account(event) is False
    (alert,) = ears.events
    assert (alert.name, alert.severity) == ("webhook.account_mismatch", "critical")
    assert OTHER in alert.message
    assert MASTER in alert.message
    (record,) = caplog.records
    assert (record.levelno, OTHER in record.getMessage()) == (logging.CRITICAL, True)


def test_an_account_that_only_metadata_name_is_told_as_such(router: Any, ears: Ears) -> None:
    """The host may judge so; a customer who writes metadata wakes nobody up."""
    event = {"object": "event", "data": {"object": {"metadata": {"account": OTHER}}}}
    assert router.validate_webhook_account(event) is False
    (told,) = ears.events
    assert (told.name, told.severity) == ("webhook.account_mentioned", "warning")
    assert OTHER in told.message
    assert "metadata" in told.message


def test_a_forged_event_freezes_and_rolls_back_nothing(
    bench: Bench, router: Any, ears: Ears
) -> None:
    rows = len(bench.entries())
    for forged in (
        {"object": "event", "account": OTHER, "data": {"object": {"metadata": {"bot_id": BOT}}}},
        {"object": "event", "data": {"object": {"transfer_data": {"destination": OTHER}}}},
        {"object": "v2.core.event", "context": OTHER},
    ):
        assert router.validate_webhook_account(forged) is False
    assert ears.reactions == []
    assert not bench.world.requests
    assert len(bench.entries()) == rows
    assert router.charge(BOT, 5).paid


@pytest.mark.parametrize(
    "shape",
    [
        {"object": "event", "data": {"object": []}},
        {"object": "event", "data": {"object": {"transfer_data": "acct_x"}}},
        {"object": "event", "account": 5, "data": {"object": {}}},
        None,
    ],
    ids=str,
)
def test_a_malformed_event_is_an_error_and_no_alert(router: Any, ears: Ears, shape: Any) -> None:
    with pytest.raises(WebhookError):
        router.validate_webhook_account(shape)
    assert ears.events == []


def test_an_alert_that_fails_does_not_make_the_event_ours(bench: Bench) -> None:
    class Deaf:
        def notify(self, event: Event) -> None:
            raise OSError("nobody is there")

    router = bench.restarted(observers=[Deaf()])
    event = {"object": "event", "account": OTHER, "data": {"object": {}}}
    assert router.validate_webhook_account(event) is False


def test_the_alert_goes_through_the_one_place_that_hosts_know() -> None:
    assert callable(WebhookAccountCheck._alert_mismatch)


def test_nothing_is_read_or_sent_to_judge_an_event(bench: Bench, router: Any) -> None:
    assert router.validate_webhook_account({"object": "event", "data": {"object": {}}}) is True
    assert not bench.world.requests
