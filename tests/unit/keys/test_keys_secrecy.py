"""A planted key or token shows up nowhere, whatever goes wrong."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests

from stripe_billing_router.errors import BillingError
from stripe_billing_router.keys import KeyRing
from stripe_billing_router.keys.vault import VaultSettings
from stripe_billing_router.keys.vault.source import VALUES_TTL
from tests.unit.keys.vault_double import (
    ROLE,
    SECRET,
    SECRET_ID,
    TOKEN,
    Clock,
    Ring,
    Vault,
    ok,
    refusal,
)

APPROLE = {"VAULT_TOKEN": None, "VAULT_ROLE_ID": ROLE, "VAULT_SECRET_ID": SECRET_ID}


def everything_shown(error: BaseException) -> str:
    """All that a log, an error tracker or another process could get to see of an error."""
    shown = "".join(traceback.format_exception(error)) + repr(pickle.dumps(error))
    chain: BaseException | None = error
    while chain is not None:
        shown += f"{chain} {chain!r} {chain.args} {vars(chain)}"
        request = getattr(chain, "request", None)
        shown += str(vars(request)) if request is not None else ""
        chain = chain.__cause__ or chain.__context__
    return shown


def failure_of(ring: KeyRing) -> BillingError:
    with pytest.raises(BillingError) as caught:
        ring.keys()
    return caught.value


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


FAILURES: dict[str, Any] = {
    "denied": refusal(403, f"permission denied for {TOKEN}"),
    "sealed": refusal(503, f"sealed, {SECRET}"),
    "refused": refusal(400, SECRET_ID),
    "connection": requests.ConnectionError(f"cannot reach {TOKEN}"),
    "time-out": requests.ReadTimeout(SECRET),
    "header": requests.exceptions.InvalidHeader(f"Invalid return character: {TOKEN}"),
    "page": (404, {}, f"<h1>{TOKEN}</h1>"),
    "no fields": ok({"data": {"metadata": {}, "data": SECRET}}),
    "no json": (200, {"Content-Type": "application/json"}, f'{{"{SECRET}'),
    "no list": (403, {"Content-Type": "application/json"}, f'["{SECRET}"]'),
}


@pytest.mark.parametrize("settings", [{}, APPROLE], ids=["token", "approle"])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_no_failure_of_vault_shows_a_credential(
    vault_ring: Ring,
    vault: Vault,
    failure: Any,
    settings: dict[str, str | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Foreign exceptions carry the request with its headers; they are not even chained."""
    vault.broken = failure
    error = failure_of(vault_ring(**settings))
    assert "PLANTED" not in everything_shown(error) + caplog.text
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    "value",
    ["sk_test_PLANTED", "pk_live_PLANTED", "sk_live_PLANTED\nPLANTED", "PLANTED", ["PLANTED"]],
)
def test_no_refused_key_is_shown(
    vault_ring: Ring, vault: Vault, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither whole nor in part."""
    vault.fields = {"stripe_secret_key": value}
    error = failure_of(vault_ring())
    assert "PLANTED" not in everything_shown(error) + caplog.text


def test_an_address_with_a_password_is_shown_without_it(
    ring: Ring, caplog: pytest.LogCaptureFixture
) -> None:
    """Some proxies ask for one."""
    addr = f"http://PLANTED:PLANTED@127.0.0.1:{_unused_port()}"
    error = failure_of(ring(VAULT_ADDR=addr, VAULT_TOKEN=TOKEN))
    assert "127.0.0.1" in str(error)
    assert "PLANTED" not in everything_shown(error) + caplog.text


def test_use_and_staleness_log_no_credential(
    vault_ring: Ring, vault: Vault, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The good days are logged too."""
    vault.ttl = 400
    ring = vault_ring(**APPROLE)
    ring.keys()
    vault.broken = FAILURES["connection"]
    clock.forward(VALUES_TTL)
    keys = ring.keys()
    shown = repr(keys) + str(keys) + repr(ring) + repr(vars(ring._vault))
    assert "stay in use" in caplog.text
    assert "PLANTED" not in shown + caplog.text


def test_what_holds_credentials_is_not_pickled_or_copied(vault_ring: Ring, vault: Vault) -> None:
    """A copy on a queue or a disk would be out of our hands."""
    ring = vault_ring()
    ring.keys()
    source = ring._vault
    session: Any = source._session
    login = session._login
    for holder in (ring, source, session, session.settings, login, login._token, source._good):
        for taken in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="holds credentials") as caught:
                taken(holder)
            assert "PLANTED" not in str(caught.value)


def test_settings_show_no_credential() -> None:
    """Their repr ends up in tracebacks of others."""
    settings = VaultSettings("https://u:PLANTED@vault", TOKEN, ROLE, SECRET_ID)
    assert "PLANTED" not in repr(settings) + settings.place


class Denying(BaseHTTPRequestHandler):
    """Says no over a real socket."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"errors": ["permission denied"]}')

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def denying_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Denying) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_whole_stack_logs_no_token(
    ring: Ring, denying_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3's own debug lines included."""
    error = failure_of(ring(VAULT_ADDR=denying_server, VAULT_TOKEN=TOKEN))
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert "PLANTED" not in everything_shown(error) + caplog.text


def test_a_refused_connection_shows_no_token(ring: Ring, caplog: pytest.LogCaptureFixture) -> None:
    """The exception of requests holds the request; ours does not."""
    addr = f"http://127.0.0.1:{_unused_port()}"
    error = failure_of(ring(VAULT_ADDR=addr, VAULT_TOKEN=TOKEN))
    assert "PLANTED" not in everything_shown(error) + caplog.text


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
