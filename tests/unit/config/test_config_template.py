"""The example that people begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config import load_settings
from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.master_account import SANDBOX_ACCOUNT_ID
from stripe_billing_router.models import BotId
from stripe_billing_router.policy.linting import lint_policies
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.routing import RoutingTable

ROOT = Path(__file__).resolve().parents[3]
BOT = BotId.parse("finance:finance_router_bot")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / TEMPLATE_PATH
    path.parent.mkdir()
    path.write_text(template(), encoding="utf-8")
    return path


def test_the_repositorys_own_file_is_the_packages_example() -> None:
    assert (ROOT / TEMPLATE_PATH).read_text(encoding="utf-8") == template()


def test_the_example_is_found_and_has_no_fault(example: Path) -> None:
    settings = load_settings({}, example.parent.parent)
    assert len(routing_file(settings.routing_config).routes) == 3


def test_the_example_passes_its_own_account_check(example: Path) -> None:
    accounts = {route.account_id for route in routing_file(example).routes.values()}
    assert accounts <= {None, SANDBOX_ACCOUNT_ID}


def test_the_example_shows_regions_categories_and_overrides(example: Path) -> None:
    file = routing_file(example)
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    assert {key[1] for key in file.routes} == {"default", "eu"}
    assert {key[2] for key in file.routes} == {"finance", "reporting"}
    assert table.resolve(BOT, {}).currency == "usd"
    for (_, region, category, bot, key, value), fields in file.overrides.items():
        overrides = {"region": region, key: value}
        route = table.resolve(BotId("stripe", category, bot), overrides).route
        assert {name: route[name] for name in fields} == dict(fields)


def test_a_price_of_the_example_never_meets_another_currency(example: Path) -> None:
    """A rule that sets a price has its own in every region whose currency differs."""
    file = routing_file(example)
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    eu = table.resolve(BOT, {"region": "eu", "plan": "premium"})
    assert (eu.currency, eu.route.price_id) == ("eur", "price_finance_router_premium_eu")


def test_what_the_example_shows_as_comments_is_valid_too(example: Path) -> None:
    """Whoever takes the comment signs away gets a file that loads."""
    start = template().index("# allowed_secret_keys:")
    end = template().index("# How long things may take")
    section = template()[start:end].replace("\n# ", "\n").removeprefix("# ")
    example.write_text(template() + section.replace("  # A", "# A"), encoding="utf-8")
    file = routing_file(example)
    assert len(file.allowed_secret_keys) == 2
    assert set(file.key_accounts) < set(file.allowed_secret_keys)


def test_the_policies_that_the_example_shows_are_valid_and_meant(example: Path) -> None:
    comment = template()[template().index("# policies:") :].split("\n\n")[0]
    section = comment.replace("\n# ", "\n").removeprefix("# ")
    example.write_text(template() + section, encoding="utf-8")
    file = routing_file(example)
    (rule,) = file.policies.rules
    assert (rule.own_payments_only, len(rule.budgets), len(rule.call_limits)) == (True, 2, 1)
    currencies = {key: r.currency or file.default_currency for key, r in file.routes.items()}
    assert lint_policies(file.policies, currencies, VERBS.values()) == []
