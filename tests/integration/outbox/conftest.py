"""A database of each kind, with every table, and a store on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stripe_billing_router.store import SqlStore
from tests.integration.outbox.outbox_bench import store_at, upgraded


@pytest.fixture
def url(database_url: str) -> str:
    return upgraded(database_url)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    made = store_at(url)
    yield made
    made.close()
