"""The SDK's transport: synchronous, asynchronous and streaming, and what importing costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import stripe

from stripe_billing_router.sandbox import (
    SANDBOX_SECRET_KEY,
    Fault,
    SandboxHTTPClient,
)
from tests.unit.sandbox.sandbox_helpers import client_of, new_world, payment


def test_coroutines_work_too() -> None:
    world = new_world()

    async def pay() -> stripe.PaymentIntent:
        return await client_of(world).v1.payment_intents.create_async(payment())

    assert asyncio.run(pay()).status == "succeeded"
    assert len(world.effects()) == 1


def test_the_sdks_asynchronous_retries_end_in_one_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxHTTPClient, "_sleep_time_seconds", lambda *_: 0.0)
    world = new_world()
    world.faults.add(Fault("timeout", effect=True))

    async def pay() -> stripe.PaymentIntent:
        client = client_of(world, max_network_retries=1)
        return await client.v1.payment_intents.create_async(payment())

    assert asyncio.run(pay()).status == "succeeded"
    assert len(world.effects()) == 1


def test_answers_can_be_streamed() -> None:
    transport = SandboxHTTPClient(new_world())
    headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
    url = "http://127.0.0.1/any/base/v1/customers/cus_one"
    stream, status, _ = transport.request_stream("get", url, headers)
    assert status == 200
    assert b"cus_one" in stream.read()

    async def read() -> bytes:
        chunks, _, _ = await transport.request_stream_async("get", url, headers)
        return b"".join([chunk async for chunk in chunks])

    assert b"cus_one" in asyncio.run(read())
    transport.close()
    asyncio.run(transport.close_async())


def test_a_connection_that_is_never_made_can_take_its_time() -> None:
    world = new_world()
    before = world.clock.now_ms()
    world.faults.add(Fault("connect_timeout", seconds=10))
    with pytest.raises(stripe.APIConnectionError):
        client_of(world).v1.customers.list()
    assert world.clock.now_ms() - before == 10_000
    assert world.requests == []


def test_importing_the_sandbox_does_not_import_stripe() -> None:
    code = (
        "import sys; import stripe_billing_router.sandbox as s; s.World(); "
        "assert 'stripe' not in sys.modules; s.SandboxHTTPClient; assert 'stripe' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_not_there() -> None:
    import stripe_billing_router.sandbox as package

    with pytest.raises(AttributeError, match="frob"):
        _ = package.frob
