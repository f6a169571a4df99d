"""The same for histories of many events: a file of their own, so that another process takes it."""

from __future__ import annotations

import pytest

from tests.integration.webhooks.histories import HISTORIES, LONG, History
from tests.integration.webhooks.orders import differences, spread
from tests.integration.webhooks.test_webhooks_orders import ORDERS

SPREAD = [
    (history, orders)
    for history, orders in zip(HISTORIES, spread(ORDERS), strict=True)
    if history in LONG
]


@pytest.mark.parametrize(("history", "orders"), SPREAD, ids=lambda v: getattr(v, "__name__", ""))
def test_every_order_of_deliveries_ends_the_same(history: History, orders: int) -> None:
    assert differences(history, orders, seed=0) == []
