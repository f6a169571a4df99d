"""`routes lint`: what is valid in the file and cannot be meant, offline and against Stripe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config.template import template
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, World
from stripe_billing_router.sandbox.server import SandboxServer, serving
from stripe_billing_router.testing import furnish_routes
from tests.unit.cli.cli_helpers import refused, run

FILE = """
stripe:
  default:
    finance:
      bot:
        product_id: prod_1
        price_id: price_1
        customer_id: cus_1
        overrides: {plan: {pro: {price_id: price_pro}, same: {price_id: price_1}}}
  eu: {finance: {eu: {product_id: prod_1, price_id: price_eu, customer_id: cus_2, currency: eur}}}
policies:
  rules:
    small: {match: {bot_name: bot}, largest: {usd: 5}, approval_above: {usd: 5}}
    typo: {match: {bot_name: bott}, verbs: [charge]}
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config/stripe_billing_router.yaml"
    path.parent.mkdir()
    path.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    with serving(World()) as running:
        monkeypatch.setenv("STRIPE_API_BASE", running.api_base)
        monkeypatch.setenv("STRIPE_SECRET_KEY", SANDBOX_SECRET_KEY)
        yield running


def _furnished(server: SandboxServer, path: Path) -> World:
    file = routing_file(path)
    furnish_routes(server.world, file.routes, file.overrides)
    return server.world


def _found(*options: str) -> list[tuple[str, str]]:
    ran = run("routes", "lint", "--json", *options)
    findings: list[dict[str, Any]] = json.loads(ran.out)
    assert ran.code == (1 if findings else 0)
    return [(finding["check"], finding["path"]) for finding in findings]


OFFLINE = [
    ("override-changes-nothing", "stripe.default.finance.bot.overrides.plan.same"),
    ("rule-matches-no-bot", "policies.rules.typo.match"),
    ("approval-never-asked", "policies.rules.small.approval_above.usd"),
]


def test_findings_are_told_in_plain_columns_with_exit_code_1() -> None:
    ran = run("routes", "lint")
    heading, *rows = ran.out.splitlines()
    assert (ran.code, heading, ran.err) == (1, "check\tpath\tmessage", "3 findings.\n")
    assert [tuple(row.split("\t")[:2]) for row in rows] == OFFLINE


def test_programs_get_the_same() -> None:
    assert _found() == OFFLINE


def test_the_shipped_example_has_no_finding(file: Path, server: SandboxServer) -> None:
    file.write_text(template())
    _furnished(server, file)
    ran = run("routes", "lint", "--online")
    assert (ran.code, ran.out, ran.err) == (0, "", "0 findings.\n")


def test_prices_and_customers_are_looked_up_once_each_and_nothing_is_written(
    file: Path, server: SandboxServer
) -> None:
    world = _furnished(server, file)
    assert _found("--online") == OFFLINE
    sent = [(request.method, request.path) for request in world.requests]
    assert sent == [
        ("GET", "/v1/account"),
        ("GET", "/v1/prices/price_1"),
        ("GET", "/v1/customers/cus_1"),
        ("GET", "/v1/prices/price_eu"),
        ("GET", "/v1/customers/cus_2"),
        ("GET", "/v1/prices/price_pro"),
    ]
    assert not (file.parent.parent / "finance_logs").exists(), "no ledger is made for it"


def test_what_stripe_does_not_have_is_found(file: Path, server: SandboxServer) -> None:
    world = server.world
    world.add_price("price_1", product="prod_1", currency="usd")
    world.add_price("price_eu", product="prod_1", currency="usd")
    world.add_customer("cus_1")
    assert _found("--online")[len(OFFLINE) :] == [
        ("price-currency", "stripe.eu.finance.eu"),
        ("customer-missing", "stripe.eu.finance.eu"),
        ("price-missing", "stripe.default.finance.bot.overrides.plan.pro"),
    ]


def test_what_was_taken_out_of_use_is_found(file: Path, server: SandboxServer) -> None:
    _furnished(server, file)
    with requests.Session() as session:
        session.auth = (SANDBOX_SECRET_KEY, "")
        price = f"{server.api_base}/v1/prices/price_pro"
        assert session.post(price, data={"active": "false"}).ok
        assert session.delete(f"{server.api_base}/v1/customers/cus_2").ok
    assert _found("--online")[len(OFFLINE) :] == [
        ("customer-deleted", "stripe.eu.finance.eu"),
        ("price-inactive", "stripe.default.finance.bot.overrides.plan.pro"),
    ]


@pytest.mark.parametrize(
    ("denied", "says"), [({"prices"}, "/v1/prices/price_1 (HTTP 403:"), ({"account"}, "")]
)
def test_a_restricted_key_is_asked_for_what_it_may_read(
    file: Path, server: SandboxServer, denied: set[str], says: str
) -> None:
    _furnished(server, file).add_key(SANDBOX_SECRET_KEY, denied=denied)
    if says:
        assert says in refused("routes", "lint", "--online")
    else:
        assert _found("--online") == OFFLINE


def test_the_catalogue_of_another_account_says_nothing(server: SandboxServer) -> None:
    server.world.add_key(SANDBOX_SECRET_KEY, account="acct_other")
    assert "acct_other" in refused("routes", "lint", "--online")


def test_stripe_away_is_a_message_and_no_finding(file: Path, server: SandboxServer) -> None:
    world = _furnished(server, file)
    world.faults.add(Fault("proxy_page", match="GET /v1/prices/*", status=404, times=9))
    assert "could not be read" in refused("routes", "lint", "--online")


def test_a_faulty_file_is_told_as_always(file: Path) -> None:
    file.write_text("policies: {rules: {a: {verbs: [chrage]}}}")
    assert "policies.rules.a.verbs.0: is 'chrage'; did you mean charge?" in refused(
        "routes", "lint"
    )
