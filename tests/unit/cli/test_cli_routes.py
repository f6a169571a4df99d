"""`routes list` and `routes explain` read the file as a router would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.cli_helpers import refused, run

FILE = """
default_currency: chf
stripe:
  default:
    finance:
      bot:
        product_id: prod_1
        price_id: price_1
        customer_id: cus_1
        user_email: "[bold]@example.com"
        overrides: {plan: {pro: {price_id: price_pro}, max: {price_id: price_max}}}
  eu: {finance: {bot: {product_id: prod_1, price_id: price_eu, customer_id: cus_1, currency: EUR}}}
other: {default: {finance: {bot: {product_id: prod_2, price_id: price_2, customer_id: cus_2}}}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory inside a project with two regions and two domains."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/stripe_billing_router.yaml").write_text(FILE)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def _json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").out)


def test_list_shows_every_route_in_plain_columns() -> None:
    assert run("routes", "list").out.splitlines() == [
        "bot\tregion\tproduct_id\tprice_id\tcustomer_id\tcurrency\toverrides",
        "finance:bot\tdefault\tprod_1\tprice_1\tcus_1\tchf\tplan=pro,max",
        "finance:bot\teu\tprod_1\tprice_eu\tcus_1\teur\t",
        "other:finance:bot\tdefault\tprod_2\tprice_2\tcus_2\tchf\t",
    ]


def test_list_gives_programs_everything() -> None:
    first, second, third = _json("routes", "list")
    assert first == {
        "bot_id": "finance:bot",
        "domain": "stripe",
        "region": "default",
        "business_category": "finance",
        "bot_name": "bot",
        "currency": "chf",
        "route": {
            "product_id": "prod_1",
            "price_id": "price_1",
            "customer_id": "cus_1",
            "user_email": "[bold]@example.com",
        },
        "overrides": {"plan": {"pro": {"price_id": "price_pro"}, "max": {"price_id": "price_max"}}},
    }
    assert (second["region"], second["currency"], second["overrides"]) == ("eu", "eur", {})
    assert third["bot_id"] == "other:finance:bot"


def test_explain_shows_what_a_call_would_bill_with_and_why() -> None:
    arguments = ("routes", "explain", "stripe:finance:bot", "--override", "plan=pro")
    assert run(*arguments).out.splitlines() == [
        "field\tvalue\tfrom",
        "bot\tfinance:bot\t",
        "region\tdefault\t",
        "product_id\tprod_1\troute",
        "price_id\tprice_pro\toverride",
        "customer_id\tcus_1\troute",
        "user_email\t[bold]@example.com\troute",
        "currency\tchf\tdefault_currency",
    ]
    explained = _json(*arguments, "--override", "region=eu")
    assert (explained["bot_id"], explained["region"]) == ("finance:bot", "eu")
    assert (explained["currency"], explained["overrides"]) == ("eur", {"plan": "pro"})
    assert explained["route"]["price_id"] == "price_pro"


def test_on_a_terminal_the_table_is_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stripe_billing_router.cli.output import as_table

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    as_table(("bot", "email"), [("finance:bot", "[bold]@example.com")])
    shown = capsys.readouterr().out
    assert "[bold]@example.com" in shown
    assert "\t" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["finance:bott"], "did you mean 'bot'?"),
        (["finance"], "is not a bot id"),
        (["finance:bot", "--override", "plan=gold"], "known: plan = max, pro"),
        (["finance:bot", "--override", "region=us"], "regions of this bot: default, eu"),
        (["finance:bot", "--override", "plan"], "is not KEY=VALUE"),
        (["finance:bot", "--override", "a=1", "--override", "a=2"], "gives a key again"),
        (["finance:bot", "--override", "api_key=sk_live_abc123"], "keys come from Vault"),
    ],
)
def test_a_question_that_has_no_answer_is_a_message(arguments: list[str], says: str) -> None:
    for more in ([], ["--json"]):
        message = refused("routes", "explain", *arguments, *more)
        assert says in message
        assert "abc123" not in message


def test_the_faults_of_the_file_are_listed(project: Path) -> None:
    path = project / "config/stripe_billing_router.yaml"
    path.write_text("stripe: {eu: {finance: {bot: {price_id: }}}}")
    message = refused("routes", "list")
    assert f"3 faults in {path}:" in message
    assert "stripe.eu.finance.bot: price_id is empty" in message


def test_another_file_can_be_named_from_the_working_directory(project: Path) -> None:
    (project / "below/mine.json").write_text("{}")
    assert run("routes", "list", "--config", "mine.json", "--json").out == "[]\n"
    assert "does not exist" in refused("routes", "list", "--config", "absent.json")


def test_the_environment_names_the_file_as_for_a_router(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "x.yaml").write_text("{}")
    monkeypatch.setenv("STRIPE_ROUTING_CONFIG", str(project / "x.yaml"))
    assert run("routes", "list", "--json").out == "[]\n"


def test_explain_shows_the_limits_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        """
stripe: {default: {finance: {bot: {product_id: prod_1, price_id: price_1, customer_id: cus_1}}}}
policies:
  rules:
    spend:
      budgets: [{per: day, amount: 20, currency: usd}]
      calls: [{per: hour, limit: 5}]
""",
        encoding="utf-8",
    )
    told = run("routes", "explain", "finance:bot", "--config", path)
    assert "20.00 usd per day" in told.out
    assert "policies.rules.spend" in told.out
    limits = json.loads(run("routes", "explain", "finance:bot", "--config", path, "--json").out)
    assert [limit["what"] for limit in limits["limits"]] == ["currencies", "budget", "calls"]
