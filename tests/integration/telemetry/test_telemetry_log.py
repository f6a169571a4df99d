"""One log record at the end of each call of a verb, for people and for programs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from stripe_billing_router.errors import (
    OutcomeUnknownError,
    PaymentDeclinedError,
    PolicyViolationError,
)
from tests.integration.telemetry.conftest import Seen

BOT = "finance:bot"
FIELDS = (
    "billing_event operation_id bot_id verb region state error reason money amount_minor currency "
    "duration_s requests retries replayed sandbox"
).split()


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, seen: Seen) -> pytest.LogCaptureFixture:
    caplog.clear()
    caplog.set_level(logging.INFO, logger="stripe_billing_router")
    return caplog


def _only(log: pytest.LogCaptureFixture) -> tuple[str, dict[str, Any]]:
    """The level and the fields of the only record of the router's logger."""
    (record,) = [one for one in log.records if one.name == "stripe_billing_router.calls"]
    return record.levelname, {name: getattr(record, name) for name in FIELDS}


def test_a_charge_leaves_one_line(seen: Seen, log: pytest.LogCaptureFixture) -> None:
    paid = seen.router.charge(BOT, "5.00")
    level, told = _only(log)
    duration = told.pop("duration_s")
    assert isinstance(duration, float)
    assert (level, told) == (
        "INFO",
        {
            "billing_event": "call.ended",
            "operation_id": paid.operation_id,
            "bot_id": BOT,
            "verb": "charge",
            "region": "default",
            "state": "succeeded",
            "error": None,
            "reason": None,
            "money": None,
            "amount_minor": 500,
            "currency": "usd",
            "requests": 1,
            "retries": 0,
            "replayed": False,
            "sandbox": True,
        },
    )
    json.dumps(told)
    assert log.messages[-1].startswith(
        f"sandbox call.ended {paid.operation_id}: bot_id={BOT} verb=charge "
    )
    assert "state=succeeded amount_minor=500 currency=usd duration_s=" in log.messages[-1]


def test_a_refusal_and_a_decline_are_warnings(seen: Seen, log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PolicyViolationError):
        seen.router.charge(BOT, "501.00")
    level, told = _only(log)
    assert (level, told["state"], told["money"]) == ("WARNING", "refused", "not_moved")
    log.clear()
    outcome = "declined:insufficient_funds"
    card = seen.world.add_payment_method(customer="cus_Secret7Customer", outcome=outcome)
    with pytest.raises(PaymentDeclinedError):
        seen.router.charge(BOT, "5.00", payment_method_id=card)
    level, told = _only(log)
    assert (level, told["state"], told["reason"]) == ("WARNING", "failed", "insufficient_funds")


def test_a_doubt_is_an_error(seen: Seen, log: pytest.LogCaptureFixture) -> None:
    seen.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError) as raised:
        seen.router.charge(BOT, "5.00")
    level, told = _only(log)
    assert (level, told["state"], told["money"]) == ("ERROR", "unknown", "unknown")
    assert told["operation_id"] == raised.value.operation_id
    assert told["requests"] == told["retries"] + 1
    assert told["duration_s"] > 1


def test_a_replay_says_so(seen: Seen, log: pytest.LogCaptureFixture) -> None:
    seen.router.charge(BOT, "5.00", idempotency_key="one")
    log.clear()
    seen.router.charge(BOT, "5.00", idempotency_key="one")
    level, told = _only(log)
    assert (level, told["replayed"], told["requests"]) == ("INFO", True, 0)


def test_what_happens_without_a_call_is_told_as_before(
    seen: Seen, log: pytest.LogCaptureFixture
) -> None:
    seen.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        seen.router.charge(BOT, "5.00")
    seen.world.faults.clear()
    seen.box.advance(3600)
    log.clear()
    seen.router.recover_operations()
    assert [getattr(one, "billing_event", None) for one in log.records] == ["operation.closed"]
