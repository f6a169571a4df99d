"""What a router does shows in its history, and goes out through the command line."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import redis

from stripe_billing_router import errors
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, World
from tests.integration.charge.charge_bench import BOT, CARD, CREATE, EMAIL, ROUTING, new_world
from tests.integration.charge.charge_bench import CUSTOMER as CUS
from tests.integration.charge.charge_server import serving
from tests.unit.cli.cli_helpers import run


@pytest.fixture
def world() -> World:
    return new_world()


@pytest.fixture
def project(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BillingRouter]:
    """A router of a project folder, which the command line uses too."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "stripe_billing_router.yaml").write_text(ROUTING)
    with serving(world) as server:
        monkeypatch.setenv("STRIPE_API_BASE", server.base)
        monkeypatch.setenv("STRIPE_SECRET_KEY", SANDBOX_SECRET_KEY)
        monkeypatch.setenv("STRIPE_ROUTER_HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        with BillingRouter(recover_at_start=False) as router:
            yield router


def test_a_bots_history_tells_what_became_of_its_calls(
    project: BillingRouter, world: World
) -> None:
    paid = project.charge(BOT, "19.99")
    project.refund(BOT, paid.id, amount="5")
    world.set_outcome(CARD, "declined:insufficient_funds")
    with pytest.raises(errors.PaymentDeclinedError):
        project.charge(BOT, 7)
    found = project.history(BOT)
    assert [(e.name, e.action, e.amount_minor, e.currency) for e in found] == [
        ("operation.succeeded", "charge", 1999, "usd"),
        ("payment.refunded", "refund", 500, "usd"),
        ("operation.failed", "charge", 0, "usd"),
    ]
    assert [e.error for e in found] == [False, False, True]
    assert found[0].stripe_id == paid.id
    assert found[0].operation_id == paid.operation_id
    assert project.history("stripe:finance:bot", after=2, limit=1) == found[2:]
    assert EMAIL not in str([asdict(event) for event in found])


def test_an_unknown_outcome_is_in_the_history(project: BillingRouter, world: World) -> None:
    world.faults.add(Fault("cut", match=CREATE, effect=True, times=None))
    with BillingRouter(recover_at_start=False, clock=world.clock) as hurried:
        with pytest.raises(errors.OutcomeUnknownError) as doubt:
            hurried.charge(BOT, 5)
        [event] = hurried.history(BOT)
    assert (event.name, event.operation_id) == ("operation.unknown", doubt.value.operation_id)


def test_the_command_line_shows_a_history(project: BillingRouter) -> None:
    paid = project.charge(BOT, "19.99")
    shown = run("events", "history", BOT)
    assert f"operation.succeeded\tcharge\t19.99 usd\t{paid.id}" in shown.out
    [event] = json.loads(run("events", "history", BOT, "--json").out)
    assert event == asdict(project.history(BOT)[0])
    assert json.loads(run("events", "history", BOT, "--after", 1, "--json").out) == []


def test_the_command_line_pumps_once(
    project: BillingRouter, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = project.charge(BOT, "19.99")
    stream = f"test:{uuid.uuid4().hex}"
    monkeypatch.setenv("STRIPE_EVENTS_REDIS_URL", redis_url)
    assert run("events", "pump", "--once", "--stream", stream).out == "1 events were delivered.\n"
    assert run("events", "pump", "--once", "--stream", stream).out == "0 events were delivered.\n"
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        [(_, fields)] = client.xrange(stream)
        client.delete(stream)
    assert fields["stripe_id"] == paid.id
    assert CUS not in str(fields)


def test_a_pump_that_could_not_deliver_says_so(project: BillingRouter) -> None:
    project.charge(BOT, "19.99")
    ran = run("events", "pump", "--once", "--redis", "redis://user:hidden@127.0.0.1:1/0")
    assert ran.code == 1
    assert "hidden" not in ran.out + ran.err
    assert ran.out == "0 events were delivered.\n"
