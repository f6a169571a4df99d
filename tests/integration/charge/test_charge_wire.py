"""The way to Stripe: where the key goes, what a broken connection means, what stays untouched."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
import urllib3

from stripe_billing_router.errors import (
    BillingError,
    OutcomeUnknownError,
    StripeUnavailableError,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from tests.integration.charge.charge_bench import BOT, Bench
from tests.integration.charge.charge_server import serving

BEARER = f"Bearer {SANDBOX_SECRET_KEY}"


def over_http(bench: Bench, base: str, **changes: Any) -> Any:
    """A router with its own transport; the ledger is one for this API base."""
    settings = {"http_client": None, "api_base": base, **changes}
    return bench.router(ledger_url=f"sqlite:///{bench.folder}/http.db", **settings)


@pytest.fixture
def new_ledger(bench: Bench) -> None:
    (bench.folder / "http.db").touch()


@pytest.mark.usefixtures("new_ledger")
def test_a_charge_over_a_real_connection(bench: Bench) -> None:
    with serving(bench.world) as server:
        router = over_http(bench, server.base)
        assert router.charge(BOT, 5).paid
        assert {key for _, key in server.seen} == {BEARER}
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.usefixtures("new_ledger")
def test_an_answer_that_is_cut_off_after_the_effect_is_recovered(bench: Bench) -> None:
    with serving(bench.world) as server:
        router = over_http(bench, server.base)
        bench.fault("cut", effect=True)
        assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.usefixtures("new_ledger")
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed-once"])
def test_a_netrc_does_not_replace_the_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    netrc = Path(bench.folder, "netrc")
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(bench.world) as server:
        router = over_http(bench, server.base)
        router.charge(BOT, 5)
        if closed:
            router.close()
        router.charge(BOT, 5)
        assert {key for _, key in server.seen} == {BEARER}


@pytest.mark.usefixtures("new_ledger")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(bench: Bench, status: int) -> None:
    with serving(bench.world) as elsewhere:
        headers = {"Location": f"{elsewhere.base}/v1/payment_intents", "Request-Id": "req_1"}
        with serving(bench.world, (status, headers)) as server, pytest.raises(OutcomeUnknownError):
            over_http(bench, server.base).charge(BOT, 5)
        assert elsewhere.seen == []
    assert bench.moved() == []


@pytest.mark.usefixtures("new_ledger")
def test_a_key_meant_for_this_machine_goes_through_no_proxy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(bench.world) as proxy, serving(bench.world) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert over_http(bench, server.base).charge(BOT, 5).paid
        assert proxy.seen == []


@pytest.mark.usefixtures("new_ledger")
def test_where_nobody_listens_nothing_was_executed(bench: Bench) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(StripeUnavailableError) as told:
        over_http(bench, base).charge(BOT, 5)
    assert told.value.money == "not_moved"


def _refused() -> None:
    raise ConnectionRefusedError(111, "Connection refused")


def _no_name() -> None:
    raise socket.gaierror(-2, "Name or service not known")


def _late() -> None:
    raise requests.ConnectTimeout("a service of the bot's own")


def _new_connection() -> None:
    connection = urllib3.connection.HTTPConnection("127.0.0.1")
    raise urllib3.exceptions.NewConnectionError(connection, "refused")


@pytest.mark.parametrize("earlier", [_refused, _no_name, _late, _new_connection])
def test_the_bot_s_own_earlier_trouble_says_nothing_about_the_payment(
    bench: Bench, earlier: Callable[[], None]
) -> None:
    """A bot charges in an `except` block: the exception it handles is the context of all others."""
    router = bench.warm()
    bench.fault("timeout", effect=True, times=None)
    try:
        earlier()
    except OSError:
        told = _error_of(lambda: router.charge(BOT, 5))
    except urllib3.exceptions.HTTPError:
        told = _error_of(lambda: router.charge(BOT, 5))
    assert isinstance(told, OutcomeUnknownError)
    assert bench.moved() == [500]
    bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.moved() == [500]


def _error_of(call: Callable[[], object]) -> BillingError | None:
    try:
        call()
    except BillingError as error:
        return error
    return None


def test_a_router_that_was_closed_still_uses_its_own_transport(bench: Bench) -> None:
    router = bench.warm()
    router.close()
    assert router.charge(BOT, 5).paid
    assert bench.moved() == [500]
    assert stripe.default_http_client is None


@pytest.mark.usefixtures("new_ledger")
def test_a_charge_touches_no_global_of_the_sdk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "api_key", "sk_live_theHostsOwnKey")
    monkeypatch.setattr(stripe, "max_network_retries", 5)
    monkeypatch.setattr(stripe, "proxy", "http://127.0.0.1:1")
    with serving(bench.world) as server:
        router = over_http(bench, server.base)
        bench.fault("server_error")
        router.charge(BOT, 5)
        assert {key for _, key in server.seen} == {BEARER}
    assert stripe.api_key == "sk_live_theHostsOwnKey"
    assert stripe.default_http_client is None
    assert len(bench.sent()) == 2


@pytest.mark.usefixtures("new_ledger")
def test_without_a_key_of_its_own_the_host_s_global_key_is_not_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "api_key", SANDBOX_SECRET_KEY)
    with serving(bench.world) as server, pytest.raises(BillingError):
        over_http(bench, server.base, secret_key=None).charge(BOT, 5)
    assert server.seen == []


@pytest.mark.usefixtures("new_ledger")
def test_the_api_version_is_ours_whatever_the_host_has_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "api_version", "2020-08-27")
    with serving(bench.world) as server:
        over_http(bench, server.base).charge(BOT, 5)
    assert {r.headers["stripe-version"] for r in bench.world.requests} == {"2026-10-28.endive"}
