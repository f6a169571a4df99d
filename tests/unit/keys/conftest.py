"""Rings of keys, with or without a Vault, on a clock that only moves when told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from stripe_billing_router.keys import KeyRing
from tests.unit.keys.vault_double import ADDR, TOKEN, Clock, Ring, Vault


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault() -> Iterator[Vault]:
    """The Vault at ADDR; any other address is refused a connection."""
    double = Vault()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT"):
            url = re.compile(re.escape(ADDR) + "/.*")
            mock.add_callback(method, url, callback=double, content_type=None)
        yield double


@pytest.fixture
def ring(clock: Clock) -> Ring:
    """Make a ring from variables, `ring(VAULT_TOKEN=…)`, and from options in lower case."""

    def make(**given: Any) -> KeyRing:
        environ = {name: value for name, value in given.items() if name.isupper()}
        options = {name: value for name, value in given.items() if not name.isupper()}
        return KeyRing(environ=environ, elapsed=clock, **options)

    return make


@pytest.fixture
def vault_ring(vault: Vault, ring: Ring) -> Ring:
    """The same, with the Vault's address and a valid token unless told otherwise."""

    def make(**given: Any) -> KeyRing:
        settings = {"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN} | given
        return ring(**{name: value for name, value in settings.items() if value is not None})

    return make
