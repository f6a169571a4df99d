"""The sandbox over real sockets, and as a command."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import stripe

from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, World
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with serving(World()) as running:
        yield running


@pytest.fixture
def client(server: SandboxServer) -> Iterator[stripe.StripeClient]:
    with requests.Session() as session:
        http = stripe.RequestsClient(timeout=5, session=session)
        yield stripe.StripeClient(
            SANDBOX_SECRET_KEY, base_addresses={"api": server.api_base}, http_client=http
        )


def test_the_sdk_talks_to_it_over_a_socket(
    server: SandboxServer, client: stripe.StripeClient
) -> None:
    created = client.v1.customers.create(params={"email": "a@b.example"})
    assert client.v1.customers.retrieve(created.id).email == "a@b.example"
    client.v1.customers.delete(created.id)
    assert [request.method for request in server.world.requests] == ["POST", "GET", "DELETE"]


def test_a_cut_line_is_a_connection_error(
    server: SandboxServer, client: stripe.StripeClient
) -> None:
    server.world.faults.add(Fault("cut", effect=True, match="POST *"))
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create(params={"name": "Cut"})
    assert [customer.name for customer in client.v1.customers.list().data] == ["Cut"]


def test_stripes_errors_come_through(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.customers.retrieve("cus_none")
    assert told.value.code == "resource_missing"
    assert told.value.request_id


def test_it_listens_on_the_loopback_interface_only(server: SandboxServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n",
        b"POST /v1/customers HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n",
        b"POST /v1/customers HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"\x00\xff\xfe" * 50 + b"\r\n\r\n",
    ],
)
def test_garbage_does_not_stop_it(
    server: SandboxServer, client: stripe.StripeClient, garbage: bytes
) -> None:
    place = ("127.0.0.1", server.server_port)
    with socket.create_connection(place, 5) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1000)
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize("arrived", [b"", b"name=Ha"])
def test_a_request_whose_sender_died_in_the_middle_is_none(
    server: SandboxServer, client: stripe.StripeClient, arrived: bytes
) -> None:
    head = [
        "POST /v1/customers HTTP/1.1",
        f"Authorization: Bearer {SANDBOX_SECRET_KEY}",
        "Idempotency-Key: key-1",
        "Content-Length: 9",
    ]
    place = ("127.0.0.1", server.server_port)
    with socket.create_connection(place, 5) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + arrived)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    created = client.v1.customers.create({"name": "Half"}, {"idempotency_key": "key-1"})
    assert [customer.id for customer in client.v1.customers.list().data] == [created.id]


def test_its_clock_follows_the_real_one() -> None:
    world = real_time_world()
    before = world.clock.elapsed()
    assert 0 <= world.clock.elapsed() - before < 60
    assert abs(world.clock.now_ms() - real_time_world().clock.now_ms()) < 60_000


def test_the_command_serves_what_the_routes_name_until_interrupted(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template())
    command = [sys.executable, "-c", "from stripe_billing_router.cli import main; main()"]
    with subprocess.Popen(
        [*command, "sandbox", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline() + process.stdout.readline()
        base = re.search(r"STRIPE_API_BASE=(\S+)", told)
        assert base is not None
        with requests.Session() as session:
            found = session.get(
                f"{base.group(1)}/v1/customers/cus_finance_router",
                headers={"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"},
                timeout=5,
            )
        assert found.json()["id"] == "cus_finance_router"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
