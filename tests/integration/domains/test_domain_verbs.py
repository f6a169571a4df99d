"""A verb that a domain adds is guarded, budgeted, recovered, listed, watched and explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stripe_billing_router.bootstrap import INSTALLED
from stripe_billing_router.cli.app import app
from stripe_billing_router.client import BillingRouter, operators_desk
from stripe_billing_router.door import run_verb
from stripe_billing_router.errors import (
    ConfigurationError,
    FrozenError,
    InvalidRequestError,
    PolicyViolationError,
)
from stripe_billing_router.models import Budget, Policies, PolicyRule, Result, Verbs
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from tests.integration.charge.charge_bench import BOT, ROUTING, Bench, Died, Wire, new_world
from tests.integration.domains.rent import CollectRent

RENT = "tests.integration.domains.rent:RENT"
BUDGET = Policies((PolicyRule("spend", budgets=(Budget("day", 250_00, "usd"),)),))


@pytest.fixture
def bench(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setitem(INSTALLED, "rent", RENT)
    (tmp_path / "routing.yaml").write_text(ROUTING)
    made = Bench(new_world(), tmp_path, sqlite_url)
    yield made
    made.close()


def rent(router: BillingRouter, months: int = 1, **settings: Any) -> Result:
    return run_verb(router, "collect_rent", BOT, {"months": months}, **settings)


def test_a_budget_that_names_no_verb_counts_it(bench: Bench) -> None:
    router = bench.router(policies=BUDGET)
    assert rent(router, 2).amount_minor == 200_00
    with pytest.raises(PolicyViolationError, match=r"50\.00 usd left"):
        rent(router)
    assert router.charge(BOT, 50).paid
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, "0.50")


def test_an_amount_that_is_not_known_passes_no_limit(bench: Bench) -> None:
    with pytest.raises(PolicyViolationError, match="collect_rent would come to"):
        rent(bench.router(policies=BUDGET), 12)


def test_a_freeze_stops_it(bench: Bench) -> None:
    router = bench.router()
    operators_desk(router).freeze(BOT, "rest", by="me")
    with pytest.raises(FrozenError):
        rent(router)


def test_its_argument_is_checked_and_its_key_gives_one_result(bench: Bench) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError, match="collect_rent takes months"):
        run_verb(router, "collect_rent", BOT, {"years": 1})
    first, second = (rent(router, idempotency_key="march") for _ in range(2))
    assert first.id == second.id


def test_what_a_crash_left_is_recovered_and_shown(bench: Bench) -> None:
    def die(method: str, url: str) -> None:
        if method == "POST":
            raise Died

    wire = Wire(bench.world, after=die)
    with pytest.raises(Died):
        rent(bench.router(http_client=wire))
    router = bench.router()
    report = router.recover_operations()
    assert len(report.recorded) == 1
    (entry,) = router.ledger.entries()
    assert (entry.action_type, entry.amount_minor) == ("rent", 100_00)
    assert [event.name for event in router.history(BOT)][-1] == "rent.paid"
    assert [operation.verb for operation in router.store.operations()] == ["collect_rent"]


def test_the_watchdog_finds_its_payment_in_the_books(bench: Bench) -> None:
    router = bench.router()
    paid = rent(router)
    assert [entry.moves for entry in router.store.books.entries_named([str(paid.id)])] == ["in"]
    now_ms = router.store.now_ms()
    inspection = Inspection(router, Limits(since_ms=now_ms - 86_400_000))
    assert [finding for finding in inspection.findings() if finding.subject == paid.id] == []
    (day,) = inspection.days()
    assert (day.ledger_minor, day.stripe_minor) == (100_00, 100_00)


def test_it_can_be_explained_and_named_in_a_rule(bench: Bench) -> None:
    told = bench.router(policies=BUDGET).explain(BOT, "collect_rent", amount=100)
    assert told.passes
    assert [limit.rule for limit in told.limits if limit.what == "budget"] == ["spend"]
    rule = "{largest: {usd: 50}, verbs: [collect_rent]}"
    bench.config.write_text(f"{ROUTING}\npolicies: {{rules: {{rent_only: {rule}}}}}\n")
    with pytest.raises(PolicyViolationError, match="at most"):
        rent(bench.router())
    shown = CliRunner().invoke(app, ["routes", "explain", BOT, "--config", str(bench.config)])
    assert "collect_rent" in shown.stdout


def test_taken_out_nothing_of_it_is_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rent(bench.router())
    monkeypatch.delitem(INSTALLED, "rent")
    router = bench.router()
    with pytest.raises(InvalidRequestError, match="not a money verb"):
        router.explain(BOT, "collect_rent")
    with pytest.raises(ConfigurationError, match="has the verb collect_rent"):
        rent(router)
    assert router.charge(BOT, 5).paid
    assert router.ledger.verify().ok
    assert router.recover_operations().left == ()


class Silent(CollectRent):
    moves = None  # type: ignore[assignment]


class Twin(CollectRent):
    name = "charge"


class Back(CollectRent):
    gives_back = True


@pytest.mark.parametrize(
    ("verb", "why"),
    [(Silent(), "declare moves"), (Twin(), "is taken"), (Back(), "moves money out")],
)
def test_what_does_not_say_what_it_moves_is_no_verb(verb: CollectRent, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        Verbs([*VERBS.values(), verb])
