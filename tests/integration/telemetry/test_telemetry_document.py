"""docs/observability.md names every field, attribute and metric, and none that there is not."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from pathlib import Path

import pytest

from stripe_billing_router.errors import PaymentDeclinedError
from stripe_billing_router.ports import CallDetails, RequestDetails
from tests.integration.telemetry.conftest import Seen, ours

TEXT = (Path(__file__).parents[3] / "docs/observability.md").read_text()


def _named(row: str) -> set[str]:
    """What stands in the second column of the row that begins so."""
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {row} |")]
    return set(re.findall(r"`([^`]+)`", line.split("|")[2]))


def test_the_details_are_as_told() -> None:
    assert _named("`event.call`") == {field.name for field in fields(CallDetails)}
    assert _named("`event.request`") == {field.name for field in fields(RequestDetails)}


def test_what_is_exported_is_as_told(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="stripe_billing_router")
    card = seen.world.add_payment_method(
        customer="cus_Secret7Customer", outcome="declined:lost_card"
    )
    seen.fault("cut", effect=True)
    with pytest.raises(PaymentDeclinedError):
        seen.router.charge("finance:bot", "5.00", payment_method_id=card, idempotency_key="one")
    assert set(ours(seen.call())) == _named("`stripe_billing_router <verb>`")
    exported = {name for span in seen.requests() for name in ours(span)}
    assert exported == _named("`<METHOD> <path>`")
    metrics = seen.reader.get_metrics_data()
    assert metrics is not None
    told = set(re.findall(r"^\| `(stripe_billing_router\.[a-z.]+)`", TEXT, re.MULTILINE))
    assert {m.name for m in metrics.resource_metrics[0].scope_metrics[0].metrics} == told


def test_the_record_s_attributes_are_as_told(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="stripe_billing_router")
    caplog.clear()
    seen.router.charge("finance:bot", "5.00")
    (record,) = caplog.records
    plain = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    table = TEXT.partition("| attribute | meaning |")[2].partition("\n\n")[0]
    told = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert set(vars(record)) - plain == told
