"""auto_rollback: what the bot could change is undone, and it is stopped, whatever fails."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router import AutomatedRollbackManager
from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.models import BotId, Route
from stripe_billing_router.routing import RoutingTable

FIELDS = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
OTHER = {**FIELDS, "customer_id": "cus_other"}


def table() -> RoutingTable:
    """A table in which two bots' routes were changed at run time."""
    keys = [("stripe", "default", "finance", name) for name in ("bot", "other")]
    made = RoutingTable({key: Route(**FIELDS) for key in keys})
    for name in ("bot", "other"):
        made.register_route("finance", name, OTHER)
        made.register_route("finance", name, OTHER, region="eu")
    rule = {"business_category": "finance", "bot_name": "bot", "key": "plan", "value": "x"}
    made.register_override({**rule, "route": {"price_id": "price_2"}})
    return made


def customer(of: RoutingTable, bot: str) -> str | None:
    return of.resolve(BotId.parse(bot), {}).route.customer_id


@pytest.mark.parametrize(
    "bot_id", ["finance:bot", "stripe:finance:bot", BotId.parse("finance:bot")]
)
def test_routes_and_overrides_of_this_bot_are_the_file_s_again(bot_id: Any) -> None:
    changed = table()
    done = AutomatedRollbackManager(changed).auto_rollback(bot_id)
    assert (done.bot_id, done.done, done.failed) == ("finance:bot", ("routes",), ())
    assert customer(changed, "finance:bot") == "cus_1"
    assert customer(changed, "finance:other") == "cus_other"
    assert ("stripe", "eu", "finance", "bot") not in changed.routes
    assert not changed.overrides


def test_the_bot_is_frozen_before_the_host_s_hooks_run() -> None:
    """A hook that hangs must not keep the bot from being stopped."""
    seen: list[tuple[str, object, str]] = []
    manager = AutomatedRollbackManager(
        table(),
        [lambda bot, reason: seen.append(("hook", bot, reason))],
        lambda bot, reason: seen.append(("freeze", bot, reason)),
    )
    manager.auto_rollback("finance:bot", reason="why")
    assert seen == [
        ("freeze", BotId.parse("finance:bot"), "why"),
        ("hook", "finance:bot", "why"),
    ]


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemExit(1), RecursionError(), CancelledError()]
)
def test_each_step_runs_although_the_others_fail(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RoutingTable):
        def forget_registered(self, bot: BotId) -> None:
            raise error

    def failing(bot: object, reason: str) -> None:
        raise error

    ran: list[str] = []

    def last(bot: str, reason: str) -> None:
        ran.append(bot)

    done = AutomatedRollbackManager(Broken({}), [failing, last], failing).auto_rollback("a:b")
    assert ran == ["a:b"]
    assert len(done.failed) == 3
    assert len(done.done) == 1
    assert caplog.text.count("a step of the rollback failed") == 3


def test_it_can_be_asked_for_a_bot_that_nobody_knows_but_not_for_no_bot() -> None:
    manager = AutomatedRollbackManager(table())
    assert manager.auto_rollback("nobody:knows").failed == ()
    with pytest.raises(InvalidRequestError):
        manager.auto_rollback("nonsense")


def test_it_is_public() -> None:
    assert "AutomatedRollbackManager" in stripe_billing_router.__all__
