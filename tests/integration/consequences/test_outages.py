"""An outage while something is checked is no discrepancy: nothing follows, and it says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import responses

from stripe_billing_router.errors import (
    KeyProviderUnavailableError,
    OutcomeUnknownError,
    StripeUnavailableError,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, SandboxHTTPClient
from tests.integration.charge.charge_bench import BOT, CREATE, Wire
from tests.integration.consequences.conftest import Project
from tests.unit.keys.test_keys_vault_outage import OUTAGES
from tests.unit.keys.vault_double import ADDR, TOKEN, Vault

REGISTERED = {"product_id": "prod_2", "price_id": "price_2", "customer_id": "cus_one"}


@pytest.fixture
def vault() -> Iterator[Vault]:
    """A Vault with the sandbox's key, over its real HTTP interface."""
    double = Vault(fields={"stripe_secret_key": SANDBOX_SECRET_KEY})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT"):
            url = re.compile(re.escape(ADDR) + "/.*")
            mock.add_callback(method, url, callback=double, content_type=None)
        yield double


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_vault_away_freezes_and_rolls_back_nothing(
    project: Project, vault: Vault, outage: Any
) -> None:
    """When Vault is back, so is the bot: no empty list was kept."""
    environ = {"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN}
    router = project.bench.router(secret_key=None, environ=environ, rollback_hooks=[project.hook])
    router.register_route("finance", "bot", REGISTERED)
    vault.broken = outage
    with pytest.raises(KeyProviderUnavailableError, match="no other source") as raised:
        router.charge(BOT, 5)
    assert raised.value.money == "not_moved"
    assert project.nothing_followed(router)
    assert router.routes[("stripe", "default", "finance", "bot")].price_id == "price_2"
    vault.broken = None
    project.bench.world.clock.advance(60)
    assert router.charge(BOT, 5).paid


@pytest.mark.parametrize("named", [{}, {"id": None}, {"id": ""}, {"id": {}}], ids=str)
def test_an_answer_that_names_no_account_is_no_foreign_account(
    project: Project, named: dict[str, Any]
) -> None:
    wire = Nameless(project.bench.world)
    wire.account = {"object": "account", **named}
    router = project.bench.router(rollback_hooks=[project.hook], http_client=wire)
    with pytest.raises(StripeUnavailableError) as raised:
        router.charge(BOT, 5)
    assert raised.value.money == "not_moved"
    assert project.nothing_followed(router)
    wire.account = None
    assert router.charge(BOT, 5).paid


class Nameless(SandboxHTTPClient):
    """The sandbox's transport, with another answer to whose the key is."""

    account: dict[str, Any] | None = None

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, answered = super().request(method, url, headers, post_data)
        if self.account is not None and url.endswith("/v1/account"):
            body = json.dumps(self.account).encode()
        return body, status, answered


@pytest.mark.parametrize(
    "kind", ["refused", "cut", "timeout", "server_error", "unavailable", "proxy_page", "truncated"]
)
def test_stripe_away_freezes_and_rolls_back_nothing(project: Project, kind: str) -> None:
    router = project.bench.router(rollback_hooks=[project.hook])
    router.register_route("finance", "bot", REGISTERED)
    project.bench.fault(kind, "GET /v1/account", times=None)
    with pytest.raises(StripeUnavailableError) as raised:
        router.charge(BOT, 5)
    assert raised.value.money == "not_moved"
    assert project.nothing_followed(router)
    assert router.routes[("stripe", "default", "finance", "bot")].price_id == "price_2"
    project.bench.world.faults.clear()
    assert router.charge(BOT, 5).paid


def test_stripe_away_when_the_check_is_repeated_before_a_resend_is_none_either(
    project: Project,
) -> None:
    bench = project.bench

    def night_falls(method: str, url: str) -> None:
        """The account has to be looked up again, and cannot be."""
        if method == "POST":
            bench.world.clock.advance(7 * 3600)
            bench.fault("unavailable", "GET /v1/account", times=None)

    wire = Wire(bench.world)
    router = bench.warm(rollback_hooks=[project.hook], http_client=wire)
    wire.before = night_falls
    bench.fault("refused", CREATE, times=1)
    with pytest.raises(StripeUnavailableError):
        router.charge(BOT, 5)
    bench.world.faults.clear()
    assert bench.moved() == []
    assert router.discrepancies.list() == ()
    assert project.alerts() == []
    assert project.heard == []


def test_stripe_away_while_recovering_is_none(project: Project) -> None:
    router = project.bench.warm()
    project.bench.fault("cut", CREATE, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    project.bench.fault("unavailable", "GET /v1/account", times=None)
    project.bench.world.clock.advance(7 * 3600)
    later = project.bench.router(rollback_hooks=[project.hook])
    assert later.recover_operations().left
    assert later.discrepancies.list() == ()
    assert later.sanity_layer.list_anomalies() == ()
    assert project.heard == []
